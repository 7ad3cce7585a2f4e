package simulation

import (
	"math"
	"time"
)

// Settings of Knative's autoscaler that this service leaves at their defaults:
// https://knative.dev/docs/serving/autoscaling/kpa-specific/
const (
	tick           = 2 * time.Second // how often it decides
	stableTicks    = 30              // its window of 60 s
	panicTicks     = 3               // the window of 6 s in which it notices bursts
	panicThreshold = 2               // times the capacity
	utilization    = 0.7             // of the concurrency of a pod
)

// An autoscaler is the state of Knative's autoscaler for a revision.
type autoscaler struct {
	samples []float64 // of the images in pods and before them
	calm    int       // ticks until a panic ends; 0 without one
}

// scale decides how many pods there are to be.
func (r *run) scale() {
	concurrency, ready, staying := r.waiting.len(), 0, 0
	for _, p := range r.pods {
		concurrency += p.busy
		if p.leaving {
			continue
		}
		staying++
		if p.ready {
			ready++
		}
	}
	a := &r.scaler
	a.samples = append(a.samples, float64(concurrency))
	want := a.decide(float64(r.Pods.Concurrency)*utilization, ready, staying)
	want = min(max(want, r.Pods.Min), r.Pods.Max)
	switch {
	case want > staying:
		r.grow(want - staying)
	case want < staying:
		r.shrink(staying - want)
	}
}

// decide returns how many pods are wanted for as many images as in the windows, with a target for each pod.
func (a *autoscaler) decide(target float64, ready, staying int) int {
	stable := int(math.Ceil(mean(a.samples, stableTicks) / target))
	burst := int(math.Ceil(mean(a.samples, panicTicks) / target))
	if burst >= panicThreshold*max(ready, 1) {
		a.calm = stableTicks
	}
	if a.calm == 0 {
		return stable
	}
	a.calm--
	return max(burst, staying) // a panic removes nothing
}

// mean returns the mean of the last samples.
func mean(samples []float64, last int) (sum float64) {
	samples = samples[max(0, len(samples)-last):]
	for _, s := range samples {
		sum += s
	}
	return sum / float64(len(samples))
}

// shrink removes pods, those that are idle first; the others end their images.
func (r *run) shrink(pods int) {
	for _, idle := range []bool{true, false} {
		for _, p := range append([]*pod(nil), r.pods...) {
			if pods == 0 {
				return
			}
			if p.leaving || !p.ready || idle != (p.busy == 0) {
				continue
			}
			pods--
			if p.leaving = true; p.busy == 0 {
				r.remove(p)
			}
		}
	}
}
