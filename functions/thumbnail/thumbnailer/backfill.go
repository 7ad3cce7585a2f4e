package thumbnailer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// An outcome is that of an image.render, in the metrics.
type outcome string

// The outcomes; registerMetrics explains them.
const (
	made       outcome = "made"
	complete   outcome = "complete"
	unfinished outcome = "unfinished"
	failed     outcome = "failed"
	absent     outcome = "absent"
	refused    outcome = "refused"
	abandoned  outcome = "abandoned"
	erroneous  outcome = "error"
)

var outcomes = []outcome{made, complete, unfinished, failed, absent, refused, abandoned, erroneous}

// rolloutTime is the longest time after an image is stored for which it may be in the hands of a process of an older
// configuration.
const rolloutTime = 15 * time.Minute

var errInProgress = errors.New("the image is being processed, maybe by an older configuration")

// backfill handles an image.render: it makes what a completed image lacks of the set, and sends no reply. What it finds
// out about an image that can have no more renditions, or none at all, is logged and counted, and changes nothing.
func (t *thumbnailer) backfill(ctx context.Context, e event.Event) error {
	request, err := events.Decode[events.ImageRender](e)
	if err != nil {
		return err
	}
	request.Bucket = cmp.Or(request.Bucket, t.store.Bucket())
	if err := t.checkBucket(request.Bucket); err != nil {
		return err
	}
	_, err, _ = t.backfills.Do(fmt.Sprintf("%+v", request), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), taskTimeout)
		defer cancel()
		return nil, t.backfillOnce(ctx, request)
	})
	return err
}

// backfillOnce counts and logs the outcome. The image waits for uploads before each of its requests to the store.
func (t *thumbnailer) backfillOnce(ctx context.Context, request events.ImageRender) error {
	began := time.Now()
	t.active.Inc()
	defer t.active.Dec()
	turn := t.traffic.Turn()
	result, err := t.complete(imagestore.WithTurns(ctx, turn.Wait), request)
	t.yielded.Add(turn.Waited().Seconds())
	var unfit *raster.Error
	switch {
	case errors.As(err, &unfit):
		result, err = refused, nil
		t.Log.WarnContext(ctx, "backfill_refused", "image_id", request.ImageID,
			"error.code", string(unfit.Reason), "error.message", unfit.Message)
	case errors.Is(err, errAbandoned):
		result = abandoned
		t.Log.ErrorContext(ctx, "backfill_abandoned", "image_id", request.ImageID)
	case err != nil:
		result = erroneous
	default:
		t.Log.InfoContext(ctx, "backfill_done", "image_id", request.ImageID, "outcome", string(result),
			"duration", time.Since(began).Seconds())
	}
	t.rendered.WithLabelValues(string(result)).Inc()
	return err
}

// A lack is what a completed image does not have of the set.
type lack struct {
	objects   imagestore.Objects
	thumbnail *imagestore.Info // from Stat
	// specs are those of which a file is missing, or outdated. Files that an engine before version made are outdated.
	specs   []rendition.Spec
	version int
	// placeholder and color report whether they are missing.
	placeholder, color bool
}

func (l lack) isEmpty() bool { return len(l.specs) == 0 && !l.placeholder && !l.color }

// complete brings an image to what the request asks for, and Redis to that. The error is a *raster.Error if the image
// can have no more renditions, and errAbandoned if the engine fails at it.
func (t *thumbnailer) complete(ctx context.Context, request events.ImageRender) (outcome, error) {
	lacking, result, err := t.lackOf(ctx, request)
	if err != nil || result != "" {
		return result, err
	}
	if lacking.isEmpty() {
		return complete, t.statuses.Refresh(ctx, request.ImageID) // an earlier delivery may not have come to that
	}
	files, err := t.renderLack(ctx, request.ImageID, lacking)
	if errors.Is(err, imagestore.ErrNotFound) {
		return absent, nil
	}
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	result, err = t.storeLack(ctx, request.ImageID, lacking, files)
	if err != nil {
		return "", err
	}
	return result, t.statuses.Refresh(ctx, request.ImageID)
}

// lackOf finds what an image lacks, or an outcome if nothing can be done.
func (t *thumbnailer) lackOf(ctx context.Context, request events.ImageRender) (l lack, result outcome, err error) {
	if l.objects, err = t.store.Find(ctx, request.ImageID); err != nil {
		return l, "", err
	}
	switch {
	case l.objects.Original == nil:
		return l, absent, nil
	case l.objects.Result == nil:
		return l, unfinished, t.checkProgress(ctx, request.ImageID, l.objects.Original)
	}
	l.thumbnail, err = t.store.Stat(ctx, l.objects.Result.Key)
	switch {
	case errors.Is(err, imagestore.ErrNotFound):
		return l, absent, nil
	case err != nil:
		return l, "", err
	case l.thumbnail.ContentType == status.NoteType:
		return l, failed, nil
	}
	return l, "", t.findLack(ctx, request, &l)
}

// checkProgress returns an error, which has the event delivered again, if an image without a result may be in the hands
// of a process that was started with another set, and is about to complete it. In all other cases an event is on its
// way, and whoever gets that makes the current set.
func (t *thumbnailer) checkProgress(ctx context.Context, imageID string, original *imagestore.Info) error {
	if time.Since(original.Modified) > rolloutTime {
		return nil
	}
	known, _, err := t.statuses.Read(ctx, imageID)
	if err == nil && known != nil && known.State == status.Processing {
		err = errInProgress
	}
	return err
}

// findLack fills in what a completed image lacks.
func (t *thumbnailer) findLack(ctx context.Context, request events.ImageRender, l *lack) error {
	specs := t.plan.set.Renditions
	if len(request.Renditions) > 0 {
		specs = slices.Clone(specs)
		specs = slices.DeleteFunc(specs, func(s rendition.Spec) bool { return !slices.Contains(request.Renditions, s.Name) })
	} else {
		l.placeholder = t.plan.set.Placeholder && status.LacksPlaceholder(l.thumbnail)
		l.color = t.plan.set.Color && status.LacksColor(l.thumbnail)
	}
	names, err := t.statuses.Missing(ctx, specs, l.objects, l.thumbnail)
	if err != nil {
		return err
	}
	// An engine of an older version than the one asked for, in a rollout, replaces only what is older than itself.
	if l.version = min(request.EngineOlderThan, raster.Engine); l.version > 0 {
		outdated, err := t.statuses.Outdated(ctx, specs, l.objects, l.thumbnail, l.version)
		if err != nil {
			return err
		}
		names = append(names, outdated...)
	}
	for _, spec := range specs {
		if slices.Contains(names, spec.Name) {
			l.specs = append(l.specs, spec)
		}
	}
	return nil
}

// renderLack makes what is lacking, in one decode. It counts attempts, because an image may end the process.
func (t *thumbnailer) renderLack(ctx context.Context, imageID string, l lack) (product, error) {
	object, info, err := t.store.Get(ctx, t.store.Bucket(), l.objects.Original.Key)
	if err != nil {
		return product{}, err
	}
	defer object.Close()
	began := false
	files, err := t.renderObject(ctx, object, info, l.plan(t.plan), func() error {
		err := t.beginAttempt(ctx, imageID, backfillAllowance)
		began = isBegun(err)
		return err
	})
	if began && ctx.Err() == nil {
		t.endAttempts(ctx, imageID)
	}
	return files, t.abandonAtPanic(ctx, imageID, info, err)
}

// abandonAtPanic reports an error that is a panic, and has the image given up at once.
func (t *thumbnailer) abandonAtPanic(ctx context.Context, imageID string, info *imagestore.Info, err error) error {
	var panicked *raster.PanicError
	if !errors.As(err, &panicked) {
		return err
	}
	_ = t.reportPanic(ctx, imageID, info, panicked) // the answer to which is for an image that has nothing yet
	return errAbandoned
}

// plan returns the plan for what is lacking. With nothing but a placeholder or a colour, which are taken from a decoded
// image, it has the thumbnail.
func (l lack) plan(all plan) plan {
	specs := l.specs
	if len(specs) == 0 {
		specs = all.set.Renditions[:1]
	}
	return all.of(specs)
}

// storeLack stores what was made, unless the image was removed meanwhile.
func (t *thumbnailer) storeLack(ctx context.Context, imageID string, l lack, files product) (outcome, error) {
	beside, supplement := l.sort(files)
	added, err := t.statuses.AddRenditions(ctx, l.objects.Original.Key, beside, l.version)
	if err == nil && supplement != (status.Supplement{}) {
		err = t.supplement(ctx, imageID, l, supplement)
	}
	now, findErr := t.store.Find(ctx, imageID)
	if err := errors.Join(err, findErr); err != nil || now.Original != nil {
		return made, err
	}
	for _, key := range added { // nothing else would
		if err := t.store.Remove(ctx, key); err != nil {
			return "", err
		}
	}
	return absent, nil
}

// sort returns the files that are stored beside the thumbnail, and what it gets itself.
func (l lack) sort(files product) (beside []status.File, supplement status.Supplement) {
	for _, f := range files.files {
		isResult := f.Name == rendition.Thumbnail && f.Hash == status.ThumbnailHash(l.thumbnail)
		switch {
		case !isResult:
			beside = append(beside, f)
		case l.thumbnail.Engine() < l.version:
			supplement.File = &f
		}
	}
	if len(l.specs) == 0 { // the plan was for the decoding alone
		beside = nil
	}
	if l.placeholder {
		supplement.Placeholder = files.placeholder
	}
	if l.color {
		supplement.Color = cmp.Or(files.color, status.NoColor)
	}
	return beside, supplement
}

func (t *thumbnailer) supplement(ctx context.Context, imageID string, l lack, lacking status.Supplement) error {
	final, err := t.statuses.ReadResult(ctx, imageID, l.objects)
	if err != nil {
		return err
	}
	return t.statuses.Supplement(ctx, *final, l.thumbnail, lacking)
}
