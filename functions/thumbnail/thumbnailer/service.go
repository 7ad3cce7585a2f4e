// Package thumbnailer is the thumbnail function. It receives image.uploaded, stores the thumbnail, sets the status, and
// replies image.thumbnailed or image.failed. For image.render it stores what a completed image lacks of the renditions.
//
// Events are delivered at least once, in any order, and to several pods at a time. The effects of an event happen once:
// object keys are fixed, objects are never replaced, a status only moves forward, and the same event always gets the
// same reply. An error that may pass is answered such that Knative delivers the event again.
//
// The package does not decode images, see package raster, and publishes no events but its replies.
package thumbnailer

import (
	"context"
	"net"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/limits"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/thumbnail/admission"
	"golang.org/x/sync/singleflight"
)

type settings struct {
	process httpserver.Settings
	objects imagestore.Settings
	redis   connect.Redis

	maxBytes   int64
	limits     raster.Limits
	renditions *rendition.Set
}

// ignoreHEICThumbnails costs the time that decoding the picture takes.
var ignoreHEICThumbnails = config.Bool{
	Name: "IGNORE_HEIC_THUMBNAILS",
	Doc: "Make the thumbnail of a HEIC from its picture even if the file has a large enough thumbnail of its own. " +
		"Takes longer, and helps against files whose thumbnail shows something else.",
}

// Settings describes the settings of the function.
func Settings() []config.Description {
	return config.Describe(func(r *config.Reader) { readSettings(r) })
}

func readSettings(r *config.Reader) settings {
	s := settings{
		process:  httpserver.ReadSettings(r),
		objects:  imagestore.ReadSettings(r),
		redis:    connect.ReadRedis(r),
		maxBytes: limits.UploadBytes.Read(r),
		limits:   limits.ReadImage(r),
	}
	s.renditions = rendition.Read(r, s.limits)
	s.limits.IgnoreThumbnails = ignoreHEICThumbnails.Read(r)
	return s
}

// A thumbnailer makes the thumbnails of the images that events name.
type thumbnailer struct {
	*httpserver.Process
	settings settings
	plan     plan
	store    *imagestore.Store
	statuses *status.Store
	traffic  *status.Traffic // which a backfill lets go first
	deferred *deferral.Queue
	redis    redis.UniversalClient // for attempts

	gate       *admission.Gate    // before decoding, which bounds the memory of the process
	deliveries singleflight.Group // so that concurrent deliveries of an image are processed once
	backfills  singleflight.Group // the same for image.render

	processed *prometheus.CounterVec
	rendered  *prometheus.CounterVec // by image.render
	yielded   prometheus.Counter     // by image.render
	last      prometheus.Gauge
	duration  prometheus.Histogram
	age       prometheus.Histogram // of images that are completed
	active    prometheus.Gauge
	panics    prometheus.Counter
}

// Run serves the function on listener until ctx ends and requests in flight are answered. The settings are read with
// getenv; the error has every fault in them.
func Run(ctx context.Context, listener net.Listener, getenv func(string) string) error {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		return err
	}
	store, err := imagestore.Open(settings.objects)
	if err != nil {
		return err
	}
	client := connect.OpenRedis(settings.redis)
	t := &thumbnailer{
		Process:  httpserver.New("thumbnail", settings.process),
		settings: settings,
		plan:     newPlan(settings.renditions, store, settings.limits),
		store:    store,
		statuses: status.New(client, store).For(settings.renditions),
		traffic:  status.NewTraffic(client, store.Bucket()),
		deferred: deferral.New(client, store),
		redis:    client,
		gate:     admission.New(settings.limits.Memory, runtime.GOMAXPROCS(0)),
	}
	defer func() {
		t.traffic.Close()
		if err := client.Close(); err != nil {
			t.Log.Warn("redis_close_failed", "error.message", err.Error())
		}
	}()
	t.registerMetrics()
	checkRedis := func(ctx context.Context) error { return connect.CheckRedis(ctx, client, store.Bucket()) }
	return t.Serve(ctx, listener, t.routes(),
		httpserver.Check{Backend: "redis", Ask: checkRedis}, httpserver.Check{Backend: "minio", Ask: store.Check})
}

func (t *thumbnailer) routes() *http.ServeMux {
	mux := http.NewServeMux()
	deliver := t.Handle(cloudevent.Handler(cloudevent.MaxEvent, t.deliver))
	httpserver.Route(mux, "/{$}", map[string]http.Handler{http.MethodPost: deliver})
	mux.HandleFunc("/", httpserver.NotFound)
	return mux
}

// registerMetrics registers the original worker's metrics, and a histogram beside its gauge of the last duration.
func (t *thumbnailer) registerMetrics() {
	factory := promauto.With(t.Metrics)
	t.processed = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "tasks_processed_total",
		Help: "Total tasks processed: success, failed (the image can never work), deferred (will be announced again), " +
			"deleted (the image was deleted), abandoned (begun and not ended too often; a dead letter) or error (will be " +
			"delivered again).",
	}, []string{"status"})
	for _, outcome := range []string{"success", "failed", "deferred", "deleted", "abandoned", "error"} {
		t.processed.WithLabelValues(outcome) // so that rate() counts the first one
	}
	t.rendered = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "backfill_images_total",
		Help: "Events image.render, by outcome: made, complete (nothing was missing), unfinished (there is no thumbnail " +
			"yet), failed (the image has no renditions), absent (there is no such image), refused (it can have no more " +
			"renditions), abandoned (the engine fails at it; a dead letter) or error (will be delivered again).",
	}, []string{"outcome"})
	for _, outcome := range outcomes {
		t.rendered.WithLabelValues(string(outcome))
	}
	t.yielded = factory.NewCounter(prometheus.CounterOpts{
		Name: "backfill_yielded_seconds_total",
		Help: "For how long events image.render have waited for uploads in progress.",
	})
	t.last = factory.NewGauge(prometheus.GaugeOpts{
		Name: "task_processing_duration_seconds",
		Help: "How long the last task took.",
	})
	t.duration = factory.NewHistogram(prometheus.HistogramOpts{
		Name:    "thumbnail_duration_seconds",
		Help:    "How long a task takes, from the event to its answer.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	})
	t.age = factory.NewHistogram(prometheus.HistogramOpts{
		Name: "image_time_to_thumbnail_seconds",
		Help: "From the acceptance of an image to its completion, once for each image. Images of a backfill, and those " +
			"that were accepted a day ago or earlier, do not count.",
		Buckets: ageBuckets,
	})
	t.active = factory.NewGauge(prometheus.GaugeOpts{
		Name: "active_tasks",
		Help: "Tasks in progress.",
	})
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "decode_memory_in_flight_bytes",
		Help: "Estimated memory of the images in progress; bounded by DECODE_MEMORY_BYTES and a quarter of it for small " +
			"ones.",
	}, func() float64 { return float64(t.gate.InUse()) })
	t.panics = factory.NewCounter(prometheus.CounterOpts{
		Name: "decoder_panics_total",
		Help: "Panics of decoders, each a bug: the image's event is delivered again, and becomes a dead letter.",
	})
}
