package thumbnailer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// What a thumbnail is, in pixels; the original system's.
var target = raster.Target{Box: raster.Box{Width: 200, Height: 200}}

// deliver is POST /, where Knative delivers events.
func (t *renderer) deliver(w http.ResponseWriter, r *http.Request) error {
	e, err := cloudevent.Receive(w, r, cloudevent.MaxEvent)
	if err != nil {
		return err
	}
	task, err := t.taskOf(e)
	if err != nil {
		return err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	t.Log.InfoContext(ctx, "task_received", "image_id", task.ImageID, "event.id", e.ID())
	final, err := t.perform(ctx, task)
	if err != nil {
		return err
	}
	reply, err := final.Event(ctx, events.SourceThumbnail, task.Bucket, task.ObjectName)
	if err != nil {
		// The original system's worker left it so, and no delivery will change it.
		t.Log.WarnContext(ctx, "status_not_told", "image_id", task.ImageID, "error.message", err.Error())
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return cloudevent.Reply(w, r, reply)
}

// taskOf is what an event asks for. Errors wrap events.ErrInvalid or are Problems: the event will never be a good one.
func (t *renderer) taskOf(e event.Event) (task events.ImageUploaded, err error) {
	if e.Type() == events.TypeKafkaRecord { // a task of the original system
		err = events.DecodeData(e, &task)
	} else {
		task, err = events.Decode[events.ImageUploaded](e)
	}
	if err != nil {
		return task, err
	}
	if task.Bucket == "" {
		task.Bucket = t.store.Bucket()
	}
	if task.Bucket != t.store.Bucket() {
		return task, &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeUnknownBucket,
			Message: "The event names an object in a bucket that this service does not work in",
			Limit:   t.store.Bucket(),
			Found:   task.Bucket,
		}
	}
	return task, nil
}

// perform does what a task asks for, once, however many deliveries ask for it at the same time. The work goes on if the
// one that began it goes away, because the others wait for it.
func (t *renderer) perform(ctx context.Context, task events.ImageUploaded) (*status.Status, error) {
	final, err, _ := t.flights.Do(task.ObjectName, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), taskTimeout)
		defer cancel()
		return t.process(ctx, task)
	})
	if err != nil {
		return nil, err
	}
	return final.(*status.Status), nil
}

// process is a task from its first status to its last, with its metrics and the line in the log that says how it ended.
func (t *renderer) process(ctx context.Context, task events.ImageUploaded) (final *status.Status, err error) {
	began := time.Now()
	t.active.Inc()
	defer func() {
		t.active.Dec()
		t.last.Set(time.Since(began).Seconds())
		t.duration.Observe(time.Since(began).Seconds())
	}()
	final, err = t.settle(ctx, task)
	switch {
	case err != nil:
		t.processed.WithLabelValues("error").Inc()
		return nil, err
	case final.State == status.Failed:
		t.processed.WithLabelValues("failed").Inc()
		t.Log.WarnContext(ctx, "task_failed", "image_id", task.ImageID, "error.code", final.Reason, "error.message", final.Result.Error)
	default:
		t.processed.WithLabelValues("success").Inc()
		t.Log.InfoContext(ctx, "task_completed", "image_id", task.ImageID, "duration", time.Since(began).Seconds(), "result", final.Result)
	}
	return final, nil
}

// settle brings the image to its final status: the one that it has already, or the one that its thumbnail gives it.
func (t *renderer) settle(ctx context.Context, task events.ImageUploaded) (*status.Status, error) {
	settled, err := t.statuses.FinalFromStore(ctx, task.ImageID)
	if err != nil {
		return nil, err
	}
	if settled != nil {
		return t.statuses.Conclude(ctx, *settled)
	}
	return t.make(ctx, task)
}

// make makes the thumbnail, or finds out that there can be none, and writes that down.
func (t *renderer) make(ctx context.Context, task events.ImageUploaded) (*status.Status, error) {
	rendition, err := t.render(ctx, task)
	final := status.Status{ImageID: task.ImageID, ProcessedAt: status.Seconds(time.Now())}
	var refused *raster.Error
	switch {
	case errors.As(err, &refused):
		final.State = status.Failed
		final.Reason = string(refused.Reason)
		final.Result = &status.Result{Error: refused.Message}
	case err != nil:
		return nil, err
	default:
		final.State = status.Completed
		final.Result = &status.Result{
			Success:       true,
			Thumbnail:     imagestore.ThumbnailKey(task.ObjectName),
			OriginalSize:  &status.Size{rendition.OriginalWidth, rendition.OriginalHeight},
			ThumbnailSize: &status.Size{rendition.Width, rendition.Height},
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	recorded, err := t.statuses.Record(ctx, task.ObjectName, final, rendition.Bytes, rendition.Format.ContentType())
	if err != nil {
		return nil, err
	}
	return t.statuses.Conclude(ctx, *recorded)
}

// render reads the original and makes its thumbnail, within the bounds on pixels. The error is a Refusal if the image
// can never work.
func (t *renderer) render(ctx context.Context, task events.ImageUploaded) (raster.Rendition, error) {
	object, info, err := t.store.Get(ctx, task.Bucket, task.ObjectName)
	if errors.Is(err, imagestore.ErrNotFound) {
		return raster.Rendition{}, &apierror.Error{
			Status:  http.StatusNotFound, // so it is delivered again: the event may be ahead of its object
			Code:    apierror.CodeObjectNotFound,
			Message: "The object that the event names is not there",
			Found:   task.ObjectName,
		}
	}
	if err != nil {
		return raster.Rendition{}, err
	}
	defer object.Close()
	if info.Size > t.settings.maxBytes {
		return raster.Rendition{}, &raster.Error{
			Reason:  raster.Reason(events.ReasonTooManyBytes),
			Message: "The image is too large",
			Limit:   t.settings.maxBytes,
			Found:   info.Size,
		}
	}
	picture, err := raster.Open(object, t.settings.limits)
	if err != nil {
		return raster.Rendition{}, err
	}
	pixels := picture.Header().Pixels()
	if err := t.acquire(ctx, pixels); err != nil {
		return raster.Rendition{}, err
	}
	defer t.release(pixels)
	if _, err := t.statuses.Advance(ctx, status.Status{ImageID: task.ImageID, State: status.Processing}); err != nil {
		return raster.Rendition{}, err
	}
	renditions, err := picture.Render(ctx, target)
	if err != nil {
		return raster.Rendition{}, err
	}
	return renditions[0], nil
}

// acquire waits a little for the pixels, then sends the event back: elsewhere, or later, there may be room.
func (t *renderer) acquire(ctx context.Context, pixels int64) error {
	ctx, cancel := context.WithTimeout(ctx, pixelsTimeout)
	defer cancel()
	if err := t.pixels.Acquire(ctx, pixels); err != nil {
		return &apierror.Error{
			Status:     http.StatusTooManyRequests,
			Code:       apierror.CodeBusy,
			Message:    "Too many pixels are being worked on; try again",
			Limit:      t.settings.pixelsInFlight,
			Found:      pixels,
			RetryAfter: pixelsTimeout,
		}
	}
	t.inFlight.Add(float64(pixels))
	return nil
}

func (t *renderer) release(pixels int64) {
	t.inFlight.Sub(float64(pixels))
	t.pixels.Release(pixels)
}
