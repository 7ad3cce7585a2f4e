package ingest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// acceptEvent accepts the image of an event that a client sends to /upload.
func (in *Ingest) acceptEvent(w http.ResponseWriter, r *http.Request, owner string) ([]outcome, error) {
	arrived, err := in.receive(w, r, owner)
	if err != nil {
		return nil, err
	}
	return []outcome{{ImageID: arrived.image.ImageID}}, nil
}

// deliver answers Knative: 200 if the image is accepted, or waits here for its object, 200 with an image.failed if it
// never can be accepted, and otherwise a status code by which Knative delivers the event again or gives up.
func (in *Ingest) deliver(w http.ResponseWriter, r *http.Request) error {
	owner := ownership.Of(r.Context())
	arrived, err := in.receive(w, r, owner)
	var refused *apierror.Error
	var other *otherTypeError
	var waiting *waitingError
	var deletion *deletionError
	switch {
	case errors.As(err, &other):
		return in.deliverOther(w, r, other)
	case err == nil:
		return answerAccepted(w, r, arrived.image.ImageID)
	case errors.As(err, &waiting):
		return in.deferEvent(w, r, waiting.note)
	case errors.Is(err, accept.ErrDeleted): // to deliver it again would not help
		return answerAccepted(w, r, arrived.image.ImageID)
	case errors.Is(err, errSweep):
		return in.sweep(w, r)
	case errors.As(err, &deletion):
		return in.deleteImage(w, r, deletion.event)
	case arrived.image.ImageID != "" && errors.As(err, &refused) && isReason(refused.Code):
		return in.replyFailed(w, r, arrived, refused)
	}
	return err
}

// isReason reports whether the code of an error is a reason for which an image fails.
func isReason(code string) bool { return slices.Contains(events.Reasons(), events.Reason(code)) }

// answerAccepted answers a delivery without a reply. Content-Length says that there is none: a body of unknown length,
// which is what net/http sends while a request body is unread, is taken for a reply that is not an event.
func answerAccepted(w http.ResponseWriter, r *http.Request, imageID string) error {
	w.Header().Set("Content-Length", "0")
	w.Header().Set("Location", httpserver.Prefix(r)+"/status/"+imageID)
	w.WriteHeader(http.StatusOK)
	return nil
}

// replyFailed records that an image can never be accepted, and replies with image.failed. However often the event
// comes, and whatever it brings then, the answer stays the same.
func (in *Ingest) replyFailed(
	w http.ResponseWriter, r *http.Request, arrived arrival, refused *apierror.Error,
) error {
	image := arrived.image
	in.refused.WithLabelValues(refused.Code).Inc()
	final, err := in.Statuses.Fail(
		r.Context(), image.ImageID, image.ObjectName, arrived.cause, refused.Code, refused.Message)
	if err != nil {
		return err
	}
	if final.State != status.Failed { // another delivery of the event has brought an image
		return answerAccepted(w, r, image.ImageID)
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

// An arrival is the image that an event brings, as far as it is known, and its cause. It may be set beside an error.
type arrival struct {
	image events.ImageUploaded
	cause events.Cause
}

// receive accepts the image of an image.received event. An image that was refused is returned with its ID and its key.
func (in *Ingest) receive(w http.ResponseWriter, r *http.Request, owner string) (arrived arrival, err error) {
	defer in.meter(r)()
	e, candidate, err := Read(w, r, in.settings.MaxBytes)
	if err != nil {
		return arrived, err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	if candidate.Object != nil {
		if err := in.checkObject(ctx, candidate.Object); err != nil {
			return arrived, err
		}
	}
	candidate.Owner = owner
	image, err := in.Acceptor.AcceptEvent(ctx, e, candidate)
	return arrival{image, candidate.Cause}, waitingFor(err, e, image.ImageID, candidate)
}

// Read reads an image.received event, and returns the candidate that it brings, without an owner. Of an image in the
// body of the request only the beginning is read; an object that the event names may be one that its sender may not
// have read. It uses no backend. The errors are those of packages cloudevent and body, and an apierror.Error about the
// data.
func Read(w http.ResponseWriter, r *http.Request, maxBytes int64) (event.Event, accept.Candidate, error) {
	e, err := readEvent(w, r)
	if err == nil {
		err = checkType(e)
	}
	if err != nil {
		return e, accept.Candidate{}, err
	}
	candidate := accept.Candidate{Filename: eventFilename(e), Cause: causeOf(e)}
	if isStream(r) && r.ContentLength != 0 {
		err = openBody(w, r, maxBytes, &candidate, &e)
	} else {
		err = openData(r, &candidate, e)
	}
	if err == nil && candidate.Body == nil {
		err = refer(&candidate, e)
	}
	return e, candidate, err
}

// readEvent reads an event, and its data if that is JSON or inside the event's JSON. Other data stays in the body. A
// large one may only be an image.received, which its type says once it is read.
func readEvent(w http.ResponseWriter, r *http.Request) (event.Event, error) {
	limit := int64(cloudevent.MaxEvent)
	if isLarge(r) {
		limit = maxInline
	}
	if isStream(r) {
		return cloudevent.ReceiveAttributes(r)
	}
	e, err := cloudevent.Receive(w, r, limit)
	isSmall := r.ContentLength <= cloudevent.MaxEvent && len(e.Data()) <= cloudevent.MaxEvent
	if err == nil && e.Type() != events.TypeImageReceived && !isSmall {
		err = errEventTooLarge
	}
	return e, err
}

// isLarge reports whether an event may have an image inside its JSON.
func isLarge(r *http.Request) bool {
	return cloudevent.IsStructured(r) && (r.ContentLength < 0 || r.ContentLength > cloudevent.MaxEvent)
}

// isStream reports whether the data of an event is the body, and not declared to be JSON.
func isStream(r *http.Request) bool {
	contentType := r.Header.Get("Content-Type")
	return !cloudevent.IsStructured(r) && (contentType == "" || !events.IsJSON(contentType))
}

// openBody makes the body of a request the image of the candidate, or else, if it is JSON, the data of the event. A
// body that is declared to be too large an image is refused by its size, before a byte is read.
func openBody(
	w http.ResponseWriter, r *http.Request, maxBytes int64, candidate *accept.Candidate, e *event.Event,
) error {
	contentType := r.Header.Get("Content-Type")
	if r.ContentLength > maxBytes && declaresImage(contentType) {
		candidate.Body, candidate.Size = http.NoBody, r.ContentLength
		return nil
	}
	from, err := body.New(w, r, maxBytes)
	if err != nil {
		return err
	}
	buffered := bufio.NewReaderSize(from, sniffLength)
	start, err := buffered.Peek(sniffLength)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(start) == 0 && e.Extensions()[events.DataRef] != nil {
		return nil
	}
	switch image, err := isImage(contentType, start); {
	case err != nil:
		return err
	case image:
		candidate.Body, candidate.Size = buffered, from.Size()
		return nil
	}
	e.DataEncoded, err = readJSON(buffered)
	return err
}

// readJSON reads the data of an event that names an object.
func readJSON(from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, cloudevent.MaxEvent+1))
	if err == nil && len(data) > cloudevent.MaxEvent {
		err = errEventTooLarge
	}
	return data, err
}

// errEventTooLarge is the answer to an event that brings no image in its data.
var errEventTooLarge = &apierror.Error{
	Status:  http.StatusRequestEntityTooLarge,
	Code:    apierror.CodeTooManyBytes,
	Message: "The event is too large",
	Limit:   cloudevent.MaxEvent,
}

// openData makes the data of an event the image of the candidate, if it is an image. In structured mode an image is in
// data_base64: data is a JSON value, which may be the text of an image, but not its bytes.
func openData(r *http.Request, candidate *accept.Candidate, e event.Event) error {
	data, contentType := e.Data(), e.DataContentType()
	if len(data) == 0 || isNull(data) {
		return nil
	}
	image, err := isImage(contentType, data[:min(len(data), sniffLength)])
	if err != nil || !image {
		return err
	}
	if cloudevent.IsStructured(r) && !e.DataBase64 {
		return notBytes(contentType, "The data is a JSON string; expected an image as base64 in data_base64")
	}
	candidate.Body, candidate.Size = bytes.NewReader(data), int64(len(data))
	return nil
}

// refer makes the object that an event names the image of the candidate.
func refer(candidate *accept.Candidate, e event.Event) error {
	reference, err := referenceOf(e)
	if err != nil {
		return err
	}
	candidate.Object = &accept.Object{Bucket: reference.Bucket, Key: reference.ObjectName, Version: reference.Version}
	candidate.Filename = cmp.Or(reference.Filename, extendedFilename(e), path.Base(reference.ObjectName))
	return nil
}

// checkObject decides whether the sender of an event may have an object read. The service reads with rights of its own,
// so a client gets only what it may read without: its own images. Objects in the buckets of other systems are for
// events that come through the Broker, and for administrators.
func (in *Ingest) checkObject(ctx context.Context, object *accept.Object) error {
	policy, own := in.settings.Policy, object.Bucket == in.settings.Bucket
	if !slices.Contains(in.settings.SourceBuckets, object.Bucket) || !own && !policy.MaySeeAll(ctx) {
		return unknownBucket(object.Bucket)
	}
	imageID, _, _ := strings.Cut(object.Key, "/")
	isImage := own && events.IsImageID(imageID)
	// The function for events serves no image, and must not confirm that one exists either.
	object.Hidden = !policy.MaySee(ctx, imageID) || in.settings.EventsOnly && isImage
	return nil
}

// referenceOf is the object that an event names, in its data or in its dataref.
func referenceOf(e event.Event) (events.ImageReceived, error) {
	if data := e.Data(); len(data) > 0 && !isNull(data) {
		return events.Decode[events.ImageReceived](e)
	}
	ref, ok := e.Extensions()[events.DataRef].(string)
	if !ok {
		return events.ImageReceived{}, fmt.Errorf("%w: it has neither data nor a dataref", events.ErrInvalid)
	}
	bucket, key, err := events.ParseDataRef(ref)
	return events.ImageReceived{Bucket: bucket, ObjectName: key}, err
}

// errSweep means that an event asks for a sweep. At /upload it is an invalid event.
var errSweep = fmt.Errorf("%w: send %s to /", events.ErrInvalid, events.TypeImageSweep)

// A deletionError means that an event asks for a deletion. At /upload it is an invalid event.
type deletionError struct {
	error
	event event.Event
}

func (d *deletionError) Unwrap() error { return d.error }

func checkType(e event.Event) error {
	switch e.Type() {
	case events.TypeImageReceived:
		return nil
	case events.TypeImageSweep, events.TypePing:
		return errSweep
	case events.TypeImageDelete:
		return &deletionError{fmt.Errorf("%w: send %s to /", events.ErrInvalid, events.TypeImageDelete), e}
	default:
		err := fmt.Errorf("%w: type is %.80q, expected %q", events.ErrInvalid, e.Type(), events.TypeImageReceived)
		if strings.HasPrefix(strings.ToLower(e.Type()), "image.") {
			return err
		}
		return &otherTypeError{err, e}
	}
}
