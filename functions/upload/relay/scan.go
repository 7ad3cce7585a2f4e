package relay

import (
	"context"
	"errors"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
)

// A sweep scans this many images of the bucket, or for this long. A listing has 1000 objects, two for each image.
const (
	scanImages  = 8000
	scanTimeout = 8 * time.Second
	// A sweep deletes at most this many images that have expired, and then goes on with the scan next time: a new
	// EXPIRE_AFTER must not keep the image store busy, and readers of image.deleted.
	scanDue = 500
)

// scan goes on through the bucket where the last scan ended, and requeues the images that wait for their thumbnail and
// that Redis does not know, or has not seen announced for long.
func (r *Relay) scan(ctx context.Context) error {
	cursor, err := r.Outbox.Cursor().Get(ctx)
	if err != nil {
		return err
	}
	pass, err := r.Ledger.Pass(ctx, cursor)
	if err != nil {
		return err
	}
	indexing, err := r.Index.Pass(ctx, cursor)
	if err != nil {
		return err
	}
	found, cursor, scanErr := r.findAll(ctx, cursor, pass, indexing)
	if err := r.requeue(ctx, found.waiting); err != nil {
		return errors.Join(scanErr, err)
	}
	over := cursor == "" && scanErr == nil
	if err := r.Deleter.Tidy(ctx, found.due); err != nil { // what is left is found by the next scan
		scanErr = errors.Join(scanErr, err)
	}
	if err := errors.Join(pass.Save(ctx, cursor, over), indexing.Save(ctx, cursor, over)); err != nil {
		return errors.Join(scanErr, err)
	}
	return errors.Join(scanErr, r.Outbox.Cursor().Set(ctx, cursor))
}

// A finding is what a scan has found.
type finding struct {
	waiting []outbox.Entry     // for their results
	due     []imagestore.Image // for package deletion
}

// findAll returns what it finds after a cursor, and the cursor that it came to; "" at the end of the bucket. With an
// error, these are as far as it came. All images that it came by are counted and indexed.
func (r *Relay) findAll(
	ctx context.Context, start string, pass *quota.Pass, indexing *imageindex.Pass,
) (all finding, cursor string, err error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	cursor = start
	passed := 0
	for image, err := range r.Images.Scan(ctx, start) {
		switch {
		case errors.Is(err, imagestore.ErrNotFound): // there is no bucket yet
			return finding{}, "", nil
		case errors.Is(err, context.DeadlineExceeded) && cursor != start:
			return all, cursor, nil
		case err != nil:
			return all, cursor, err
		}
		isDue := image.ID != "" && r.Deleter.IsDue(image)
		switch {
		case isDue:
			all.due = append(all.due, image)
		case r.waits(image):
			all.waiting = append(all.waiting, outbox.Entry{ImageID: image.ID, Since: image.Original.Modified})
		}
		if image.Original != nil && !isDue {
			pass.Count(image.ID, image.Original.Size, image.Original.Modified)
			indexing.Add(image.ID, status.Seconds(image.Original.Modified))
		}
		cursor = image.Cursor
		if image.ID != "" {
			passed++
		}
		if passed == scanImages || len(all.due) == scanDue {
			return all, cursor, nil
		}
	}
	return all, "", nil
}

// waits reports whether an image was stored long ago and has no result.
func (r *Relay) waits(image imagestore.Image) bool {
	return image.Original != nil && image.Result == nil && time.Since(image.Original.Modified) > r.ages.Stored
}

// requeue requeues images in batches.
func (r *Relay) requeue(ctx context.Context, waiting []outbox.Entry) error {
	for len(waiting) > 0 {
		batch := waiting[:min(len(waiting), sweepBatch)]
		count, err := r.Outbox.Requeue(ctx, batch, r.ages.Stored)
		if err != nil {
			return err
		}
		r.metrics.swept.WithLabelValues(found).Add(float64(count))
		waiting = waiting[len(batch):]
	}
	return nil
}
