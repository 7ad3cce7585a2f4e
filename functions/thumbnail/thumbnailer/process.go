package thumbnailer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/telemetry"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"gitlab.com/yourorg/image-service/functions/thumbnail/admission"
)

// Timeouts of one task.
const (
	// No valid image takes this long: a decoder that still runs is at one that was made to keep it busy.
	taskTimeout = time.Minute
	// A result is recorded even if the client has gone, within this time.
	recordTimeout = 10 * time.Second
)

// deliver handles an event that Knative delivers at POST /. The reply is nil for a status that no event can express,
// for an image that was deleted, and for a task that waits elsewhere: Knative has few deliveries in progress at a time,
// and one that it repeats remains one of them.
func (t *thumbnailer) deliver(ctx context.Context, e event.Event) (*event.Event, error) {
	if e.Type() == events.TypeImageRender {
		return nil, t.backfill(ctx, e)
	}
	task, err := t.taskOf(e)
	if err != nil {
		return nil, err
	}
	ctx, span := trace.StartConsumer(ctx, "deliver")
	final, err := t.deliverTask(ctx, span, e, task)
	span.End(err)
	if err != nil || final == nil || final.State == status.Deleted {
		return nil, err
	}
	reply, err := final.Event(ctx, events.SourceThumbnail, task.Bucket, task.ObjectName)
	if err != nil {
		// A status of the original system's worker may lack fields of the event, which no delivery adds.
		t.Log.WarnContext(ctx, "status_without_event", "image_id", task.ImageID, "error.message", err.Error())
		return nil, nil
	}
	return &reply, nil
}

// deliverTask processes a task within its span.
func (t *thumbnailer) deliverTask(
	ctx context.Context, span trace.Span, e event.Event, task events.ImageUploaded,
) (*status.Status, error) {
	span.Image(task.ImageID, task.ContentType, task.Width, task.Height)
	t.Log.InfoContext(ctx, "task_received", "image_id", task.ImageID, "cloudevent.id", e.ID())
	final, err := t.processOnce(ctx, e, task)
	span.Text("image.outcome", outcomeOf(final, err))
	return final, err
}

// outcomeOf is what a task is counted as in tasks_processed_total.
func outcomeOf(final *status.Status, err error) string {
	switch {
	case errors.Is(err, errAbandoned):
		return "abandoned"
	case err != nil:
		return "error"
	case final == nil:
		return "deferred"
	case final.State == status.Deleted:
		return "deleted"
	case final.State == status.Failed:
		return "failed"
	}
	return "success"
}

// taskOf decodes the task in an event. Errors are permanent: they wrap events.ErrInvalid or are 400s.
func (t *thumbnailer) taskOf(e event.Event) (task events.ImageUploaded, err error) {
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
	return task, t.checkBucket(task.Bucket)
}

// checkBucket returns an error unless the bucket in an event is that of this function.
func (t *thumbnailer) checkBucket(bucket string) error {
	if bucket == t.store.Bucket() {
		return nil
	}
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeUnknownBucket,
		Message: "The event names an object in a bucket that this function does not read",
		Limit:   t.store.Bucket(),
		Found:   bucket,
	}
}

// processOnce processes concurrent deliveries of a task once. It continues if the client of the first one leaves,
// because the others wait for the result.
func (t *thumbnailer) processOnce(
	ctx context.Context, e event.Event, task events.ImageUploaded,
) (*status.Status, error) {
	final, err, _ := t.deliveries.Do(task.ObjectName, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), taskTimeout)
		defer cancel()
		return t.process(ctx, e, task)
	})
	if err != nil {
		return nil, err
	}
	return final.(*status.Status), nil
}

// process brings an image to its final status, and measures and logs the outcome. The status is nil if the task waits
// now, in package deferral.
func (t *thumbnailer) process(
	ctx context.Context, e event.Event, task events.ImageUploaded,
) (final *status.Status, err error) {
	began := time.Now()
	t.active.Inc()
	defer func() {
		t.active.Dec()
		t.last.Set(time.Since(began).Seconds())
		telemetry.Observe(ctx, t.duration, time.Since(began).Seconds())
	}()
	final, err = t.finalStatus(ctx, task)
	if errors.Is(err, errNoObject) {
		final, err = t.unlessDeleted(ctx, task)
	}
	if isDeferral(err) {
		final, err = nil, t.deferTask(ctx, e, task, err)
	}
	switch {
	case errors.Is(err, errAbandoned):
		t.processed.WithLabelValues("abandoned").Inc()
		t.Log.ErrorContext(ctx, "task_abandoned", "image_id", task.ImageID, "object_name", task.ObjectName)
		return nil, err
	case err != nil:
		t.processed.WithLabelValues("error").Inc()
		return nil, err
	case final == nil:
		t.processed.WithLabelValues("deferred").Inc()
	case final.State == status.Deleted:
		return final, t.clean(ctx, task)
	case final.State == status.Failed:
		t.processed.WithLabelValues("failed").Inc()
		t.Log.WarnContext(ctx, "task_failed", "image_id", task.ImageID,
			"error.code", final.Reason, "error.message", final.Result.Error)
	default:
		t.processed.WithLabelValues("success").Inc()
		t.logCompleted(ctx, task.ImageID, final.Result, time.Since(began))
	}
	return final, nil
}

func (t *thumbnailer) logCompleted(ctx context.Context, imageID string, result *status.Result, took time.Duration) {
	line := []any{"image_id", imageID, "duration", took.Seconds(), "result", result}
	if size := result.ThumbnailSize; size != nil { // the original system recorded none
		line = append(line, "width", size[0], "height", size[1], "content_type", thumbnailType(result))
	}
	t.Log.InfoContext(ctx, "task_completed", line...)
}

// thumbnailType is the content type of the thumbnail, by its name, which ends as its format does.
func thumbnailType(result *status.Result) string {
	return raster.ContentTypeOf(strings.ToLower(path.Ext(result.Thumbnail)))
}

// unlessDeleted returns errNoObject unless the original does not exist because the image was deleted. One that the
// store lists all the same is another error: package retry would announce it at once, again and again.
func (t *thumbnailer) unlessDeleted(ctx context.Context, task events.ImageUploaded) (*status.Status, error) {
	objects, err := t.store.Find(ctx, task.ImageID)
	switch {
	case err != nil || objects.Deleted != nil:
	case objects.Original != nil && objects.Original.Key == task.ObjectName:
		err = fmt.Errorf("get object %q: the store lists it, and does not find it", task.ObjectName)
	default:
		err = errNoObject
	}
	return &status.Status{ImageID: task.ImageID, State: status.Deleted}, err
}

// clean removes what was stored for an image that was deleted meanwhile.
func (t *thumbnailer) clean(ctx context.Context, task events.ImageUploaded) error {
	if err := t.store.RemoveLeftovers(ctx, task.ImageID); err != nil {
		t.processed.WithLabelValues("error").Inc()
		return err
	}
	t.processed.WithLabelValues("deleted").Inc()
	t.Log.InfoContext(ctx, "task_of_deleted_image", "image_id", task.ImageID)
	return nil
}

// finalStatus returns the final status that the stored objects give the image, or else makes its renditions. Nearly all
// images have no such status, which is why the original is asked for meanwhile.
func (t *thumbnailer) finalStatus(ctx context.Context, task events.ImageUploaded) (*status.Status, error) {
	fetching := t.fetch(ctx, task)
	defer fetching.close()
	stored, begun, err := t.statuses.FinalFromStore(ctx, task.ImageID)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		return t.statuses.Conclude(ctx, *stored)
	}
	return t.makeRenditions(ctx, task, fetching, begun)
}

// makeRenditions makes the renditions, and records them or the reason why the image can have none. begun is whether an
// attempt at it has begun and may never have ended.
func (t *thumbnailer) makeRenditions(
	ctx context.Context, task events.ImageUploaded, fetching *fetching, begun bool,
) (*status.Status, error) {
	counted := false
	made, cause, err := t.render(ctx, task, fetching, func(ctx context.Context) error {
		if !begun {
			return nil
		}
		err := t.beginAttempt(ctx, task.ImageID, taskAllowance)
		counted = isBegun(err)
		return err
	})
	if counted {
		t.endAttempts(context.WithoutCancel(ctx), task.ImageID)
	}
	final := status.Status{ImageID: task.ImageID, ProcessedAt: status.Seconds(time.Now()), Cause: cause}
	var refused *raster.Error
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	ctx, span := trace.Start(ctx, "record")
	concluded, err := t.record(ctx, task, final, made, refused)
	span.End(err)
	if err == nil {
		t.measureAge(ctx, task, &final, concluded)
	}
	return concluded, err
}

// record stores the renditions, or the reason why they cannot be made, and returns the final status that counts.
func (t *thumbnailer) record(
	ctx context.Context, task events.ImageUploaded, final status.Status, made product, refused *raster.Error,
) (recorded *status.Status, err error) {
	if refused != nil {
		final.State = status.Failed
		final.Reason = string(refused.Reason)
		final.Result = &status.Result{Error: refused.Message}
		recorded, err = t.statuses.Record(ctx, task.ObjectName, final, nil)
	} else {
		recorded, err = t.recordFiles(ctx, task, final, made)
	}
	if err != nil {
		return nil, err
	}
	return t.statuses.Conclude(ctx, *recorded)
}

// The reasons for which a task waits, beside admission.ErrFull and a pausedError.
var (
	errNoObject = errors.New("the object that the event names does not exist") // the event may have overtaken it
	// The event may be about an image that has an original of another name: package retry finds out.
	errImpossible = errors.New("no object can have the name in the event")
)

// isDeferral reports whether an error has a task wait.
func isDeferral(err error) bool {
	var paused *pausedError
	return errors.Is(err, errNoObject) || errors.Is(err, errImpossible) || errors.Is(err, admission.ErrFull) ||
		errors.As(err, &paused)
}

// deferTask has a task wait. The note of one without an object is stored. One that was not admitted, or not begun once
// more, has an original, which a sweep finds even if Redis forgets it.
func (t *thumbnailer) deferTask(ctx context.Context, e event.Event, task events.ImageUploaded, cause error) error {
	var err error
	var paused *pausedError
	switch {
	case errors.Is(cause, admission.ErrFull):
		err = t.deferred.Postpone(ctx, task.ImageID, admissionPause())
	case errors.As(cause, &paused):
		err = t.deferred.Postpone(ctx, task.ImageID, paused.pause)
	default:
		note := deferral.NewNote(deferral.Uploaded, e, task.ImageID, task.Bucket, task.ObjectName, task.Filename)
		note.Impossible = errors.Is(cause, errImpossible)
		err = t.deferred.Defer(ctx, note)
	}
	if err != nil {
		return err
	}
	t.Log.InfoContext(ctx, "task_deferred",
		"image_id", task.ImageID, "object_name", task.ObjectName, "error.message", cause.Error())
	return nil
}

// render reads the original and returns its renditions, and the event that brought it. The error is a *raster.Error if
// the image can never have any, and errNoObject, errImpossible, admission.ErrFull or a pausedError if the task is for
// package deferral. It calls begin before, whose errors it returns.
func (t *thumbnailer) render(
	ctx context.Context, task events.ImageUploaded, fetching *fetching, begin func(context.Context) error,
) (made product, cause events.Cause, err error) {
	object, info, err := fetching.wait()
	if errors.Is(err, imagestore.ErrImpossible) {
		return product{}, cause, errImpossible
	}
	if errors.Is(err, imagestore.ErrNotFound) {
		return product{}, cause, errNoObject
	}
	if err != nil {
		return product{}, cause, err
	}
	var advance sync.WaitGroup
	var advanceErr error
	made, err = t.renderObject(ctx, object, info, t.plan, func() error {
		if err := begin(ctx); err != nil {
			return err
		}
		advance.Go(func() {
			_, advanceErr = t.statuses.Advance(ctx, status.Status{ImageID: task.ImageID, State: status.Processing})
		})
		return nil
	})
	fetching.close()
	advance.Wait() // the final status is written after it
	var panicked *raster.PanicError
	var refused *raster.Error
	switch {
	case errors.As(err, &panicked):
		err = t.reportPanic(ctx, task.ImageID, info, panicked)
	case advanceErr != nil:
		err = advanceErr
	case errors.As(err, &refused):
		err = t.confirm(ctx, task, info, refused)
	}
	return made, info.Cause(), err
}

// confirm returns a verdict on an original, which is final, if the store lists the object that was read.
func (t *thumbnailer) confirm(
	ctx context.Context, task events.ImageUploaded, read *imagestore.Info, verdict *raster.Error,
) error {
	objects, err := t.store.Find(ctx, task.ImageID)
	if err != nil {
		return err
	}
	listed := objects.Original
	if listed == nil {
		listed = objects.Result // an original of the original system may have the name of a result
	}
	if listed == nil || listed.Key != task.ObjectName { // the image was deleted, or package retry announces its original
		return errNoObject
	}
	if err := listed.Confirm(read); err != nil {
		return fmt.Errorf("%w: %s", err, verdict.Message)
	}
	return verdict
}

// renderObject makes the renditions of an object, within the limits on bytes and pixels, when it is its turn. It calls
// begin before.
func (t *thumbnailer) renderObject(
	ctx context.Context, object io.Reader, info *imagestore.Info, plan plan, begin func() error,
) (product, error) {
	if info.Size > t.settings.maxBytes {
		return product{}, &raster.Error{
			Reason:  raster.Reason(events.ReasonTooManyBytes),
			Message: "The image is too large",
			Limit:   t.settings.maxBytes,
			Found:   info.Size,
		}
	}
	picture, err := raster.Open(object, t.settings.limits)
	if err != nil {
		return product{}, err
	}
	leave, err := t.enter(ctx, picture, info, plan.costs...)
	if err != nil {
		return product{}, err
	}
	defer leave()
	if err := begin(); err != nil {
		return product{}, err
	}
	return plan.render(ctx, picture)
}
