// Package simulation simulates what delivers the events of images and works on them: a Trigger of Knative's Kafka
// Broker with its slots and pauses, and the pods of thumbnail with their autoscaler, cold starts and outages. It is
// deterministic. docs/capacity.md has what it was asked.
//
// It knows no networks and no servers: an image takes a time that its pod waits, for MinIO and Redis, and then CPU time
// on a core of its pod, first come, first served.
package simulation

import (
	"iter"
	"slices"
	"time"
)

// An Image is an event that waits on the topic of the Broker from a moment on.
type Image struct {
	At   time.Duration
	CPU  time.Duration // of a core of a pod
	Wait time.Duration // in a pod, before it
}

// A Broker is the consumers of a Trigger.
type Broker struct {
	// Consumers share the events; each fetches up to Fetch more while it has fewer than Slots in delivery.
	Consumers, Slots, Fetch int
	// Pause returns how long an event waits after its nth delivery has failed; the first is 1.
	Pause func(n int) time.Duration
	// Overhead is what each delivery takes beside the pause and the work.
	Overhead time.Duration
}

// Linear returns pauses of delay, twice the delay, and so on: the backoffPolicy linear of Knative's Kafka Broker.
func Linear(delay time.Duration) func(int) time.Duration {
	return func(n int) time.Duration { return time.Duration(n) * delay }
}

// Exponential returns pauses of twice the delay, four times, and so on: the backoffPolicy exponential of that Broker.
func Exponential(delay time.Duration) func(int) time.Duration {
	return func(n int) time.Duration { return delay << n }
}

// Pods are the pods of a function.
type Pods struct {
	Concurrency int           // containerConcurrency: images at a time in each pod
	Cores       int           // of each pod
	Min, Max    int           // min-scale and max-scale
	Start       time.Duration // from the decision to the first answer
}

// An Outage is when every delivery fails.
type Outage struct{ From, To time.Duration }

// A Scenario is what is simulated.
type Scenario struct {
	Images iter.Seq[Image] // in the order of At
	Broker Broker
	Pods   Pods
	Outage Outage
}

// A Result is what happened.
type Result struct {
	Took     []time.Duration // from At to the thumbnail, in the order of the images
	Backlog  int             // most images that waited on the topic
	MostPods int             // most pods at a time, those that were starting included
	PodTime  time.Duration   // of all pods together
	End      time.Duration   // when the last image was done
}

// Run simulates a scenario to its end.
func Run(s Scenario) Result {
	next, stop := iter.Pull(s.Images)
	defer stop()
	r := &run{Scenario: s, next: next, inDelivery: make([]int, s.Broker.Consumers)}
	for range s.Pods.Min {
		r.add(&pod{ready: true})
	}
	r.arrive()
	if s.Pods.Min < s.Pods.Max {
		r.after(tick, event{kind: scaling})
	}
	for len(r.events) > 0 && (r.more || r.left > 0) {
		e := r.events.pop()
		r.now = e.at
		r.handle(e)
	}
	r.result.End = r.now
	for _, p := range r.pods {
		r.result.PodTime += r.now - p.since
	}
	return r.result
}

// A run is the state of a simulation.
type run struct {
	Scenario
	now    time.Duration
	events events
	order  int // of the next event, to break ties
	next   func() (Image, bool)
	more   bool // images are to come
	images []Image
	left   int // images that have come and are not done

	topic      queue // images that no consumer has fetched
	inDelivery []int // by consumer
	waiting    queue // deliveries for which no pod is free
	consumerOf []int // by image
	pods       []*pod

	scaler autoscaler
	result Result
}

// A pod works on images.
type pod struct {
	since   time.Duration
	ready   bool
	leaving bool
	busy    int
	free    []time.Duration // when each core is
}

type kind int

const (
	arrival kind = iota
	delivery
	computing
	done
	started
	scaling
)

type event struct {
	at    time.Duration
	order int
	kind  kind
	image int
	n     int // of the delivery
	pod   *pod
}

func (r *run) after(d time.Duration, e event) {
	e.at, e.order = r.now+d, r.order
	r.order++
	r.events.push(e)
}

func (r *run) handle(e event) {
	switch e.kind {
	case arrival:
		r.topic.push(e.image)
		r.left++
		r.arrive()
		r.fetch()
		r.result.Backlog = max(r.result.Backlog, r.topic.len())
	case delivery:
		if r.Outage.From <= r.now && r.now < r.Outage.To {
			r.after(r.Broker.Pause(e.n)+r.Broker.Overhead, event{kind: delivery, image: e.image, n: e.n + 1})
			return
		}
		r.waiting.push(e.image)
		r.assign()
	case computing:
		core := slices.Index(e.pod.free, slices.Min(e.pod.free))
		e.pod.free[core] = max(e.pod.free[core], r.now) + r.images[e.image].CPU
		r.after(e.pod.free[core]-r.now, event{kind: done, image: e.image, pod: e.pod})
	case done:
		r.finish(e)
	case started:
		e.pod.ready = true
		r.assign()
	case scaling:
		r.scale()
		r.after(tick, event{kind: scaling})
	}
}

// arrive schedules the next image.
func (r *run) arrive() {
	var image Image
	if image, r.more = r.next(); !r.more {
		return
	}
	r.images = append(r.images, image)
	r.result.Took = append(r.result.Took, 0)
	r.consumerOf = append(r.consumerOf, 0)
	r.after(image.At-r.now, event{kind: arrival, image: len(r.images) - 1})
}

// fetch has consumers take images from the topic.
func (r *run) fetch() {
	for c := range r.inDelivery {
		for r.inDelivery[c] < r.Broker.Slots && r.topic.len() > 0 {
			for range min(r.Broker.Fetch, r.topic.len()) {
				image := r.topic.pop()
				r.inDelivery[c]++
				r.consumerOf[image] = c
				r.after(r.Broker.Overhead, event{kind: delivery, image: image, n: 1})
			}
		}
	}
}

// assign gives deliveries to the pods with the least to do.
func (r *run) assign() {
	for r.waiting.len() > 0 {
		var best *pod
		for _, p := range r.pods {
			if p.ready && !p.leaving && p.busy < r.Pods.Concurrency && (best == nil || p.busy < best.busy) {
				best = p
			}
		}
		if best == nil {
			if len(r.pods) == 0 && r.Pods.Max > 0 { // the activator does not wait for the autoscaler
				r.grow(1)
			}
			return
		}
		best.busy++
		image := r.waiting.pop()
		r.after(r.images[image].Wait, event{kind: computing, image: image, pod: best})
	}
}

func (r *run) finish(e event) {
	r.result.Took[e.image] = r.now - r.images[e.image].At
	r.left--
	r.inDelivery[r.consumerOf[e.image]]--
	if e.pod.busy--; e.pod.leaving && e.pod.busy == 0 {
		r.remove(e.pod)
	}
	r.assign()
	r.fetch()
}

func (r *run) add(p *pod) {
	p.since, p.free = r.now, make([]time.Duration, r.Pods.Cores)
	r.pods = append(r.pods, p)
	r.result.MostPods = max(r.result.MostPods, len(r.pods))
}

func (r *run) grow(pods int) {
	for range pods {
		p := &pod{}
		r.add(p)
		r.after(r.Pods.Start, event{kind: started, pod: p})
	}
}

func (r *run) remove(gone *pod) {
	r.result.PodTime += r.now - gone.since
	for i, p := range r.pods {
		if p == gone {
			r.pods = append(r.pods[:i], r.pods[i+1:]...)
			return
		}
	}
}

// A queue is first in, first out.
type queue struct {
	items []int
	head  int
}

func (q *queue) len() int   { return len(q.items) - q.head }
func (q *queue) push(i int) { q.items = append(q.items, i) }
func (q *queue) pop() (i int) {
	i = q.items[q.head]
	if q.head++; q.head > 1024 && q.head > len(q.items)/2 {
		q.items, q.head = append([]int(nil), q.items[q.head:]...), 0
	}
	return i
}

// events are a binary heap of what will happen, by time. Package container/heap would allocate each.
type events []event

func (e events) less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}

func (e *events) push(added event) {
	*e = append(*e, added)
	h := *e
	for i := len(h) - 1; i > 0 && h.less(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (e *events) pop() event {
	h := *e
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	*e = h
	for i := 0; ; {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < last && h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
