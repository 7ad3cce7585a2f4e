package simulation

import (
	"math"
	"slices"
	"testing"
	"time"
)

// near reports an error if a time differs from what was measured by more than a fifth.
func near(t *testing.T, what string, got time.Duration, measured ...float64) {
	t.Helper()
	for _, want := range measured {
		if math.Abs(got.Seconds()/want-1) <= 0.2 {
			return
		}
	}
	t.Errorf("%s: got %v, want within 20 %% of %v s", what, got, measured)
}

// broker is that of docs/adr/0031-linear-pauses.md: a Trigger whose consumer has 50 to 99 events in delivery, and each
// delivery takes 30 ms, as 101 of them took 1013.1 s instead of 1010.
func broker(pause func(int) time.Duration) Broker {
	return Broker{Consumers: 1, Slots: 50, Fetch: 50, Pause: pause, Overhead: 30 * time.Millisecond}
}

var linear, exponential = Linear(200 * time.Millisecond), Exponential(500 * time.Millisecond)

// An outage is one of the decision about pauses: 120 uploads at its beginning, then one a second, which may be refused,
// and a new one 5 s after its end.
type outage struct {
	lasts            float64 // in seconds
	begin, within    float64 // when the first 120 uploads begin, and how long they take
	continues        bool    // uploads go on
	cpu              float64 // of an image
	backlog, newDone []float64
}

const newAfter = 5

func (o outage) simulate(pause func(int) time.Duration) (backlog, newDone time.Duration) {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	var images []Image
	add := func(at float64) {
		images = append(images, Image{At: seconds(at), CPU: seconds(o.cpu), Wait: 20 * time.Millisecond})
	}
	for i := range 120 {
		add(o.begin + o.within*float64(i)/120)
	}
	for at := o.begin + o.within + 1; o.continues && at < o.lasts; at++ {
		add(at)
	}
	add(o.lasts + newAfter)
	r := Run(Scenario{
		Images: slices.Values(images), Broker: broker(pause), Pods: Pods{Concurrency: 8, Cores: 1, Min: 1, Max: 1},
		Outage: Outage{0, seconds(o.lasts)},
	})
	last := len(images) - 1
	for i, image := range images[:last] {
		backlog = max(backlog, image.At+r.Took[i]-seconds(o.lasts))
	}
	return backlog, seconds(newAfter) + r.Took[last]
}

// The simulation reproduces what was measured after outages. When the first uploads came, and how fast images were made
// on a machine that was busy, was not recorded: these are the same for all rows of a run.
func TestOutages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pause func(int) time.Duration
		outage
	}{
		"thumbnail, 20 s":  {linear, outage{20, 0, 8, true, 0.032, []float64{4.6, 10.8}, []float64{0.3, 5.2}}},
		"thumbnail, 130 s": {linear, outage{130, 0, 8, true, 0.032, []float64{7.8, 7.7}, []float64{2.1, 2.5}}},
		"thumbnail, 140 s": {linear, outage{140, 0, 8, true, 0.032, []float64{9.9, 10.4}, []float64{4.7}}},

		"exponential, 20 s":  {exponential, outage{20, 4, 2, true, 0.028, []float64{19.5}, []float64{14.5}}},
		"exponential, 130 s": {exponential, outage{130, 4, 2, true, 0.028, []float64{7.8}, []float64{2.8}}},
		"exponential, 140 s": {exponential, outage{140, 4, 2, true, 0.028, []float64{128.5}, []float64{119.3}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backlog, newDone := test.simulate(test.pause)
			t.Logf("backlog %v, new image %v after the end of the outage", backlog, newDone)
			near(t, "backlog", backlog, test.backlog...)
			for i := range test.newDone {
				test.newDone[i] += newAfter
			}
			near(t, "new image, from the end of the outage", newDone, test.newDone...)
		})
	}
}

// One pod with a core works on images that wait: docs/performance.md, of which 1 and 8 images at a time say how long an
// image waits and computes.
func TestCapacityOfPod(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ one, four, eight float64 }{
		"JPEG, 12 megapixels": {19.7, 18.9, 20.5},
		"PNG, 16 megapixels":  {4.5, 5.8, 5.9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cpu := 1 / test.eight
			image := Image{CPU: time.Duration(cpu * 1e9), Wait: time.Duration((1/test.one - cpu) * 1e9)}
			const images = 500
			for concurrency, want := range map[int]float64{1: test.one, 4: test.four, 8: test.eight} {
				r := Run(Scenario{
					Images: slices.Values(slices.Repeat([]Image{image}, images)), Broker: broker(linear),
					Pods: Pods{Concurrency: concurrency, Cores: 1, Min: 1, Max: 1},
				})
				got := images / r.End.Seconds()
				if math.Abs(got/want-1) > 0.2 {
					t.Errorf("%d at a time: got %.1f a second, want within 20 %% of %.1f", concurrency, got, want)
				}
			}
		})
	}
}

// A pod starts from zero, and the last one goes a minute after the last image, as on a cluster.
func TestFromZero(t *testing.T) {
	t.Parallel()
	r := Run(Scenario{
		Images: slices.Values([]Image{{CPU: 50 * time.Millisecond}, {At: 10 * time.Minute}}), Broker: broker(linear),
		Pods: Pods{Concurrency: 8, Cores: 1, Max: 10, Start: 2 * time.Second},
	})
	near(t, "first image", r.Took[0], 2.05) // docs/performance.md: 2.0 to 2.1 s
	if got := r.PodTime; got < time.Minute || got > 80*time.Second {
		t.Errorf("the pods ran for %v, want little more than a minute", got)
	}
}

// A burst has the autoscaler start pods within seconds, not only after its window of a minute.
func TestBurst(t *testing.T) {
	t.Parallel()
	images := func(yield func(Image) bool) {
		for at := time.Duration(0); at < 5*time.Minute; at += 10 * time.Millisecond {
			if !yield(Image{At: at, CPU: 50 * time.Millisecond}) {
				return
			}
		}
	}
	r := Run(Scenario{
		Images: images, Broker: broker(linear), Pods: Pods{Concurrency: 8, Cores: 1, Min: 1, Max: 10, Start: 2 * time.Second},
	})
	if r.MostPods < 5 || r.MostPods > 10 {
		t.Errorf("at most %d pods, want 5 to 10, as the images need 5 cores", r.MostPods)
	}
	if late := slices.Max(r.Took[len(r.Took)/4:]); late > 10*time.Second {
		t.Errorf("after the first quarter an image took %v, want less than 10s", late)
	}
}

// The same scenario has the same result.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	o := outage{20, 0, 8, true, 0.032, nil, nil}
	first, second := [2]time.Duration{}, [2]time.Duration{}
	first[0], first[1] = o.simulate(linear)
	second[0], second[1] = o.simulate(linear)
	if first != second {
		t.Errorf("got %v and then %v", first, second)
	}
}
