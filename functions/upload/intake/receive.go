package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/semaphore"
)

// How large an event may be that has an image inside its JSON, in bytes. It has to be held whole. Larger images come in
// binary mode, which streams, or by reference.
const maxInline = 8 << 20

// How long such an event waits for memory.
const inlineTimeout = 5 * time.Second

// deliver is POST /, where Knative delivers image.received and image.sweep. The answer is for Knative: 200 for taken, or an
// image.failed for an image that can never be taken; other answers say by their code whether to deliver again.
func (in *intake) deliver(w http.ResponseWriter, r *http.Request) error {
	image, err := in.receive(w, r)
	if errors.Is(err, errSweep) {
		return in.askedToSweep(w, r)
	}
	if err == nil {
		return answerTaken(w, image.ImageID)
	}
	var refused *apierror.Error
	if image.ImageID != "" && errors.As(err, &refused) && slices.Contains(events.Reasons(), events.Reason(refused.Code)) {
		return in.replyFailed(w, r, image, refused)
	}
	return err
}

// askedToSweep sweeps for the cluster, whose events do not come here when clients have names, and for administrators.
func (in *intake) askedToSweep(w http.ResponseWriter, r *http.Request) error {
	if !in.mayAll(r.Context()) {
		return problemForbidden
	}
	in.sweep(w, r)
	return nil
}

var problemForbidden = &apierror.Error{Status: http.StatusForbidden, Code: apierror.CodeForbidden, Message: "This is for administrators"}

// replyFailed tells that an image can never be taken, and notes it where it lasts: however often the event comes, and
// whatever it brings then, the answer stays.
func (in *intake) replyFailed(w http.ResponseWriter, r *http.Request, image events.ImageUploaded, refused *apierror.Error) error {
	in.refused.WithLabelValues(refused.Code).Inc()
	failed, err := in.fail(r.Context(), image, refused.Code, refused.Message)
	if err != nil {
		return err
	}
	if failed.State != status.Failed { // another delivery of the event had brought an image
		return answerTaken(w, image.ImageID)
	}
	reply, err := failed.Event(r.Context(), events.SourceUpload, "", "")
	if err != nil {
		return err
	}
	return cloudevent.Reply(w, r, reply)
}

// fail notes that an image can never be done, and returns the final status that stands: another's, if that was first.
func (in *intake) fail(ctx context.Context, image events.ImageUploaded, reason, message string) (*status.Status, error) {
	failed, err := in.board.Record(ctx, image.ObjectName, status.Status{
		ImageID:     image.ImageID,
		State:       status.Failed,
		Reason:      reason,
		Result:      &status.Result{Error: message},
		ProcessedAt: status.Seconds(time.Now()),
	}, nil, "")
	if err != nil {
		return nil, err
	}
	return in.board.Conclude(ctx, *failed)
}

// answerTaken says by its length that there is no reply. What comes of a repetition, whose image was not read, goes out
// before net/http would say so, and a body of unknown length may pass for a reply that is no event, which is a failure.
func answerTaken(w http.ResponseWriter, imageID string) error {
	w.Header().Set("Content-Length", "0")
	w.Header().Set("Location", "/status/"+imageID)
	w.WriteHeader(http.StatusOK)
	return nil
}

// receive takes the image of an image.received event. As soon as the event could be read, the id and the key of its image
// are known and returned with any error.
func (in *intake) receive(w http.ResponseWriter, r *http.Request) (events.ImageUploaded, error) {
	switch contentType := r.Header.Get("Content-Type"); {
	case cloudevent.IsStructured(r):
		return in.receiveInline(w, r)
	case contentType != "" && events.IsJSON(contentType):
		return in.receiveWhole(w, r, cloudevent.MaxEvent)
	default:
		return in.receiveStream(w, r)
	}
}

// receiveInline takes an event that may have an image inside its JSON.
func (in *intake) receiveInline(w http.ResponseWriter, r *http.Request) (events.ImageUploaded, error) {
	if r.ContentLength >= 0 && r.ContentLength <= cloudevent.MaxEvent {
		return in.receiveWhole(w, r, cloudevent.MaxEvent)
	}
	metered := &metered{ReadCloser: r.Body, ctx: r.Context(), memory: in.inline}
	defer metered.release()
	r.Body = metered
	return in.receiveWhole(w, r, maxInline)
}

// metered is a body that is held whole. What has come of it is taken from the memory that all of them share, and if
// there is none left for a while, the caller is told so: nobody waits for callers that stall.
type metered struct {
	io.ReadCloser
	ctx    context.Context
	memory *semaphore.Weighted
	held   int64
}

func (m *metered) Read(p []byte) (int, error) {
	ctx, cancel := context.WithTimeout(m.ctx, inlineTimeout)
	defer cancel()
	if err := m.memory.Acquire(ctx, int64(len(p))); err != nil {
		return 0, problemBusy
	}
	n, err := m.ReadCloser.Read(p)
	m.held += int64(n)
	m.memory.Release(int64(len(p) - n))
	return n, err
}

func (m *metered) release() { m.memory.Release(m.held) }

// receiveWhole takes an event whose body is JSON.
func (in *intake) receiveWhole(w http.ResponseWriter, r *http.Request, limit int64) (events.ImageUploaded, error) {
	e, err := cloudevent.Receive(w, r, limit)
	if err != nil {
		return events.ImageUploaded{}, err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	if data := e.Data(); len(data) > 0 && !events.IsJSON(e.DataContentType()) {
		return in.receiveImage(ctx, e, bytes.NewReader(data), int64(len(data)))
	}
	return in.receiveObject(ctx, e)
}

// receiveStream takes an event in binary mode whose body is an image, or nothing.
func (in *intake) receiveStream(w http.ResponseWriter, r *http.Request) (events.ImageUploaded, error) {
	e, err := cloudevent.ReceiveAttributes(r)
	if err != nil {
		return events.ImageUploaded{}, err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	if r.ContentLength == 0 {
		return in.receiveObject(ctx, e)
	}
	from, err := body.New(w, r, in.settings.maxBytes)
	if err != nil {
		return named(imageIDOf(ctx, e), path.Base(e.Subject())), err
	}
	return in.receiveImage(ctx, e, from, from.Size())
}

// receiveImage takes the image that is the data of an event.
func (in *intake) receiveImage(ctx context.Context, e event.Event, data io.Reader, size int64) (events.ImageUploaded, error) {
	if err := checkType(e); err != nil {
		return events.ImageUploaded{}, err
	}
	offer := offer{imageID: imageIDOf(ctx, e), from: data, size: size, filename: path.Base(e.Subject())}
	return in.once(ctx, offer.imageID, offer.filename, func() (events.ImageUploaded, error) {
		return in.accept(ctx, offer)
	})
}

// receiveObject takes the image that an event refers to.
func (in *intake) receiveObject(ctx context.Context, e event.Event) (events.ImageUploaded, error) {
	reference, err := referenceOf(e)
	if err != nil {
		return events.ImageUploaded{}, err
	}
	if err := in.checkReference(ctx, reference); err != nil {
		return events.ImageUploaded{}, err
	}
	imageID := imageIDOf(ctx, e)
	return in.once(ctx, imageID, reference.Filename, func() (events.ImageUploaded, error) {
		return in.acceptObject(ctx, imageID, reference)
	})
}

// checkReference finds out whether an object may be read for who names it. We read with rights of our own, so a client gets
// only what it could have had without us: its own images. Objects in other systems' buckets are for those who come through
// the Broker, and for administrators.
func (in *intake) checkReference(ctx context.Context, reference events.ImageReceived) error {
	known, ours := slices.Contains(in.settings.sourceBuckets, reference.Bucket), reference.Bucket == in.store.Bucket()
	if !known || !ours && !in.mayAll(ctx) {
		return &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeUnknownBucket,
			Message: "The event names an object in a bucket that this service does not read",
			Found:   reference.Bucket,
		}
	}
	imageID, _, _ := strings.Cut(reference.ObjectName, "/")
	kept := ours && events.IsImageID(imageID)
	if !in.maySee(ctx, imageID) || in.settings.eventsOnly && kept { // the way in for events shows of no image that it is there
		return noObject(reference)
	}
	return nil
}

func noObject(reference events.ImageReceived) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusNotFound, // so it is delivered again: the object may still be on its way
		Code:    apierror.CodeObjectNotFound,
		Message: "The object that the event names is not there",
		Found:   reference.Bucket + "/" + reference.ObjectName,
	}
}

func (in *intake) acceptObject(ctx context.Context, imageID string, reference events.ImageReceived) (events.ImageUploaded, error) {
	object, info, err := in.store.Get(ctx, reference.Bucket, reference.ObjectName)
	if errors.Is(err, imagestore.ErrNotFound) {
		return events.ImageUploaded{}, noObject(reference)
	}
	if err != nil {
		return events.ImageUploaded{}, err
	}
	defer object.Close()
	return in.accept(ctx, offer{imageID: imageID, from: object, size: info.Size, filename: reference.Filename})
}

// referenceOf is the object that an event names, by its payload or else by its dataref.
func referenceOf(e event.Event) (events.ImageReceived, error) {
	if err := checkType(e); err != nil {
		return events.ImageReceived{}, err
	}
	if len(e.Data()) > 0 {
		reference, err := events.Decode[events.ImageReceived](e)
		if reference.Filename == "" {
			reference.Filename = path.Base(reference.ObjectName)
		}
		return reference, err
	}
	ref, ok := e.Extensions()[events.DataRef].(string)
	if !ok {
		return events.ImageReceived{}, fmt.Errorf("%w: it has neither data nor a dataref", events.ErrInvalid)
	}
	bucket, key, err := events.ParseDataRef(ref)
	return events.ImageReceived{Bucket: bucket, ObjectName: key, Filename: path.Base(key)}, err
}

// errSweep says that an event brings no image, but asks for a sweep.
var errSweep = fmt.Errorf("%w: %s is taken at /", events.ErrInvalid, events.TypeImageSweep)

func checkType(e event.Event) error {
	switch e.Type() {
	case events.TypeImageReceived:
		return nil
	case events.TypeImageSweep, events.TypePing:
		return errSweep
	default:
		return fmt.Errorf("%w: type is %.80q, expected %q", events.ErrInvalid, e.Type(), events.TypeImageReceived)
	}
}

// receivedImages is the space of names in which events become image ids. It was made at random, for this.
var receivedImages = uuid.MustParse("8a6e2b0c-5b0f-4a51-9d2e-3f7c1f0a94d6")

// imageIDOf is the same for every delivery of an event, which its source and id name; of one that a client brings, for
// every delivery by that client.
func imageIDOf(ctx context.Context, e event.Event) string {
	return idOf(receivedImages, ownerOf(ctx), e.Source()+"\n"+e.ID())
}
