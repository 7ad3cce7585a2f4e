//go:build hostile

package hostile

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// A pod is what the manifest of a function says about its pod.
type pod struct {
	concurrency int    // requests at a time
	memory      int64  // the limit, in bytes
	goLimit     string // GOMEMLIMIT
}

var podForm = regexp.MustCompile(
	`(?s)containerConcurrency: (\d+).*name: GOMEMLIMIT\s+value: "(\w+)".*limits:\s+cpu: "1"\s+memory: (\d+)Mi`)

// podOf reads the manifest of a function.
func podOf(tb testing.TB, function string) pod {
	tb.Helper()
	file := filepath.Join("..", "base", "300-"+function+".yaml")
	if function == "webhook" {
		file = filepath.Join("..", "components", "webhooks", "service.yaml")
	}
	manifest, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	found := podForm.FindSubmatch(manifest)
	if found == nil {
		tb.Fatalf("the manifest of %s has no containerConcurrency, GOMEMLIMIT or limits", function)
	}
	concurrency, _ := strconv.Atoi(string(found[1]))
	mebibytes, _ := strconv.ParseInt(string(found[3]), 10, 64)
	return pod{concurrency, mebibytes << 20, string(found[2])}
}

// bound is the most memory that a pod may take: beyond 80 % of its limit the kernel, which counts what the process does
// not see, could kill it.
func (p pod) bound() int64 { return p.memory / 5 * 4 }

// A process is a function under attack.
type process struct {
	pod
	testing.TB
	address string
	getenv  func(string) string // the settings of its backends
	command *exec.Cmd
	log     lockedBuffer
}

// packages are the main packages of the functions, by the names of their manifests, and of local mode.
var packages = map[string]string{
	"upload": "functions/upload", "thumbnail": "functions/thumbnail", "dead-letters": "functions/deadletter",
	"webhook": "functions/webhook", "local": "knative/local",
}

var binaries sync.Map // func() (string, error), by function

// build returns the path of a function's binary. It is built once.
func build(function string) (string, error) {
	made, _ := binaries.LoadOrStore(function, sync.OnceValues(func() (string, error) {
		binary := filepath.Join(workDirectory, function)
		build := exec.Command("go", "build", "-ldflags=-s", "-tags", "grpcnotrace", "-o", binary,
			"gitlab.com/yourorg/image-service/"+packages[function])
		build.Env = append(os.Environ(), "GOFLAGS=-trimpath") // without the race detector, which takes memory
		if output, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", function, err, output)
		}
		return binary, nil
	}))
	return made.(func() (string, error))()
}

var workDirectory string

func TestMain(m *testing.M) {
	directory, err := os.MkdirTemp("", "hostile")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	workDirectory = directory
	code := m.Run()
	os.RemoveAll(directory)
	os.Exit(code)
}

// logins are the users that a function has in Kafka.
var logins = map[string]string{
	"upload": "image-upload", "thumbnail": "image-thumbnail", "dead-letters": "image-dead-letters",
}

// backendSettings are the settings of a function that lead to its backends.
var backendSettings = []string{
	"MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_BUCKET", "MINIO_CA_FILE",
	"REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_TLS", "REDIS_CA_FILE",
	"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TLS", "KAFKA_CA_FILE",
	"KAFKA_TOPIC", "KAFKA_BACKFILL_TOPIC", "KAFKA_DEAD_LETTER_TOPIC",
	"KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD",
}

// start starts a function; it ends with the test, and must not crash before.
func start(tb testing.TB, function string, settings ...string) *process {
	tb.Helper()
	getenv := testservers.Start(tb, testservers.As(logins[function]))
	p := newProcess(tb, function, podOf(tb, function))
	p.getenv = getenv
	_, port, _ := net.SplitHostPort(p.address)
	p.command.Env = append(p.command.Env, "PORT="+port, "GOMAXPROCS=1")
	for _, name := range backendSettings {
		if value := getenv(name); value != "" {
			p.command.Env = append(p.command.Env, name+"="+value)
		}
	}
	p.command.Env = append(p.command.Env, settings...)
	p.run()
	return p
}

// startLocal starts local mode, whose process has all functions and the fakes, and so the images as well.
func startLocal(tb testing.TB) *process {
	tb.Helper()
	p := newProcess(tb, "local", pod{concurrency: 32, memory: 1 << 30, goLimit: "512MiB"})
	p.command.Args = append(p.command.Args, "--listen", p.address)
	p.run()
	return p
}

// newProcess returns a program that is to listen on an address of its own.
func newProcess(tb testing.TB, program string, limits pod) *process {
	tb.Helper()
	binary, err := build(program)
	if err != nil {
		tb.Fatal(err)
	}
	p := &process{TB: tb, pod: limits, address: freeAddress(tb), command: exec.Command(binary)}
	p.command.Env = []string{"LOG_LEVEL=ERROR", "GOMEMLIMIT=" + p.goLimit}
	p.command.Stderr = &p.log
	return p
}

// run starts the program and waits until it answers.
func (p *process) run() {
	p.Helper()
	if err := p.command.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(p.stop)
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Millisecond) {
		response, err := http.Get("http://" + p.address + "/health")
		if err == nil {
			response.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			p.Fatalf("%v\n%s", err, p.log.String())
		}
	}
}

// crashes matches lines of a log that no input may cause.
var crashes = regexp.MustCompile(`(?m)^.*("request_panicked"|^panic: |^fatal error: ).*$`)

func (p *process) stop() {
	_ = p.command.Process.Signal(os.Interrupt)
	if err := p.command.Wait(); err != nil {
		p.Errorf("the function ended with %v, want no error", err)
	}
	if found := crashes.FindString(p.log.String()); found != "" {
		p.Errorf("the log has %.3000s", found)
	}
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

var peakForm = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak returns the most memory that the process has had since forget, in bytes.
func (p *process) peak() int64 {
	p.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	found := peakForm.FindSubmatch(status)
	if found == nil {
		p.Fatalf("the process has no VmHWM: %v\n%.3000s", err, p.log.String())
	}
	kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10
}

// forget forgets the peak so far.
func (p *process) forget() {
	p.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.command.Process.Pid), []byte("5"), 0); err != nil {
		p.Fatal(err)
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return strings.ToValidUTF8(b.buffer.String(), "_")
}
