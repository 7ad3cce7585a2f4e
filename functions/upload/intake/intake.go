// Package intake is the upload function: it takes an image in, keeps it, announces it, and answers for it afterwards.
//
// A 200 means that the image is stored in MinIO, that its status is set, and that Kafka has acknowledged the event that
// leads to its thumbnail. Whatever fails before that is said at once, and what was stored is removed, unless its event
// may still arrive. Whatever ends in the middle, with the process or with a server, a sweep finishes. Bodies are
// streamed; how much memory they take together is a setting and does not grow with their number or size.
package intake

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/limits"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/semaphore"
)

type settings struct {
	process httpserver.Settings
	objects imagestore.Settings
	status  status.Settings
	bus     publisher.Settings
	access  auth.Settings

	maxBytes      int64 // of an image, and of all images in one request
	limits        raster.Limits
	sourceBuckets []string // that an event may name objects in

	eventsOnly bool // takes what Knative delivers, and shows nothing

	sweepQueued time.Duration // how long an image is in the outbox before it is announced again
	sweepStored time.Duration // how long an image is stored, or was last told of, before a walk takes it for lost
}

// Settings that only this function reads.
var (
	uploadMemory = config.Int{Name: "UPLOAD_MEMORY_BYTES", Default: 48 << 20, Min: 32 << 20, Max: 1 << 40, Unit: "bytes",
		Doc: "Most memory that the bodies of all uploads in one process take together."}
	sourceBuckets = config.List{Name: "SOURCE_BUCKETS",
		DefaultFrom: &imagestore.BucketSetting, Form: imagestore.BucketForm,
		Doc: "Buckets that `image.received` may name objects in."}
	eventsOnly = config.Bool{Name: "EVENTS_ONLY",
		Doc: "Accept events at `POST /` and serve no other route. " +
			"The component `authentication` sets it for `upload-events`."}
	sweepQueued = config.Int{Name: "SWEEP_QUEUED_SECONDS", Default: 60, Min: 1, Max: 3000, Unit: "seconds",
		Doc: "How long publishing an event may take before a sweep repeats it."}
	sweepStored = config.Int{Name: "SWEEP_STORED_SECONDS", Default: 600, Min: 1, Max: 3000, Unit: "seconds",
		Doc: "How long an image may be stored without a result, or without news of it, before a sweep takes its " +
			"event for lost."}
)

// Settings returns the settings of the function, in words.
func Settings() []config.Description {
	return config.Describe(func(r *config.Reader) { readSettings(r) })
}

func readSettings(r *config.Reader) settings {
	s := settings{
		process:  httpserver.ReadSettings(r),
		objects:  imagestore.ReadSettings(r),
		status:   status.ReadSettings(r),
		bus:      publisher.ReadSettings(r),
		access:   auth.ReadSettings(r),
		maxBytes: limits.UploadBytes.Read(r),
		limits:   raster.Limits{Pixels: limits.ImagePixels.Read(r)},
	}
	s.objects.Memory = uploadMemory.Read(r)
	s.sourceBuckets = sourceBuckets.Read(r)
	s.eventsOnly = eventsOnly.Read(r)
	s.sweepQueued = time.Duration(sweepQueued.Read(r)) * time.Second
	s.sweepStored = time.Duration(sweepStored.Read(r)) * time.Second
	return s
}

type intake struct {
	*httpserver.Process
	settings  settings
	store     *imagestore.Store
	board     *status.Board
	announcer publisher.Publisher
	guard     *auth.Guard

	// Events with an image inside their JSON are held whole while they are read; this many bytes in all.
	inline *semaphore.Weighted

	uploads prometheus.Counter
	bytes   prometheus.Counter
	refused *prometheus.CounterVec
	swept   *prometheus.CounterVec
	aborted prometheus.Counter
	outbox  prometheus.Gauge
	oldest  prometheus.Gauge
}

// Run serves the upload function on listener until ctx ends and what is in flight is answered. getenv gives the
// settings; what is wrong with them is in the error, all of it.
func Run(ctx context.Context, listener net.Listener, getenv func(string) string) (err error) {
	in, err := open(getenv)
	if err != nil {
		return err
	}
	// After the last answer: what is announced later would be lost.
	defer func() { err = errors.Join(err, in.close()) }()
	return in.Serve(ctx, listener, in.routes(),
		httpserver.Check{Backend: "redis", Ask: in.board.Check},
		httpserver.Check{Backend: "minio", Ask: in.store.Check})
}

// open makes no connection that it waits for.
func open(getenv func(string) string) (*intake, error) {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		return nil, err
	}
	store, err := imagestore.Open(settings.objects)
	if err != nil {
		return nil, err
	}
	in := &intake{
		Process:   httpserver.New("upload", settings.process),
		settings:  settings,
		store:     store,
		board:     status.Open(settings.status, store),
		announcer: publisher.Open(settings.bus),
		inline:    semaphore.NewWeighted(2 * maxInline),
	}
	in.guard = auth.New(settings.access, in.Process, in.board.Limiter())
	in.measure()
	return in, nil
}

// close ends what may still be announced before it lets go of Redis, which is to be told of it.
func (in *intake) close() error {
	err := in.announcer.Close()
	_ = in.board.Close() // there is nothing to be done about it
	return err
}

// routes are open to everybody, or for clients only, where there is a guard: Knative's events and what belongs to somebody.
func (in *intake) routes() *http.ServeMux {
	mux := http.NewServeMux()
	get := func(handle func(http.ResponseWriter, *http.Request) error) map[string]http.Handler {
		return map[string]http.Handler{http.MethodGet: in.guard.Protect(in.Handle(handle))}
	}
	take := func(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
		return in.guard.Protect(in.Handle(func(w http.ResponseWriter, r *http.Request) error {
			err := handle(w, r)
			if err != nil {
				in.refused.WithLabelValues(apierror.From(err).Code).Inc()
			}
			return err
		}))
	}
	mux.HandleFunc("/", httpserver.NotFound)
	if in.settings.eventsOnly {
		httpserver.Route(mux, "/{$}", map[string]http.Handler{http.MethodPost: take(in.deliver)})
		return mux
	}
	httpserver.Route(mux, "/{$}", map[string]http.Handler{
		http.MethodGet:  http.HandlerFunc(page),
		http.MethodPost: take(in.deliver),
	})
	httpserver.Route(mux, "/upload", map[string]http.Handler{http.MethodPost: take(in.upload)})
	httpserver.Route(mux, "/status/{id}", get(in.status))
	httpserver.Route(mux, "/images/{id}", get(in.image))
	httpserver.Route(mux, "/thumbnails/{id}", get(in.thumbnail))
	all := http.NewServeMux() // to which Serve adds what is for the cluster, and for no other sites
	all.Handle("/", in.guard.CORS(mux))
	return all
}

func (in *intake) measure() {
	in.uploads = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "image_uploads_total",
		Help: "Total image uploads that were accepted.",
	})
	in.bytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "image_upload_bytes_total",
		Help: "Bytes of the images that were accepted.",
	})
	in.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "image_uploads_refused_total",
		Help: "Uploads, and images in forms, that were not accepted, by the code of the answer.",
	}, []string{"code"})
	in.Metrics.MustRegister(in.uploads, in.bytes, in.refused)
	in.measureSweeps()
}
