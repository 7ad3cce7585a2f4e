package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// acceptEvent accepts the image of an event that a client sends to /upload.
func (in *Ingest) acceptEvent(w http.ResponseWriter, r *http.Request, owner string) ([]outcome, error) {
	image, err := in.receive(w, r, owner)
	if err != nil {
		return nil, err
	}
	return []outcome{{ImageID: image.ImageID}}, nil
}

// deliver answers Knative: 200 if the image is accepted, or waits here for its object, 200 with an image.failed if it
// never can be accepted, and otherwise a status code by which Knative delivers the event again or gives up.
func (in *Ingest) deliver(w http.ResponseWriter, r *http.Request) error {
	owner := ownership.Of(r.Context())
	image, err := in.receive(w, r, owner)
	var refused *apierror.Error
	var waiting *waitingError
	switch {
	case err == nil:
		return answerAccepted(w, image.ImageID)
	case errors.As(err, &waiting):
		return in.deferEvent(w, r, waiting.note)
	case errors.Is(err, errSweep):
		return in.sweep(w, r)
	case image.ImageID != "" && errors.As(err, &refused) && isReason(refused.Code):
		return in.replyFailed(w, r, image, refused)
	}
	return err
}

// isReason reports whether the code of an error is a reason for which an image fails.
func isReason(code string) bool { return slices.Contains(events.Reasons(), events.Reason(code)) }

// answerAccepted answers a delivery without a reply. Content-Length says that there is none: a body of unknown length,
// which is what net/http sends while a request body is unread, is taken for a reply that is not an event.
func answerAccepted(w http.ResponseWriter, imageID string) error {
	w.Header().Set("Content-Length", "0")
	w.Header().Set("Location", "/status/"+imageID)
	w.WriteHeader(http.StatusOK)
	return nil
}

// replyFailed records that an image can never be accepted, and replies with image.failed. However often the event
// comes, and whatever it brings then, the answer stays the same.
func (in *Ingest) replyFailed(
	w http.ResponseWriter, r *http.Request, image events.ImageUploaded, refused *apierror.Error,
) error {
	in.refused.WithLabelValues(refused.Code).Inc()
	final, err := in.Statuses.Fail(r.Context(), image.ImageID, image.ObjectName, refused.Code, refused.Message)
	if err != nil {
		return err
	}
	if final.State != status.Failed { // another delivery of the event has brought an image
		return answerAccepted(w, image.ImageID)
	}
	reply, err := final.Event(r.Context(), events.SourceUpload, "", "")
	if err != nil {
		return err
	}
	return cloudevent.Reply(w, r, reply)
}

// sweep sweeps for the cluster, which does not authenticate, and for administrators. A sweep that fails is not a
// refused upload, so its error is answered here.
func (in *Ingest) sweep(w http.ResponseWriter, r *http.Request) error {
	if !in.settings.Policy.MaySeeAll(r.Context()) {
		return &apierror.Error{
			Status:  http.StatusForbidden,
			Code:    apierror.CodeForbidden,
			Message: "Only administrators may ask for a sweep",
		}
	}
	if err := in.Sweeper.Sweep(r.Context()); err != nil {
		in.Process.ReportError(r, err).Write(w, r)
		return nil
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// receive accepts the image of an image.received event. An image that was refused is returned with its ID and its key.
func (in *Ingest) receive(
	w http.ResponseWriter, r *http.Request, owner string,
) (image events.ImageUploaded, err error) {
	inBody, release := isStream(r) && r.ContentLength != 0, in.meter(r)
	defer release()
	e, err := readEvent(w, r)
	if err != nil {
		return image, err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	candidate := accept.Candidate{Owner: owner, Filename: path.Base(e.Subject())}
	switch {
	case inBody && r.ContentLength > in.settings.MaxBytes: // is refused by its size, before a byte is read
		candidate.Body, candidate.Size = http.NoBody, r.ContentLength
	case inBody:
		from, err := body.New(w, r, in.settings.MaxBytes)
		if err != nil {
			return image, err
		}
		candidate.Body, candidate.Size = from, from.Size()
	}
	if err := in.complete(ctx, &candidate, e); err != nil {
		return image, err
	}
	image, err = in.Acceptor.AcceptEvent(ctx, e, candidate)
	return image, waitingFor(err, e, image.ImageID, candidate)
}

// readEvent reads an event, and its data if that is JSON or inside the event's JSON. Other data stays in the body.
func readEvent(w http.ResponseWriter, r *http.Request) (event.Event, error) {
	limit := int64(cloudevent.MaxEvent)
	if isLarge(r) {
		limit = maxInline
	}
	if isStream(r) {
		return cloudevent.ReceiveAttributes(r)
	}
	return cloudevent.Receive(w, r, limit)
}

// isLarge reports whether an event may have an image inside its JSON.
func isLarge(r *http.Request) bool {
	return cloudevent.IsStructured(r) && (r.ContentLength < 0 || r.ContentLength > cloudevent.MaxEvent)
}

// isStream reports whether the data of an event is the body, and not JSON.
func isStream(r *http.Request) bool {
	contentType := r.Header.Get("Content-Type")
	return !cloudevent.IsStructured(r) && (contentType == "" || !events.IsJSON(contentType))
}

// complete checks the event of a candidate. If the image is not in the body of the request, it is the data of the
// event, or an object that the event names.
func (in *Ingest) complete(ctx context.Context, candidate *accept.Candidate, e event.Event) error {
	if err := checkType(e); err != nil || candidate.Body != nil {
		return err
	}
	if data := e.Data(); len(data) > 0 && !events.IsJSON(e.DataContentType()) {
		candidate.Body, candidate.Size = bytes.NewReader(data), int64(len(data))
		return nil
	}
	reference, err := referenceOf(e)
	if err != nil {
		return err
	}
	candidate.Object = &accept.Object{Bucket: reference.Bucket, Key: reference.ObjectName}
	candidate.Filename = reference.Filename
	return in.checkObject(ctx, candidate.Object)
}

// checkObject decides whether the sender of an event may have an object read. The service reads with rights of its own,
// so a client gets only what it may read without: its own images. Objects in the buckets of other systems are for
// events that come through the Broker, and for administrators.
func (in *Ingest) checkObject(ctx context.Context, object *accept.Object) error {
	policy, own := in.settings.Policy, object.Bucket == in.settings.Bucket
	if !slices.Contains(in.settings.SourceBuckets, object.Bucket) || !own && !policy.MaySeeAll(ctx) {
		return &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeUnknownBucket,
			Message: "The event names an object in a bucket that this service does not read",
			Found:   object.Bucket,
		}
	}
	imageID, _, _ := strings.Cut(object.Key, "/")
	isImage := own && events.IsImageID(imageID)
	// The function for events serves no image, and must not confirm that one exists either.
	object.Hidden = !policy.MaySee(ctx, imageID) || in.settings.EventsOnly && isImage
	return nil
}

// referenceOf is the object that an event names, in its data or in its dataref.
func referenceOf(e event.Event) (events.ImageReceived, error) {
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

// errSweep means that an event asks for a sweep. At /upload it is an invalid event.
var errSweep = fmt.Errorf("%w: send %s to /", events.ErrInvalid, events.TypeImageSweep)

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
