// Package ingest is the HTTP side of accepting images: POST /upload takes a form, an image as the whole body, or a
// CloudEvent; POST / takes what Knative delivers.
//
// Each file but this one reads one of these forms and turns it into candidates for package idempotency. Bodies are read
// as they come and never held whole, except for events with an image inside their JSON, which share a fixed amount of
// memory. The package stores nothing itself.
package ingest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"golang.org/x/sync/semaphore"
)

// Settings say what is accepted.
type Settings struct {
	MaxBytes      int64    // of an image, and of all images in a form
	Bucket        string   // the service's own
	SourceBuckets []string // that an event may name objects in
	EventsOnly    bool     // whether clients cannot read images here
	Policy        ownership.Policy
}

// Backends are what an Ingest works with.
type Backends struct {
	Acceptor  *idempotency.Acceptor
	Durations *idempotency.Durations
	Statuses  *status.Store
	Sweeper   Sweeper
	Inbox     Inbox
	Deferrer  Deferrer
	Deleter   Deleter
	Process   *httpserver.Process
}

// A Sweeper announces images that were left behind.
type Sweeper interface{ Sweep(context.Context) error }

// A Deleter deletes an image for the sender of a request. It fails with an apierror.Error if that may not, or if the
// image does not exist.
type Deleter interface {
	DeleteFor(ctx context.Context, imageID string) error
}

// An Ingest answers POST /upload and POST /. It is safe for use by several goroutines.
type Ingest struct {
	Backends
	settings Settings
	inline   *semaphore.Weighted // bytes of memory for events with an image inside their JSON
	refused  *prometheus.CounterVec
}

// New returns an Ingest.
func New(backends Backends, settings Settings) *Ingest {
	return &Ingest{
		Backends: backends,
		settings: settings,
		inline:   semaphore.NewWeighted(2 * maxInline),
		refused: promauto.With(backends.Process.Metrics).NewCounterVec(prometheus.CounterOpts{
			Name: "image_uploads_refused_total",
			Help: "Uploads, and images in forms, that were not accepted, by the code of the answer.",
		}, []string{"code"}),
	}
}

// Upload is POST /upload.
func (in *Ingest) Upload(w http.ResponseWriter, r *http.Request) error {
	err := in.upload(w, r)
	in.countRefused(err)
	return err
}

func (in *Ingest) upload(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	if err := body.CheckCoding(w, r); err != nil {
		return err
	}
	if err := checkParts(r); err != nil {
		return err
	}
	if err := checkQuery(r); err != nil {
		return err
	}
	key, err := idempotency.Key(r)
	if err != nil {
		return err
	}
	owner := ownership.Of(r.Context())
	var images []outcome
	if cloudevent.IsEvent(r) && auth.GrantFrom(r.Context()) != nil {
		return errEventGranted
	}
	if cloudevent.IsEvent(r) {
		key = "" // the event has an ID of its own
		images, err = in.acceptEvent(w, r, owner)
	} else {
		images, err = in.acceptFiles(w, r, owner, key)
	}
	if err != nil {
		return err
	}
	duration, err := in.Durations.First(r.Context(), began, key, images[0].ImageID)
	if err != nil {
		return err
	}
	answerUploaded(w, duration, images)
	return nil
}

// checkQuery returns an error for a query with anything but the filename of an image that is the whole body.
func checkQuery(r *http.Request) error {
	if err := httpserver.CheckParameters(r, "filename"); err != nil {
		return err
	}
	filename := filenameInQuery(r.URL.RawQuery)
	mediaType, _ := splitHeader(r.Header.Get("Content-Type"))
	if isForm := strings.HasPrefix(mediaType, "multipart/"); filename == "" || !isForm && !cloudevent.IsEvent(r) {
		return nil
	}
	return &apierror.Error{
		Status: http.StatusBadRequest,
		Code:   apierror.CodeBadQuery,
		Message: "The parameter filename names an image that is the whole body; a form names each image in its part, " +
			"and an event in its extension filename or its subject",
		Found: shorten(filename),
	}
}

var errEventGranted = &apierror.Error{
	Status:  http.StatusForbidden,
	Code:    apierror.CodeForbidden,
	Message: "A grant allows images, not events; send a form with a field file, or the image as the body",
}

// acceptFiles accepts the images of a form, or the one that is the whole body.
func (in *Ingest) acceptFiles(w http.ResponseWriter, r *http.Request, owner, key string) ([]outcome, error) {
	boundary, isForm, err := boundaryOf(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	limit := in.settings.MaxBytes
	if grant := auth.GrantFrom(r.Context()); grant != nil && isForm {
		limit = min(limit, grant.MaxBytes*min(grant.Images, maxImages))
	} else if grant != nil {
		limit = min(limit, grant.MaxBytes)
	}
	if isForm {
		limit += framingBytes
	}
	from, err := body.New(w, r, limit)
	if err != nil {
		return nil, err
	}
	if isForm {
		return in.acceptForm(r, newForm(from, boundary), owner, key)
	}
	return in.acceptRaw(r, from, owner, key)
}

// Deliver is POST /, where Knative delivers image.received, image.delete, image.sweep and the notifications of buckets.
func (in *Ingest) Deliver(w http.ResponseWriter, r *http.Request) error {
	err := body.CheckCoding(w, r)
	switch {
	case err != nil:
	case isPlainJSON(r):
		err = in.deliverPlain(w, r)
	default:
		err = in.deliver(w, r)
	}
	in.countRefused(err)
	return err
}

func (in *Ingest) countRefused(err error) {
	if err != nil {
		in.refused.WithLabelValues(apierror.From(err).Code).Inc()
	}
}
