//go:build faults

package faults

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/knative"
	"go.yaml.in/yaml/v3"
)

const (
	// The number of concurrent uploads that Knative would pass to two pods (containerConcurrency), and the number of
	// concurrent clients in the overload. No Knative limits admission here.
	admitted        = 128
	overloadClients = 30 * admitted
	// The duration of each fairness measurement.
	fairnessDuration = 8 * time.Second
)

// overloadDuration is the duration of the overload. FAULTS_STORM sets it; the default lets all tests end within go
// test's default timeout of ten minutes.
var overloadDuration = 45 * time.Second

// TestOverload sends many times more uploads than two pods can take. Memory stays within the limits of the manifests,
// accepted uploads are answered in time, all others are refused with Retry-After, and afterwards no resource has
// leaked.
func TestOverload(t *testing.T) {
	s := newSystem(t, withoutRace)
	s.limitMemory()
	l := s.startLoad(samples(t))
	if err := l.awaitAccepted(200); err != nil {
		t.Fatal(err)
	}
	l.stopLoad()
	if pending := l.drain(drainLimit); len(pending) > 0 {
		t.Fatalf("before the overload: not processed: %v", pending)
	}
	large := sample{"large.jpg", slices.Concat(noiseJPEG(s.random, 400, 300), make([]byte, 25<<20)), "completed"}
	s.measureFairness(l.samples[0], large)
	before := s.gauges()

	overload := s.overload(append(l.samples, large))
	overload.faultOver()
	began := time.Now()
	for _, image := range overload.drain(2 * drainLimit) {
		t.Errorf("not processed: %s", image)
	}
	name := fmt.Sprintf("overload: %d uploads at a time for %v", overloadClients, overloadDuration)
	overload.checkInvariants(fault{name: name}, time.Since(began))
	if overload.slowest > 20*time.Second {
		t.Errorf("the slowest answer took %v, want at most 20s", overload.slowest)
	}
	s.checkMemory()
	if err := retry(2*time.Minute, func() error { return leaked(before, s.gauges()) }); err != nil {
		t.Error(err)
	}
}

// limits returns the memory limit in bytes and the environment of the container in the manifest of a function.
func limits(t *testing.T, name string) (memory int64, settings []string) {
	t.Helper()
	text, err := fs.ReadFile(knative.Manifests, "300-"+name+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var service struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Env       []struct{ Name, Value string }
						Resources struct{ Limits struct{ Memory string } }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &service); err != nil {
		t.Fatal(err)
	}
	container := service.Spec.Template.Spec.Containers[0]
	for _, variable := range container.Env {
		settings = append(settings, variable.Name+"="+variable.Value)
	}
	mebibytes, err := strconv.ParseInt(strings.TrimSuffix(container.Resources.Limits.Memory, "Mi"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mebibytes << 20, settings
}

// limitMemory restarts the pods of the functions, each in a cgroup with the memory limit of its manifest.
func (s *system) limitMemory() {
	for name, service := range map[string]*service{"upload": s.upload, "thumbnail": s.thumbnail} {
		memory, settings := limits(s.t, name)
		for i, p := range service.pods {
			group, err := newCgroup(fmt.Sprintf("%s-%s-%d", cgroupPrefix, name, i), memory)
			if err != nil {
				s.t.Fatal(err)
			}
			p.command = append([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, group}, p.command...)
			for _, setting := range settings {
				p.set(setting)
			}
			p.roll()
		}
	}
}

// newCgroup creates a cgroup (version 1 or 2) with a memory limit in bytes. The janitor removes it.
func newCgroup(name string, memory int64) (string, error) {
	directory, file := filepath.Join("/sys/fs/cgroup/memory", name), "memory.limit_in_bytes"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err != nil {
		directory, file = filepath.Join("/sys/fs/cgroup", name), "memory.max"
	}
	if err := os.Mkdir(directory, 0o755); err != nil {
		return "", err
	}
	return directory, os.WriteFile(filepath.Join(directory, file), []byte(strconv.FormatInt(memory, 10)), 0o644)
}

// checkMemory checks that no pod was restarted, and logs the peak of its resident memory.
func (s *system) checkMemory() {
	for name, service := range map[string]*service{"upload": s.upload, "thumbnail": s.thumbnail} {
		allowed, _ := limits(s.t, name)
		for i, p := range service.pods {
			peak := p.peak()
			s.t.Logf("%s-%d: peak of %d MiB, limit %d MiB", name, i, peak>>20, allowed>>20)
			if p.starts != 2 || peak > allowed { // once without a limit, once with it
				s.t.Errorf("%s-%d was started %d times with a peak of %d bytes, want 2 starts and at most %d bytes",
					name, i, p.starts, peak, allowed)
			}
		}
	}
}

// peak returns the peak resident set size of the process in bytes.
func (p *pod) peak() int64 {
	p.lock.Lock()
	defer p.lock.Unlock()
	status, err := os.Open(filepath.Join("/proc", strconv.Itoa(p.running.Process.Pid), "status"))
	if err != nil {
		return 0
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		var kilobytes int64
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}

// noiseJPEG returns a JPEG of random noise.
func noiseJPEG(random *rand.Rand, width, height int) []byte {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for i := range m.Y {
		m.Y[i] = byte(random.IntN(256))
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, nil); err != nil {
		panic(err) // a bytes.Buffer does not fail
	}
	return file.Bytes()
}

// overload runs clients that upload photographs of about 100 KB, each without a pause after an answer. Half of them
// wait a second after a refusal. The bucket has images of stored, too.
func (s *system) overload(stored []sample) *loadGenerator {
	transport := &http.Transport{MaxIdleConnsPerHost: overloadClients}
	l := &loadGenerator{system: s, cancel: func() {}, client: &http.Client{Timeout: requestLimit, Transport: transport}}
	defer l.client.CloseIdleConnections()
	what := sample{"photograph.jpg", noiseJPEG(s.random, 400, 300), "completed"}
	l.samples = append(stored, what)
	ctx, stop := context.WithTimeout(s.t.Context(), overloadDuration)
	defer stop()
	for i := range overloadClients {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				if !l.try(&submission{sample: what, mode: "raw"}) && i%2 == 0 {
					time.Sleep(time.Second)
				}
			}
		})
	}
	l.wait.Wait()
	s.t.Logf("overload: %d accepted, %d refused, slowest answer %v", len(l.accepted), l.refused, l.slowest)
	return l
}

// measureFairness measures small uploads alone and beside uploads of 25 MB, which must not delay them much.
func (s *system) measureFairness(small, large sample) {
	alone := s.p95(small)
	l := &loadGenerator{system: s, client: &http.Client{Timeout: requestLimit}}
	ctx, stop := context.WithCancel(s.t.Context())
	for range 6 {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				l.try(&submission{sample: large, mode: "raw"})
			}
		})
	}
	beside := s.p95(small)
	stop()
	l.wait.Wait()
	l.client.CloseIdleConnections()
	s.t.Logf("95th percentile of small uploads: %v alone, %v beside 6 concurrent uploads of 25 MB (%d in total)",
		alone, beside, len(l.accepted))
	if beside > 5*time.Second {
		s.t.Errorf("small uploads take %v beside large ones, want at most 5s", beside)
	}
	for _, violation := range l.violations {
		s.t.Error(violation)
	}
}

// p95 returns the 95th percentile of the duration of small uploads.
func (s *system) p95(small sample) time.Duration {
	var took []time.Duration
	var lock sync.Mutex
	l := &loadGenerator{system: s, client: &http.Client{Timeout: requestLimit}}
	for range 4 {
		l.wait.Go(func() {
			for end := time.Now().Add(fairnessDuration); time.Now().Before(end); {
				began := time.Now()
				if l.try(&submission{sample: small, mode: "raw"}) {
					lock.Lock()
					took = append(took, time.Since(began))
					lock.Unlock()
				}
			}
		})
	}
	l.wait.Wait()
	l.client.CloseIdleConnections()
	slices.Sort(took)
	return took[len(took)*19/20]
}

// gauges returns the numbers of goroutines and open files of each pod.
func (s *system) gauges() map[string]float64 {
	found := map[string]float64{}
	for name, service := range map[string]*service{"upload": s.upload, "thumbnail": s.thumbnail} {
		for i, p := range service.pods {
			for gauge, value := range p.metrics("go_goroutines", "process_open_fds") {
				found[fmt.Sprintf("%s-%d %s", name, i, gauge)] = value
			}
		}
	}
	return found
}

// metrics returns the values of the named metrics of a pod; those that it does not have are missing.
func (p *pod) metrics(names ...string) map[string]float64 {
	found := map[string]float64{}
	response, err := http.Get("http://" + p.address + "/metrics")
	if err != nil {
		return found
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if slices.Contains(names, name) {
			found[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return found
}

// idleAllowance is the allowed growth of goroutines and open files: idle connections are kept for reuse.
const idleAllowance = 25

// leaked returns an error that names a gauge that has grown by more than kept.
func leaked(before, after map[string]float64) error {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now, known := after[name]; !known || now > before[name]+idleAllowance {
			return fmt.Errorf("%s grew from %v to %v", name, before[name], now)
		}
	}
	return nil
}
