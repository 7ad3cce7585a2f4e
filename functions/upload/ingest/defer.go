package ingest

import (
	"context"
	"errors"
	"net/http"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

// A Deferrer keeps an event that waits for its object.
type Deferrer interface {
	Defer(context.Context, deferral.Note) error
}

// A waitingError is the answer to an event whose object does not exist, with what is needed to look for it later.
type waitingError struct {
	error
	note deferral.Note
}

func (w *waitingError) Unwrap() error { return w.error }

// waitingFor adds the note of an event to the error of accepting it, if that is for want of an object.
func waitingFor(err error, e event.Event, imageID string, candidate accept.Candidate) error {
	if !errors.Is(err, accept.ErrNotYet) {
		return err
	}
	object := candidate.Object
	note := deferral.NewNote(deferral.Received, e, imageID, object.Bucket, object.Key, candidate.Filename)
	note.Version = candidate.Object.Version
	note.Owner, note.Cause = candidate.Owner, candidate.Cause
	return &waitingError{err, note}
}

// deferEvent answers the delivery of an event that waits for its object as that of an accepted image: it is stored, and
// package retry handles it. Knative has few deliveries in progress at a time, and one that is retried remains one of
// them, so senders of missing objects would keep everybody waiting.
func (in *Ingest) deferEvent(w http.ResponseWriter, r *http.Request, note deferral.Note) error {
	if err := in.Deferrer.Defer(r.Context(), note); err != nil {
		return err
	}
	in.Process.Log.InfoContext(r.Context(), "event_deferred",
		"image_id", note.ImageID, "bucket", note.Bucket, "object_name", note.ObjectName)
	return answerAccepted(w, r, note.ImageID)
}
