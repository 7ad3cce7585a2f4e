package relay

import (
	"context"
	"errors"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"golang.org/x/sync/errgroup"
)

const (
	// All pods together begin one sweep in this time, however often they are asked. A PingSource asks every minute.
	sweepInterval = 30 * time.Second
	// A sweep begins nothing new after this time, so that it ends before the next one begins.
	sweepTimeout = 20 * time.Second
	// Images are announced in batches of sweepBatch, sweepParallel at a time. The publisher takes more events at once;
	// the rest is for uploads.
	sweepBatch, sweepParallel = 64, 16
	// A multipart upload to MinIO that is not an object after this time will never be one.
	incompleteAge = 24 * time.Hour
)

// Sweep announces what was stored and may not have been announced: images that have been in the outbox for too long,
// and images in the bucket without a result that Redis has forgotten or not heard of for long. At most one sweep begins
// in a sweepInterval; what it leaves undone, the next one does.
func (r *Relay) Sweep(ctx context.Context) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	begun, err := r.Outbox.BeginSweep(ctx, sweepInterval)
	if err != nil || !begun {
		return err
	}
	err = errors.Join(r.scan(ctx), r.announceOverdue(ctx), r.measureOutbox(context.WithoutCancel(ctx)))
	if ctx.Err() == nil { // otherwise the next sweep does it
		r.abortIncomplete(ctx)
	}
	if err == nil {
		r.log.DebugContext(ctx, "swept", "duration", time.Since(start).Seconds())
	}
	return err
}

// announceOverdue announces what has been in the outbox for too long, the oldest first, until nothing or no time is
// left.
func (r *Relay) announceOverdue(ctx context.Context) error {
	for ctx.Err() == nil {
		ids, err := r.Outbox.ClaimOverdue(ctx, r.ages.Queued, sweepBatch)
		if err != nil || len(ids) == 0 {
			return err
		}
		err = r.announceAll(ctx, ids)
		if errors.Is(err, errNoTime) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errNoTime means that an image was left to the next sweep.
var errNoTime = errors.New("there was no time left")

// announceAll announces images, goes on after an error, and returns the first one. What is not announced becomes
// overdue again, behind others.
func (r *Relay) announceAll(ctx context.Context, imageIDs []string) error {
	var group errgroup.Group
	group.SetLimit(sweepParallel)
	for _, id := range imageIDs {
		group.Go(func() error {
			if ctx.Err() != nil {
				return errNoTime
			}
			outcome, err := r.announceAgain(ctx, id)
			r.metrics.swept.WithLabelValues(outcome).Inc()
			return err
		})
	}
	return group.Wait()
}

// AnnounceAgain announces an image that still waits for its thumbnail.
func (r *Relay) AnnounceAgain(ctx context.Context, imageID string) error {
	_, err := r.announceAgain(ctx, imageID)
	return err
}

// announceAgain announces an image that still waits for its thumbnail. One that is settled, because it has a result or
// was rolled back, leaves the outbox.
func (r *Relay) announceAgain(ctx context.Context, imageID string) (outcome string, err error) {
	objects, err := r.Images.Find(ctx, imageID)
	if err != nil {
		return failed, err
	}
	if objects.Original == nil || objects.Result != nil {
		r.Outbox.Acknowledge(imageID)
		return settled, nil
	}
	image, original, err := r.describe(ctx, imageID, objects.Original)
	if err != nil {
		return failed, err
	}
	ctx = trace.ContinueFrom(ctx, original.Trace())
	if invalid := image.Validate(); invalid != nil {
		return r.giveUp(ctx, image, invalid)
	}
	if _, err := r.announce(ctx, image, imageindex.Entry{}); err != nil {
		return failed, err
	}
	r.log.InfoContext(ctx, "image_announced_again", "image_id", imageID, "stored", objects.Original.Modified)
	return announced, nil
}

// giveUp makes an image failed that no event can describe: the original system accepted any filename.
func (r *Relay) giveUp(ctx context.Context, image events.ImageUploaded, invalid error) (outcome string, err error) {
	r.log.WarnContext(ctx, "image_given_up", "image_id", image.ImageID, "error.message", invalid.Error())
	const reason, message = string(events.ReasonUnsupported), "The filename has characters that an event cannot contain"
	original, err := r.Images.Stat(ctx, image.ObjectName) // the listing has no metadata
	if err != nil {
		return failed, err
	}
	if _, err := r.Statuses.Fail(ctx, image.ImageID, image.ObjectName, original.Cause(), reason, message); err != nil {
		return failed, err
	}
	r.Outbox.Acknowledge(image.ImageID)
	return settled, nil
}

func (r *Relay) measureOutbox(ctx context.Context) error {
	size, age, err := r.Outbox.Backlog(ctx)
	if err != nil {
		return err
	}
	r.metrics.outboxSize.Set(float64(size))
	r.metrics.outboxOldest.Set(age.Seconds())
	return nil
}

// abortIncomplete only logs its errors: there are object stores that do not list multipart uploads, and to sweep again
// would not help.
func (r *Relay) abortIncomplete(ctx context.Context) {
	aborted, err := r.Images.AbortIncomplete(ctx, incompleteAge)
	r.metrics.aborted.Add(float64(aborted))
	if err != nil && !errors.Is(err, imagestore.ErrNotFound) {
		r.log.WarnContext(ctx, "incomplete_uploads_left", "error.message", err.Error())
	}
}
