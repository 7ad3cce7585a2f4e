package intake

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/errgroup"
)

const (
	// All pods together begin a sweep no more often than this, however often they are asked; that is half of a minute,
	// in which the PingSource asks once.
	sweepEvery = 30 * time.Second
	// A sweep begins nothing new after this, so that it is over before the next one.
	sweepTimeout = 20 * time.Second
	// Images are announced again in batches of this size, so many at a time: the others of the bus's places are for
	// uploads.
	sweepBatch, sweepAtOnce = 64, 16
	// How many images a sweep walks past, and for how long it walks at the most. A listing has 1000 objects, two to an image.
	walkImages  = 8000
	walkTimeout = 8 * time.Second
	// Uploads in parts that have not become an object by then never will.
	incompleteAge = 24 * time.Hour
)

// sweep announces again what was stored and may not have been announced: what has been in the outbox for too long, and
// what the bucket has and Redis has forgotten. It deletes nothing: what is stored as a whole counts as accepted, because
// nobody can tell whether its client was told so. Two sweeps at once share the work, and one that ends in the middle
// leaves it to the next.
func (in *intake) sweep(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), sweepTimeout)
	defer cancel()
	begun, err := in.board.Begin(ctx, sweepEvery)
	if begun {
		err = errors.Join(in.findForgotten(ctx), in.announceOverdue(ctx), in.measureOutbox(context.WithoutCancel(ctx)))
		in.abortIncomplete(ctx)
	}
	if err != nil {
		in.ReportError(r, err).Write(w)
		return
	}
	if begun {
		in.Log.DebugContext(ctx, "swept", "duration", time.Since(began).Seconds())
	}
	w.WriteHeader(http.StatusOK)
}

// findForgotten walks on through the bucket, from where the last sweep ended, and puts into the outbox what waits there
// for its thumbnail while Redis knows nothing of it, or has heard nothing for long.
func (in *intake) findForgotten(ctx context.Context) error {
	after, err := in.board.Walked(ctx)
	if err != nil {
		return err
	}
	waiting, after, walkErr := in.walk(ctx, after)
	if err := in.enlist(ctx, waiting); err != nil {
		return errors.Join(walkErr, err)
	}
	return errors.Join(walkErr, in.board.SetWalked(ctx, after))
}

// walk returns what waits among the images that come after a place, and the place that it came to; "" if there was nothing
// behind it. With an error it is what it came to before.
func (in *intake) walk(ctx context.Context, after string) (waiting []status.Waiting, last string, err error) {
	ctx, cancel := context.WithTimeout(ctx, walkTimeout)
	defer cancel()
	began, passed := after, 0
	for image, err := range in.store.Scan(ctx, after) {
		switch {
		case errors.Is(err, imagestore.ErrNotFound): // no bucket, so no images
			return nil, "", nil
		case errors.Is(err, context.DeadlineExceeded) && after != began:
			return waiting, after, nil
		case err != nil:
			return waiting, after, err
		}
		if in.waits(image) {
			waiting = append(waiting, status.Waiting{ImageID: image.ID, Since: image.Original.Modified})
		}
		after = image.Cursor
		if image.ID != "" {
			passed++
		}
		if passed == walkImages {
			return waiting, after, nil
		}
	}
	return waiting, "", nil
}

// waits tells whether an image has been stored for long and has no result.
func (in *intake) waits(image imagestore.Image) bool {
	return image.Original != nil && image.Result == nil &&
		time.Since(image.Original.Modified) > in.settings.sweepStored
}

// enlist is status.Board.Enlist, in batches.
func (in *intake) enlist(ctx context.Context, waiting []status.Waiting) error {
	for len(waiting) > 0 {
		batch := waiting[:min(len(waiting), sweepBatch)]
		found, err := in.board.Enlist(ctx, batch, in.settings.sweepStored)
		if err != nil {
			return err
		}
		in.swept.WithLabelValues("found").Add(float64(found))
		waiting = waiting[len(batch):]
	}
	return nil
}

// announceOverdue announces what has been in the outbox for too long, the oldest first, until there is no more of it or
// no more time.
func (in *intake) announceOverdue(ctx context.Context) error {
	for ctx.Err() == nil {
		ids, err := in.board.Overdue(ctx, in.settings.sweepQueued, sweepBatch)
		if err != nil || len(ids) == 0 {
			return err
		}
		err = in.announceAll(ctx, ids)
		if errors.Is(err, errNoTime) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errNoTime says that an image was left to the next sweep.
var errNoTime = errors.New("there was no time left")

// announceAll goes on to the next image when one fails; the error is that of the first. What is not announced is overdue
// again later, behind others.
func (in *intake) announceAll(ctx context.Context, imageIDs []string) error {
	var group errgroup.Group
	group.SetLimit(sweepAtOnce)
	for _, id := range imageIDs {
		group.Go(func() error {
			if ctx.Err() != nil {
				return errNoTime
			}
			return in.announceAgain(ctx, id)
		})
	}
	return group.Wait()
}

// announceAgain is resume, counted.
func (in *intake) announceAgain(ctx context.Context, imageID string) error {
	outcome, err := in.resume(ctx, imageID)
	if err != nil {
		outcome = "error"
	}
	in.swept.WithLabelValues(outcome).Inc()
	return err
}

// resume announces an image if it still waits for its thumbnail, and else lets it out of the outbox: it is done, or was
// taken back.
func (in *intake) resume(ctx context.Context, imageID string) (outcome string, err error) {
	set, err := in.store.Find(ctx, imageID)
	if err != nil {
		return "", err
	}
	if set.Original == nil || set.Result != nil {
		in.board.Announced(imageID)
		return "settled", nil
	}
	image, err := in.look(ctx, imageID, set.Original)
	if err != nil {
		return "", err
	}
	if invalid := image.Validate(); invalid != nil {
		return "settled", in.giveUp(ctx, image, invalid)
	}
	if _, err := in.announce(ctx, image); err != nil {
		return "", err
	}
	in.Log.InfoContext(ctx, "image_announced_again", "image_id", imageID, "stored", set.Original.Modified)
	return "announced", nil
}

// giveUp fails an image that no event can tell of: the original system took any name.
func (in *intake) giveUp(ctx context.Context, image events.ImageUploaded, invalid error) error {
	in.Log.WarnContext(ctx, "image_given_up", "image_id", image.ImageID, "error.message", invalid.Error())
	_, err := in.fail(ctx, image, string(events.ReasonUnsupported), "The file has a name that no event can tell")
	if err == nil {
		in.board.Announced(image.ImageID)
	}
	return err
}

// abortIncomplete is no reason to sweep again: not every store lets us see uploads in parts.
func (in *intake) abortIncomplete(ctx context.Context) {
	aborted, err := in.store.AbortIncomplete(ctx, incompleteAge)
	in.aborted.Add(float64(aborted))
	if err != nil && !errors.Is(err, imagestore.ErrNotFound) {
		in.Log.WarnContext(ctx, "incomplete_uploads_left", "error.message", err.Error())
	}
}

func (in *intake) measureOutbox(ctx context.Context) error {
	size, age, err := in.board.Backlog(ctx)
	if err != nil {
		return err
	}
	in.outbox.Set(float64(size))
	in.oldest.Set(age.Seconds())
	return nil
}

func (in *intake) measureSweeps() {
	in.swept = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "images_swept_total",
		Help: "Images that a sweep put into the outbox (found), announced again, found settled, or could not announce (error).",
	}, []string{"outcome"})
	for _, outcome := range []string{"found", "announced", "settled", "error"} {
		in.swept.WithLabelValues(outcome) // so that rate() sees the first one
	}
	in.aborted = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "incomplete_uploads_aborted_total",
		Help: "Uploads in parts to MinIO that never became an object and were ended.",
	})
	in.outbox = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "image_outbox_size",
		Help: "Images whose announcement is not known to be acknowledged, at the end of the last sweep of this process.",
	})
	in.oldest = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "image_outbox_age_seconds",
		Help: "How long the oldest of them has been waiting.",
	})
	in.Metrics.MustRegister(in.swept, in.aborted, in.outbox, in.oldest)
}
