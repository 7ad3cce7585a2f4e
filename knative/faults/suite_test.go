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

// workDir is the directory of all files of this run, and cgroups the prefix of the names of its cgroups.
var workDir, cgroupPrefix string

var seed = uint64(time.Now().UnixNano())

// parallelFaults is the default number of faults that run in parallel. They mostly wait.
const parallelFaults = 4

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
		return 1, fmt.Errorf("not running as root: expected root, which mounting disks and limiting memory (cgroups) require")
	}
	if given := os.Getenv("FAULTS_SEED"); given != "" {
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			return 1, fmt.Errorf("FAULTS_SEED: %w", err)
		}
	}
	if given := os.Getenv("FAULTS_STORM"); given != "" {
		if overloadDuration, err = time.ParseDuration(given); err != nil {
			return 1, fmt.Errorf("FAULTS_STORM: %w", err)
		}
	}
	fmt.Printf("FAULTS_SEED=%d repeats the random choices of this run\n", seed)
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(strconv.Itoa(parallelFaults))
	}
	if workDir, err = os.MkdirTemp("", "faults-"); err != nil {
		return 1, err
	}
	cgroupPrefix = filepath.Base(workDir)
	clean, err := startJanitor()
	if err != nil {
		return 1, err
	}
	defer clean()
	if err := install(); err != nil {
		return 1, err
	}
	code = m.Run()
	stopPool()
	return code, table.write()
}

// startJanitor starts a process that removes the files and cgroups of this run when its standard input is closed, which
// also happens when the test process is killed. clean closes it and waits for the janitor to finish.
func startJanitor() (clean func(), err error) {
	janitor := exec.Command("sh", "-c", `cat; for i in $(seq 100); do
		find /sys/fs/cgroup -depth -type d -name "$2*" -exec rmdir {} + 2>/dev/null
		rm -rf "$1" 2>/dev/null && ! find /sys/fs/cgroup -type d -name "$2*" | grep -q . && exit; sleep 0.1; done`,
		"janitor", workDir, cgroupPrefix)
	janitor.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // not in the process group that Ctrl-C interrupts
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

// cache returns the directory that .ci/install installs programs in.
func cache() string {
	directory, _ := os.UserCacheDir()
	return filepath.Join(directory, "image-service-ci")
}

// install runs .ci/install for the programs that the suite needs.
func install() error {
	_ = os.Setenv("PATH", filepath.Join(cache(), "bin")+":"+os.Getenv("PATH"))
	return inRoot(".ci/install", "gcc", "java", "mvn", "redis-server", "kafka", "minio")
}

// inRoot runs a command in the root of the repository.
func inRoot(command ...string) error {
	run := exec.Command(command[0], command[1:]...)
	run.Dir = "../.."
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", command, err, out)
	}
	return nil
}

// Each set of programs is built once. The functions run with the race detector, except where memory is measured.
var (
	withRace    = sync.OnceValues(func() (string, error) { return build("race", functions, "-race") })
	withoutRace = sync.OnceValues(func() (string, error) { return build("lean", functions) })
	dispatcher  = sync.OnceValues(func() (string, error) { return build("dispatcher", []string{"./knative/local"}) })

	backfillCommand = sync.OnceValues(func() (string, error) {
		return build("backfill", []string{"./functions/upload/backfill"})
	})
)

var functions = []string{"./functions/upload", "./functions/thumbnail"}

// withClockStep builds functions whose clock is off by the duration in the file that CLOCK_STEP names, from their
// start and as the file changes. Linux has no wall clock per process (time namespaces cover only monotonic clocks,
// and LD_PRELOAD has no effect on static binaries), so the build overlays package time with a version of Now that
// differs by one line.
var withClockStep = sync.OnceValues(func() (string, error) {
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
		return "", errors.New("time.Now of this Go release differs from the expected one; adapt the overlay")
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		original: filepath.Join(workDir, "time.go"),
		filepath.Join(filepath.Dir(original), "step.go"): filepath.Join(workDir, "step.go"),
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

// readStep keeps the current step if the file does not exist or is being written.
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
		err = errors.Join(err, os.WriteFile(filepath.Join(workDir, name), []byte(content), 0o600))
	}
	if err != nil {
		return "", err
	}
	return build("stepped", functions, "-overlay", filepath.Join(workDir, "overlay.json"))
})

// build compiles packages into a directory and returns it.
func build(name string, packages []string, flags ...string) (string, error) {
	directory := filepath.Join(workDir, name)
	command := append([]string{"go", "build", "-o", directory + "/"}, flags...)
	return directory, inRoot(append(command, packages...)...)
}

// pool is the pool of unused backends. Tests reuse them because starting them takes longer than most tests.
var pool struct {
	sync.Mutex
	backends []*backends
	made     int
}

// acquireBackends returns backends for the exclusive use of a test. Those of a failed test are stopped instead of
// reused.
func acquireBackends(t *testing.T) *backends {
	t.Helper()
	b, err := unusedBackends()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			b.stop()
			b.show(t)
			return
		}
		pool.Lock()
		defer pool.Unlock()
		pool.backends = append(pool.backends, b)
	})
	return b
}

func unusedBackends() (*backends, error) {
	pool.Lock()
	if last := len(pool.backends) - 1; last >= 0 {
		defer pool.Unlock()
		b := pool.backends[last]
		pool.backends = pool.backends[:last]
		return b, nil
	}
	pool.made++
	directory := filepath.Join(workDir, "backends-"+strconv.Itoa(pool.made))
	pool.Unlock()
	return startBackends(directory)
}

func stopPool() {
	for _, b := range pool.backends {
		b.stop()
	}
}

// newRand returns the random source of one test. It depends only on the seed and the name of the test.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	name := uint64(0)
	for _, c := range t.Name() {
		name = name*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, name))
}
