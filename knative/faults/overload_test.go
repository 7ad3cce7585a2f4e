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
	// So many uploads two pods take at a time behind Knative (containerConcurrency), and thirty times as many come. There is
	// no Knative here to keep them out.
	takenAtOnce = 128
	crowd       = 30 * takenAtOnce
	// How long large uploads go on beside small ones.
	together = 8 * time.Second
)

// storm is how long they come. It is minutes if FAULTS_STORM says so, and less by default, so that all tests end within the ten
// minutes that go test gives them.
var storm = 45 * time.Second

// Many times more than can be done: memory keeps within what the manifests allow, who is taken is answered in time, all
// others are told to come again, and afterwards everything is as before.
func TestOverload(t *testing.T) {
	s := newSite(t, lean)
	s.limitMemory()
	l := s.begin(samples(t))
	if err := l.await(200); err != nil {
		t.Fatal(err)
	}
	l.end()
	if waiting := l.settle(settleLimit); len(waiting) > 0 {
		t.Fatalf("before the storm: not done: %v", waiting)
	}
	s.fairness(l.samples[0])
	before := s.gauges()

	flood := s.flood()
	flood.mend()
	began := time.Now()
	for _, image := range flood.settle(2 * settleLimit) {
		t.Errorf("not done: %s", image)
	}
	flood.conclude(fault{name: fmt.Sprintf("overload: %d uploads at a time for %v", crowd, storm)}, time.Since(began))
	if flood.slowest > 20*time.Second {
		t.Errorf("an answer took %v", flood.slowest)
	}
	s.checkMemory()
	if err := persist(2*time.Minute, func() error { return risen(before, s.gauges()) }); err != nil {
		t.Error(err)
	}
}

// limits are what the manifest of a function allows and tells it.
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

// limitMemory starts the pods of the functions anew, each with what its manifest allows: with more, the kernel kills it.
func (s *site) limitMemory() {
	for name, service := range map[string]*service{"upload": s.upload, "thumbnail": s.thumbnail} {
		memory, settings := limits(s.t, name)
		for i, p := range service.pods {
			group, err := newCgroup(fmt.Sprintf("%s-%s-%d", cgroups, name, i), memory)
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

// newCgroup limits the memory of the processes that are put into it, by version 1 or 2 of cgroups. The janitor removes it.
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

// checkMemory holds that no pod had to be started again, and says how much memory each had at its peak.
func (s *site) checkMemory() {
	for name, service := range map[string]*service{"upload": s.upload, "thumbnail": s.thumbnail} {
		allowed, _ := limits(s.t, name)
		for i, p := range service.pods {
			peak := p.peak()
			s.t.Logf("%s-%d: %d MiB at its peak, of %d", name, i, peak>>20, allowed>>20)
			if p.starts != 2 || peak > allowed { // once without a limit, once with it
				s.t.Errorf("%s-%d was started %d times, and had %d bytes", name, i, p.starts, peak)
			}
		}
	}
}

// peak is the largest resident set that the process has had, in bytes.
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

// photograph is a JPEG of noise, which no two calls make alike.
func photograph(random *rand.Rand, width, height int) []byte {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for i := range m.Y {
		m.Y[i] = byte(random.IntN(256))
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, nil); err != nil {
		panic(err) // there is nothing to go wrong in memory
	}
	return file.Bytes()
}

// flood has many times as many clients as are served at once upload photographs of some 100 KB, each the next one as soon as
// it has its answer. Half of them are polite and wait a second when they are refused.
func (s *site) flood() *load {
	l := &load{site: s, stop: func() {}, client: &http.Client{Timeout: hang, Transport: &http.Transport{MaxIdleConnsPerHost: crowd}}}
	defer l.client.CloseIdleConnections()
	what := sample{"photograph.jpg", photograph(s.random, 400, 300), "completed"}
	ctx, stop := context.WithTimeout(s.t.Context(), storm)
	defer stop()
	for i := range crowd {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				if !l.try(&sent{sample: what, mode: "raw"}) && i%2 == 0 {
					time.Sleep(time.Second)
				}
			}
		})
	}
	l.wait.Wait()
	s.t.Logf("flood: %d taken, %d refused, slowest answer %v", len(l.accepted), l.refused, l.slowest)
	return l
}

// fairness measures how long small uploads take alone, and beside large ones of 25 MB.
func (s *site) fairness(small sample) {
	alone := s.typical(small)
	large := sample{"large.jpg", slices.Concat(photograph(s.random, 400, 300), make([]byte, 25<<20)), "completed"}
	l := &load{site: s, client: &http.Client{Timeout: hang}}
	ctx, stop := context.WithCancel(s.t.Context())
	for range 6 {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				l.try(&sent{sample: large, mode: "raw"})
			}
		})
	}
	beside := s.typical(small)
	stop()
	l.wait.Wait()
	l.client.CloseIdleConnections()
	s.t.Logf("small uploads: 19 of 20 within %v; beside %d of 25 MB, 6 at a time, within %v", alone, len(l.accepted), beside)
	if beside > 5*time.Second {
		s.t.Errorf("small uploads wait %v for large ones", beside)
	}
	for _, wrong := range l.wrong {
		s.t.Error(wrong)
	}
}

// typical is how long 19 of 20 small uploads take at the most.
func (s *site) typical(small sample) time.Duration {
	var took []time.Duration
	var lock sync.Mutex
	l := &load{site: s, client: &http.Client{Timeout: hang}}
	for range 4 {
		l.wait.Go(func() {
			for end := time.Now().Add(together); time.Now().Before(end); {
				began := time.Now()
				if l.try(&sent{sample: small, mode: "raw"}) {
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

// gauges are what each pod holds open.
func (s *site) gauges() map[string]float64 {
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

// What may be more than before, of goroutines and open files: connections that are kept for the next one to use.
const kept = 25

// risen tells what is more than it was.
func risen(before, after map[string]float64) error {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now, known := after[name]; !known || now > before[name]+kept {
			return fmt.Errorf("%s was %v, and is %v", name, before[name], now)
		}
	}
	return nil
}
