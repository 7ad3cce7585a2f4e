//go:build faults

package faults

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// work is the directory that everything is in, and cgroups the name that limits of memory begin with.
var work, cgroups string

var seed = uint64(time.Now().UnixNano())

// So many faults are looked at beside each other: mostly they wait.
const atOnce = 4

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return 1, fmt.Errorf("this needs root: it fills disks and limits memory (mount, cgroups)")
	}
	if given := os.Getenv("FAULTS_SEED"); given != "" {
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			return 1, fmt.Errorf("FAULTS_SEED: %w", err)
		}
	}
	if given := os.Getenv("FAULTS_STORM"); given != "" {
		if storm, err = time.ParseDuration(given); err != nil {
			return 1, fmt.Errorf("FAULTS_STORM: %w", err)
		}
	}
	fmt.Printf("FAULTS_SEED=%d repeats the random choices of this run\n", seed)
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(strconv.Itoa(atOnce))
	}
	if work, err = os.MkdirTemp("", "faults-"); err != nil {
		return 1, err
	}
	cgroups = filepath.Base(work)
	clean, err := hireJanitor()
	if err != nil {
		return 1, err
	}
	defer clean()
	if err := install(); err != nil {
		return 1, err
	}
	code = m.Run()
	stopIdle()
	return code, table.write()
}

// hireJanitor starts a process that removes what we leave when we are gone, however we went: then its input ends.
// clean does so and waits for it.
func hireJanitor() (clean func(), err error) {
	janitor := exec.Command("sh", "-c", `cat; for i in $(seq 100); do
		find /sys/fs/cgroup -depth -type d -name "$2*" -exec rmdir {} + 2>/dev/null
		rm -rf "$1" 2>/dev/null && ! find /sys/fs/cgroup -type d -name "$2*" | grep -q . && exit; sleep 0.1; done`, "janitor", work, cgroups)
	janitor.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives Ctrl-C
	until, err := janitor.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := janitor.Start(); err != nil {
		return nil, err
	}
	return func() {
		until.Close()
		_ = janitor.Wait()
	}, nil
}

// cache is where .ci/install puts programs.
func cache() string {
	directory, _ := os.UserCacheDir()
	return filepath.Join(directory, "image-service-ci")
}

// install has CI's own script install what is missing.
func install() error {
	_ = os.Setenv("PATH", filepath.Join(cache(), "bin")+":"+os.Getenv("PATH"))
	return inRoot(".ci/install", "gcc", "java", "mvn", "redis-server", "kafka", "minio")
}

// inRoot runs a command in the project's root.
func inRoot(command ...string) error {
	run := exec.Command(command[0], command[1:]...)
	run.Dir = "../.."
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", command, err, out)
	}
	return nil
}

// Programs are built once. The race detector looks on in the functions, unless memory is what is measured.
var (
	programs   = sync.OnceValues(func() (string, error) { return build("race", functions, "-race") })
	lean       = sync.OnceValues(func() (string, error) { return build("lean", functions) })
	dispatcher = sync.OnceValues(func() (string, error) { return build("dispatcher", []string{"./knative/local"}) })
)

var functions = []string{"./functions/upload", "./functions/thumbnail"}

// stepped are functions whose clock steps as the file says that CLOCK_STEP names: from their start on, and while they
// run. A process can not be given a clock of its own (name spaces have only monotonic ones, and programs that are linked
// statically take no library in between), so they are built with another package time, where Now differs by one line.
var stepped = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	const line = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	before, after, found := strings.Cut(string(text), line)
	if !found {
		return "", errors.New("this Go has another time.Now")
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		original: filepath.Join(work, "time.go"), filepath.Join(filepath.Dir(original), "step.go"): filepath.Join(work, "step.go"),
	}})
	for name, content := range map[string]string{
		"overlay.json": string(overlay),
		"time.go":      before + line + "\tsec += step()\n" + after,
		"step.go": `package time

import (
	"sync/atomic"
	"syscall"
)

var stepped atomic.Int64 // in seconds

func step() int64 { return stepped.Load() }

func init() {
	if name, found := syscall.Getenv("CLOCK_STEP"); found {
		readStep(name)
		go func() {
			for {
				Sleep(10 * Millisecond)
				readStep(name)
			}
		}()
	}
}

// readStep leaves the clock as it is where there is no file, and while it is being written.
func readStep(name string) {
	file, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(file)
	text := make([]byte, 32)
	n, err := syscall.Read(file, text)
	if d, invalid := ParseDuration(string(text[:max(n, 0)])); err == nil && invalid == nil {
		stepped.Store(int64(d / Second))
	}
}
`,
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(work, name), []byte(content), 0o600))
	}
	if err != nil {
		return "", err
	}
	return build("stepped", functions, "-overlay", filepath.Join(work, "overlay.json"))
})

// build compiles packages into a directory and returns it.
func build(name string, packages []string, flags ...string) (string, error) {
	directory := filepath.Join(work, name)
	command := append([]string{"go", "build", "-o", directory + "/"}, flags...)
	return directory, inRoot(append(command, packages...)...)
}

// idle are the backends that nobody uses. They are lent from test to test, as their start takes longer than most tests.
var idle struct {
	sync.Mutex
	backends []*backends
	made     int
}

// borrow has backends for a test alone. What a failed test leaves is not used again.
func borrow(t *testing.T) *backends {
	t.Helper()
	b, err := takeIdle()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			b.stop()
			b.show(t)
			return
		}
		idle.Lock()
		defer idle.Unlock()
		idle.backends = append(idle.backends, b)
	})
	return b
}

func takeIdle() (*backends, error) {
	idle.Lock()
	if last := len(idle.backends) - 1; last >= 0 {
		defer idle.Unlock()
		b := idle.backends[last]
		idle.backends = idle.backends[:last]
		return b, nil
	}
	idle.made++
	directory := filepath.Join(work, "backends-"+strconv.Itoa(idle.made))
	idle.Unlock()
	return startBackends(directory)
}

func stopIdle() {
	for _, b := range idle.backends {
		b.stop()
	}
}

// newRand makes the choices of one test, whatever other tests choose.
func newRand(t *testing.T) *rand.Rand {
	name := uint64(0)
	for _, c := range t.Name() {
		name = name*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, name))
}
