// Package retry handles events again that named an object which did not exist, and announces images again for which
// the thumbnail function had no memory. All of them wait in package deferral, and not in deliveries of Knative.
//
// An event is tried after 1, 2, 4 ... seconds and at last once a minute, in the same way as if it were delivered. When
// its object has not appeared in the time that New is given, its image has failed, with the reason object_not_found,
// and an image.failed is published. Run does that within a second of when it is due, as long as a process lives, and
// Sweep, which a PingSource asks for, does it in any case. Effects happen once: a try that is interrupted is repeated,
// and the objects in the bucket say how far it got. While a backend is down, nothing fails: it waits for the backend.
package retry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"golang.org/x/sync/errgroup"
)

const (
	// The pause between two tries is as long as the event has waited, within these bounds.
	minPause, maxPause = deferral.FirstPause, time.Minute
	// Run looks for what is due this often, and takes at most a batch of it from each lane. So a flood of missing objects
	// costs the image store at most two short requests for each of a batch a second, from each process.
	interval, batch = time.Second, 64
	// Tries at a time in one process, in each lane.
	parallel = 8
	// What a process claims and does not finish within this time, because it was killed or a backend is down, is due
	// again.
	lease = 30 * time.Second
	// A try that takes longer than this is abandoned. It copies at most one image.
	tryTimeout = 2 * time.Minute
	// How long tries in progress may take when the process is to end.
	drainTimeout = 10 * time.Second
	// The gauges are updated this often.
	measureInterval = 15 * time.Second
)

// Backends are what a Retrier works with.
type Backends struct {
	Queue     *deferral.Queue
	Images    *imagestore.Store
	Statuses  *status.Store
	Acceptor  *idempotency.Acceptor
	Relay     announcer
	Publisher publisher.Publisher
}

// announcer is the part of package relay that announces a stored image which waits for its thumbnail.
type announcer interface {
	AnnounceAgain(ctx context.Context, imageID string) error
}

// A Retrier tries again what is due. It is safe for use by several goroutines.
type Retrier struct {
	Backends
	patience time.Duration
	log      *slog.Logger
	metrics  metrics
}

// New returns a Retrier that waits for an object for as long as patience. registerer may be nil, and then nothing is
// measured.
func New(backends Backends, patience time.Duration, log *slog.Logger, registerer prometheus.Registerer) *Retrier {
	return &Retrier{Backends: backends, patience: patience, log: log, metrics: newMetrics(registerer)}
}

// Run tries what is due, every second, until ctx ends; then it finishes the tries in progress. A lane does not wait for
// another, whose tries may be copies of large images.
func (r *Retrier) Run(ctx context.Context) {
	working, cancel := drain(ctx)
	defer cancel()
	var lanes sync.WaitGroup
	lanes.Go(func() { r.runLane(ctx, working, deferral.Images) })
	lanes.Go(func() { r.runLane(ctx, working, deferral.Events) })
	lanes.Wait()
}

func (r *Retrier) runLane(ctx, working context.Context, lane deferral.Lane) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var measured time.Time
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, err := r.tryDue(ctx, working, lane)
		if err == nil && lane == deferral.Events && time.Since(measured) > measureInterval {
			measured = time.Now()
			err = r.measure(working)
		}
		if err != nil && !failing && ctx.Err() == nil { // once an outage
			r.log.WarnContext(working, "retries_interrupted", "lane", string(lane), "error.message", err.Error())
		}
		failing = err != nil
	}
}

// drain returns a context that ends drainTimeout after ctx.
func drain(ctx context.Context) (context.Context, context.CancelFunc) {
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, cancel) })
	return working, func() { stop(); cancel() }
}

// tryDue claims what is due in a lane, at most a batch, and tries it in working. When ctx has ended, nothing new is
// begun: what is claimed is due again after the lease. It returns the number of entries, and the first error; it goes
// on after one.
func (r *Retrier) tryDue(ctx, working context.Context, lane deferral.Lane) (int, error) {
	entries, err := r.Queue.ClaimDue(ctx, lane, lease, batch)
	if err != nil {
		return 0, err
	}
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, entry := range entries {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			working, cancel := context.WithTimeout(working, tryTimeout)
			defer cancel()
			outcome, err := r.try(working, entry)
			r.metrics.tries.WithLabelValues(outcome).Inc()
			return err
		})
	}
	return len(entries), group.Wait()
}

func (r *Retrier) measure(ctx context.Context) error {
	size, age, err := r.Queue.Backlog(ctx)
	if err != nil {
		return err
	}
	r.metrics.size.Set(float64(size))
	r.metrics.oldest.Set(age.Seconds())
	return nil
}

type metrics struct {
	tries        *prometheus.CounterVec
	size, oldest prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) metrics {
	register := promauto.With(registerer)
	m := metrics{
		tries: register.NewCounterVec(prometheus.CounterOpts{
			Name: "deferred_events_tried_total",
			Help: "Tries of events whose object did not exist, and of images without memory for them: it still does not exist " +
				"(waiting), the image goes on (settled), it has failed (failed), or a backend failed (error).",
		}, []string{"outcome"}),
		size: register.NewGauge(prometheus.GaugeOpts{
			Name: "deferred_events",
			Help: "Events and images that wait for another try.",
		}),
		oldest: register.NewGauge(prometheus.GaugeOpts{
			Name: "deferred_event_age_seconds",
			Help: "How long the oldest of them has been waiting.",
		}),
	}
	for _, outcome := range []string{waiting, settled, failed, broken} {
		m.tries.WithLabelValues(outcome) // so that rate() sees the first one
	}
	return m
}

// The outcomes of a try.
const (
	waiting = "waiting"
	settled = "settled"
	failed  = "failed"
	broken  = "error"
)
