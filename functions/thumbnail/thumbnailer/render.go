// Package thumbnailer is the thumbnail function: image.uploaded in, thumbnail stored, status set, image.thumbnailed or
// image.failed out, as the reply to the delivery.
//
// Events come at least once, in any order, and at several pods at a time. What is done for one is done once: the objects
// have fixed names and are never replaced, a status only goes forward, and the same event is given the same answer
// however often it comes. Whatever may still succeed is answered so that Knative delivers the event again.
package thumbnailer

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/limits"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

type settings struct {
	process httpserver.Settings
	objects imagestore.Settings
	redis   connect.Redis

	maxBytes       int64
	limits         raster.Limits
	pixelsInFlight int64
}

// maxPixelsInFlight bounds the memory of a process.
var maxPixelsInFlight = config.Int{
	Name: "MAX_PIXELS_IN_FLIGHT", Default: raster.DefaultPixels, Min: 1, Max: 1 << 36, Unit: "pixels",
	Doc: "Maximum number of pixels of all images that one process works on at a time; at least `MAX_IMAGE_PIXELS`. " +
		"Allow 4 bytes of memory for each.",
}

// ignoreHEICThumbnails costs the time that decoding the picture takes.
var ignoreHEICThumbnails = config.Bool{
	Name: "IGNORE_HEIC_THUMBNAILS",
	Doc: "Make the thumbnail of a HEIC from its picture even if the file has a thumbnail of its own that is large enough. " +
		"Takes longer, and helps against files whose thumbnail shows something else.",
}

// Settings returns the settings of the function, in words.
func Settings() []config.Description {
	return config.Describe(func(r *config.Reader) { readSettings(r) })
}

func readSettings(r *config.Reader) settings {
	s := settings{
		process:        httpserver.ReadSettings(r),
		objects:        imagestore.ReadSettings(r),
		redis:          connect.ReadRedis(r),
		maxBytes:       limits.UploadBytes.Read(r),
		limits:         limits.ReadImage(r),
		pixelsInFlight: maxPixelsInFlight.Read(r),
	}
	s.limits.IgnoreThumbnails = ignoreHEICThumbnails.Read(r)
	if s.pixelsInFlight < s.limits.Pixels {
		r.Fault("%s is %d; expected at least %s, %d, or the largest images could never be worked on",
			maxPixelsInFlight, s.pixelsInFlight, limits.ImagePixels, s.limits.Pixels)
	}
	return s
}

// renderer turns events into thumbnails.
type renderer struct {
	*httpserver.Process
	settings settings
	store    *imagestore.Store
	statuses *status.Store

	// What images being worked on take of memory, in pixels.
	pixels *semaphore.Weighted
	// Deliveries of one image at the same time share the work.
	flights singleflight.Group

	processed *prometheus.CounterVec
	last      prometheus.Gauge
	duration  prometheus.Histogram
	active    prometheus.Gauge
	inFlight  prometheus.Gauge
}

// Run serves the thumbnail function on listener until ctx ends and what is in flight is answered. getenv gives the
// settings; what is wrong with them is in the error, all of it.
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
	t := &renderer{
		Process:  httpserver.New("thumbnail", settings.process),
		settings: settings,
		store:    store,
		statuses: status.New(client, store),
		pixels:   semaphore.NewWeighted(settings.pixelsInFlight),
	}
	defer func() {
		if err := client.Close(); err != nil {
			t.Log.Warn("redis_close_failed", "error.message", err.Error())
		}
	}()
	t.measure()
	return t.Serve(ctx, listener, t.routes(),
		httpserver.Check{Backend: "redis", Ask: func(ctx context.Context) error { return connect.PingRedis(ctx, client) }},
		httpserver.Check{Backend: "minio", Ask: store.Check})
}

func (t *renderer) routes() *http.ServeMux {
	mux := http.NewServeMux()
	httpserver.Route(mux, "/{$}", map[string]http.Handler{http.MethodPost: t.Handle(t.deliver)})
	mux.HandleFunc("/", httpserver.NotFound)
	return mux
}

// measure registers the original worker's metrics, its gauge of the last duration beside a histogram that says more.
func (t *renderer) measure() {
	t.processed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tasks_processed_total",
		Help: "Total tasks processed: success, failed (the image can never work) or error (will be delivered again).",
	}, []string{"status"})
	for _, outcome := range []string{"success", "failed", "error"} {
		t.processed.WithLabelValues(outcome) // so that rate() sees the first one
	}
	t.last = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "task_processing_duration_seconds",
		Help: "How long the last task took.",
	})
	t.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "thumbnail_duration_seconds",
		Help:    "How long a task takes, from the event to its answer.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	})
	t.active = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "active_tasks",
		Help: "Tasks that are being worked on.",
	})
	t.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pixels_in_flight",
		Help: "Pixels of the images that are being worked on; bounded by MAX_PIXELS_IN_FLIGHT.",
	})
	t.Metrics.MustRegister(t.processed, t.last, t.duration, t.active, t.inFlight)
}

// Bounds on one task.
const (
	// A decoder that is still at it has been given something made to keep it busy.
	taskTimeout = time.Minute
	// How long a task waits for its pixels before it is sent back to come again.
	pixelsTimeout = 5 * time.Second
	// What has been worked out is written down even if whoever asked has gone.
	recordTimeout = 10 * time.Second
)
