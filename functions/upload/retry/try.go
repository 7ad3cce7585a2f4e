package retry

import (
	"context"
	"errors"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

// try tries an entry, and then settles or reschedules it. After an error it is due again when its lease ends.
func (r *Retrier) try(ctx context.Context, entry deferral.Entry) (outcome string, err error) {
	outcome, pause, err := r.attempt(ctx, entry)
	switch {
	case err != nil:
		return broken, err
	case outcome == waiting:
		return waiting, r.Queue.Reschedule(ctx, entry, pause)
	}
	return outcome, r.Queue.Settle(ctx, entry)
}

// attempt tries an entry. pause is the time until the next try if it has to wait.
func (r *Retrier) attempt(ctx context.Context, entry deferral.Entry) (outcome string, pause time.Duration, err error) {
	if entry.Name == "" {
		return settled, 0, r.Relay.AnnounceAgain(ctx, entry.ImageID)
	}
	note, age, err := r.Queue.Read(ctx, entry)
	if errors.Is(err, imagestore.ErrNotFound) { // another pod has settled it
		return settled, 0, nil
	}
	pause, over := schedule(age, r.patience)
	switch {
	case errors.Is(err, deferral.ErrUnreadable): // a later version may be rolled out, and reads it
		if over {
			r.log.ErrorContext(ctx, "deferred_event_unreadable", "image_id", entry.ImageID, "error.message", err.Error())
		}
		return waiting, pause, nil
	case err != nil:
		return broken, 0, err
	}
	ctx, over = cloudevent.Continue(ctx, note.Event), over || note.Impossible
	if note.Kind == deferral.Received {
		outcome, err = r.receive(ctx, note, over)
	} else {
		outcome, err = r.announce(ctx, note, over)
	}
	return outcome, pause, err
}

// schedule returns the pause before the next try of what waits for a time, and whether it waits for too long; the last
// try is when the time is over. A time in the future is that of a clock that was set back since: if it is far off,
// nobody knows for how long the note waits, and it must not wait forever.
func schedule(age, patience time.Duration) (pause time.Duration, over bool) {
	pause = min(max(age, minPause), maxPause)
	if left := patience - age; left > 0 {
		pause = min(pause, max(left, minPause))
	}
	return pause, age >= patience || age <= -patience
}

// receive accepts the image of an image.received whose object exists now. If the time is over, it looks once more.
func (r *Retrier) receive(ctx context.Context, note deferral.Note, over bool) (outcome string, err error) {
	if !over {
		exists, err := r.Images.Exists(ctx, note.Bucket, note.ObjectName)
		if errors.Is(err, imagestore.ErrForbidden) {
			return waiting, nil
		}
		if err != nil || !exists {
			return waiting, err
		}
	}
	image, err := r.Acceptor.AcceptEvent(ctx, note.Event, accept.Candidate{
		Owner:    note.Owner,
		Object:   &accept.Object{Bucket: note.Bucket, Key: note.ObjectName, Version: note.Version},
		Filename: note.Filename,
		LetIn:    true,
		Cause:    note.Cause,
	})
	var refused *apierror.Error
	switch {
	case errors.Is(err, accept.ErrDeleted):
		return settled, nil
	case err == nil: // now, or before: by another delivery, or by a process that has ended in withdraw
		_, err := r.withdraw(ctx, note.ImageID)
		return settled, err
	case errors.Is(err, accept.ErrNotYet) && !over: // it was removed meanwhile
		return waiting, nil
	case errors.Is(err, imagestore.ErrNoBucket): // says nothing about the object, and must not be the end of its image
		r.log.ErrorContext(ctx, "deferred_event_without_bucket", "image_id", note.ImageID, "bucket", note.Bucket)
		return waiting, nil
	case errors.As(err, &refused) && slices.Contains(events.Reasons(), events.Reason(refused.Code)):
		return r.fail(ctx, note, image.ObjectName, refused.Code, refused.Message)
	}
	return broken, err
}

// announce announces the image of an image.uploaded that has an original now, under whatever name. An image that has
// one, or a result, has not failed because an event names another object.
func (r *Retrier) announce(ctx context.Context, note deferral.Note, over bool) (outcome string, err error) {
	objects, err := r.Images.Find(ctx, note.ImageID)
	switch {
	case err != nil:
		return broken, err
	case objects.Deleted != nil:
		return settled, nil
	case objects.Original != nil:
		if withdrawn, err := r.withdraw(ctx, note.ImageID); err != nil || withdrawn {
			return settled, err
		}
		return settled, r.Relay.AnnounceAgain(ctx, note.ImageID)
	case objects.Result == nil && !over:
		return waiting, nil
	case objects.Result != nil && objects.Result.Key != imagestore.ThumbnailKey(note.ObjectName):
		return settled, nil
	}
	if objects.Result == nil {
		arriving, err := r.Queue.IsReceiving(ctx, note.ImageID)
		if err != nil || arriving { // its own event decides
			return settled, err
		}
	}
	message := "The object that the event names does not exist"
	if note.Impossible {
		message = "The store allows no object of the name that the event has"
	}
	return r.fail(ctx, note, note.ObjectName, apierror.CodeObjectNotFound, message)
}

// isForWantOfObject reports whether the reason of a failure is that no object could be read.
func isForWantOfObject(reason string) bool {
	return reason == apierror.CodeObjectNotFound || reason == apierror.CodeObjectUnreadable
}

// fail records that an image has failed, and publishes it. If a result is stored already, be it that of an attempt
// which ended before the event was published, that one counts.
func (r *Retrier) fail(
	ctx context.Context, note deferral.Note, original, reason, message string,
) (outcome string, err error) {
	final, err := r.record(ctx, note, original, reason, message)
	if err != nil {
		return broken, err
	}
	if final.State != status.Failed { // another delivery of the event has brought an image
		return settled, nil
	}
	if isForWantOfObject(final.Reason) {
		withdrawn, err := r.withdraw(ctx, note.ImageID)
		if err != nil || withdrawn {
			return settled, err
		}
	}
	// The event is the one that another delivery of the note's event gets as its reply.
	source, bucket := events.SourceUpload, ""
	if note.Kind == deferral.Uploaded {
		source, bucket = events.SourceThumbnail, note.Bucket
	} else {
		original = ""
	}
	e, err := final.Event(ctx, source, bucket, original)
	if err != nil {
		// No attempt at it ends otherwise, and the status has the result.
		r.log.WarnContext(ctx, "status_without_event", "image_id", note.ImageID, "error.message", err.Error())
		return failed, nil
	}
	if err := r.Publisher.Publish(ctx, e); err != nil {
		return broken, err
	}
	r.log.WarnContext(ctx, "deferred_event_failed", "image_id", note.ImageID, "bucket", note.Bucket,
		"object_name", note.ObjectName, "error.code", final.Reason, "error.message", final.Result.Error)
	return failed, nil
}

// record records the failure. An image.uploaded may be made up: it brings no image, and must not keep one out.
func (r *Retrier) record(
	ctx context.Context, note deferral.Note, original, reason, message string,
) (*status.Status, error) {
	if note.Kind == deferral.Uploaded {
		return r.Statuses.FailByHearsay(ctx, note.ImageID, original, reason, message)
	}
	return r.Statuses.Fail(ctx, note.ImageID, original, note.Cause, reason, message)
}

// withdraw takes a failure for want of an object back if the image has an original after all: one that another delivery
// stored after the last look at the object, and that was accepted.
func (r *Retrier) withdraw(ctx context.Context, imageID string) (withdrawn bool, err error) {
	objects, err := r.Images.Find(ctx, imageID)
	if err != nil || objects.Original == nil || objects.Result == nil || objects.FailedFirst() {
		return false, err
	}
	final, err := r.Statuses.ReadResult(ctx, imageID, objects)
	if err != nil || final.State != status.Failed || !isForWantOfObject(final.Reason) {
		return false, err
	}
	if err := r.Statuses.Discard(ctx, imageID, objects.Result); err != nil {
		return false, err
	}
	return true, r.Relay.AnnounceAgain(ctx, imageID)
}
