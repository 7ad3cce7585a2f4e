// Package pod runs a function as Knative does, in a process of its own, for tests that measure it.
package pod

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// startTimeout is for a machine that is busy with other tests.
const startTimeout = time.Minute

// backends are the settings that lead to the servers.
var backends = []string{
	"MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_SECURE", "MINIO_CA_FILE", "MINIO_BUCKET",
	"REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_TLS", "REDIS_CA_FILE",
	"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TLS", "KAFKA_CA_FILE",
	"KAFKA_TOPIC", "KAFKA_BACKFILL_TOPIC", "KAFKA_DEAD_LETTER_TOPIC",
	"KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD",
}

// A Pod is a function that runs.
type Pod struct {
	URL string
	ID  int // of its process

	tb testing.TB
}

// Start builds the function in the directory of the test and runs it until the test ends. Its servers are those of
// getenv; settings, NAME=value, replace them and add others.
func Start(tb testing.TB, getenv func(name string) string, settings ...string) *Pod {
	tb.Helper()
	binary, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	function := exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), binary.Fd()))
	port := freePort(tb)
	function.Env = []string{"PORT=" + port, "LOG_LEVEL=ERROR"}
	for _, name := range backends {
		function.Env = append(function.Env, name+"="+getenv(name))
	}
	function.Env = append(function.Env, settings...)
	function.Stderr = os.Stderr
	if err := function.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = function.Process.Signal(os.Interrupt)
		if err := function.Wait(); err != nil {
			tb.Errorf("the function ended with %v, want no error", err)
		}
	})
	p := &Pod{URL: "http://127.0.0.1:" + port, ID: function.Process.Pid, tb: tb}
	p.awaitStart()
	return p
}

// build builds once, without the race detector, which takes memory, and as .ci/run builds, so that both share Go's
// cache. The file has no name, and is gone with the test's process.
var build = sync.OnceValues(func() (binary *os.File, err error) {
	directory, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	path := filepath.Join(directory, "function")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-tags=grpcnotrace", "-o", path, ".")
	build.Env = append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, output)
	}
	return os.Open(path)
})

func freePort(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func (p *Pod) awaitStart() {
	p.tb.Helper()
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(time.Millisecond) {
		response, err := http.Get(p.URL + "/health")
		if err == nil {
			response.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			p.tb.Fatal(err)
		}
	}
}

var peakForm = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// Peak returns the most memory that the process has had, in bytes. It reads /proc of Linux.
func (p *Pod) Peak() int64 {
	p.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID))
	if err != nil {
		p.tb.Fatal(err)
	}
	found := peakForm.FindSubmatch(status)
	if found == nil {
		p.tb.Fatalf("process %d has no VmHWM", p.ID)
	}
	kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10
}
