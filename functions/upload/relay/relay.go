// Package relay announces stored images to the thumbnail function, and makes sure that each is announced.
//
// An image is in the outbox from before its announcement until the announcement is acknowledged. Sweep announces again
// what stays in the outbox for too long, and finds, by a scan of the bucket, what Redis has forgotten. Verify checks
// the whole bucket. An image may be announced more than once, always as the same event. No image is ever given up: a
// complete object counts as accepted, because its client may have got a 200. What is deleted is for package deletion.
package relay

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
)

// Ages are how old something is before a sweep takes care of it.
type Ages struct {
	Queued time.Duration // in the outbox
	Stored time.Duration // in the bucket, and since the last announcement that Redis knows of
}

// Backends are what a Relay works with.
type Backends struct {
	Images    *imagestore.Store
	Statuses  *status.Store
	Outbox    *outbox.Outbox
	Ledger    *quota.Ledger       // may be nil for a Relay that does not sweep
	Index     *imageindex.Index   // nil if images are not listed
	Deleter   deleter             // may be nil for a Relay that only verifies, without repair
	Publisher publisher.Publisher // may be nil for a Relay that only verifies, without repair
	// Backfill is where image.render goes; only a Relay that repairs has it. Renditions are those that images should have;
	// only a Relay that verifies has them.
	Backfill   publisher.Publisher
	Renditions *rendition.Set
}

// deleter is the part of package deletion that does what is due about images that a scan comes by.
type deleter interface {
	IsDue(image imagestore.Image) bool
	Tidy(ctx context.Context, images []imagestore.Image) error
}

// A Relay announces images. It is safe for use by several goroutines.
type Relay struct {
	Backends
	ages    Ages
	log     *slog.Logger
	metrics metrics
}

// New returns a Relay. registerer may be nil, and then nothing is measured.
func New(backends Backends, ages Ages, log *slog.Logger, registerer prometheus.Registerer) *Relay {
	return &Relay{Backends: backends, ages: ages, log: log, metrics: newMetrics(registerer)}
}

type metrics struct {
	uploads, uploadBytes     prometheus.Counter
	swept                    *prometheus.CounterVec
	aborted                  prometheus.Counter
	outboxSize, outboxOldest prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) metrics {
	register := promauto.With(registerer)
	m := metrics{
		uploads: register.NewCounter(prometheus.CounterOpts{
			Name: "image_uploads_total",
			Help: "Total image uploads that were accepted.",
		}),
		uploadBytes: register.NewCounter(prometheus.CounterOpts{
			Name: "image_upload_bytes_total",
			Help: "Bytes of the images that were accepted.",
		}),
		swept: register.NewCounterVec(prometheus.CounterOpts{
			Name: "images_swept_total",
			Help: "Images that a sweep put into the outbox (found), announced again, found settled, " +
				"or could not announce (error).",
		}, []string{"outcome"}),
		aborted: register.NewCounter(prometheus.CounterOpts{
			Name: "incomplete_uploads_aborted_total",
			Help: "Uploads in parts to MinIO that never became an object and were ended.",
		}),
		outboxSize: register.NewGauge(prometheus.GaugeOpts{
			Name: "image_outbox_size",
			Help: "Images whose announcement is not known to be acknowledged, at the end of the last sweep of this process.",
		}),
		outboxOldest: register.NewGauge(prometheus.GaugeOpts{
			Name: "image_outbox_age_seconds",
			Help: "How long the oldest of them has been waiting.",
		}),
	}
	for _, outcome := range []string{found, announced, settled, failed} {
		m.swept.WithLabelValues(outcome) // so that rate() sees the first one
	}
	return m
}

// The outcomes of an image in a sweep.
const (
	found     = "found"
	announced = "announced"
	settled   = "settled"
	failed    = "error"
)
