package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/errgroup"
)

// Failures selects images that have failed.
type Failures struct {
	Reasons []events.Reason // empty for all
	Before  time.Time       // when the failure was recorded, by MinIO's clock; zero for any time
}

// A revision is one scan of the whole bucket for images to be tried again.
type revision struct {
	*Relay
	failures      Failures
	dryRun        bool
	out, progress io.Writer
	reported      time.Time          // when progress was last reported
	batch         []imagestore.Image // with a result that may be a failure

	images, failed, retried, lost int
}

// RetryFailed gives failed images another try: it removes the failure, and announces the image as a new one is. It
// writes a line for each of them to out, and a summary, and reports its position on progress every few seconds. With
// dryRun it changes nothing. It returns false if an image was selected of which there is no original: it was refused
// before it was stored, and only its sender has it. After an error, calling it again goes on.
//
// An image is in the outbox before its failure is removed, so that a sweep announces it if the process ends in between.
// What comes late, such as another delivery of the event of the first try, finds the image waiting, and joins in.
func (r *Relay) RetryFailed(ctx context.Context, f Failures, dryRun bool, out, progress io.Writer) (bool, error) {
	v := &revision{Relay: r, failures: f, dryRun: dryRun, out: out, progress: progress, reported: time.Now()}
	err := v.scan(ctx)
	again := fmt.Sprintf("%d are tried again", v.retried)
	if dryRun {
		again = fmt.Sprintf("%d would be tried again", v.retried)
	}
	fmt.Fprintf(out, "%d images: %d have failed as selected, of which %s and %d were never stored\n",
		v.images, v.failed, again, v.lost)
	return v.lost == 0, err
}

func (v *revision) scan(ctx context.Context) error {
	for image, err := range v.Images.Scan(ctx, "") {
		if errors.Is(err, imagestore.ErrNotFound) {
			return fmt.Errorf("there is no bucket %q: %w", v.Images.Bucket(), err)
		}
		if err != nil {
			return err
		}
		if image.ID == "" {
			continue
		}
		v.images++
		if v.mayBeSelected(image.Result) {
			v.batch = append(v.batch, image)
		}
		if len(v.batch) == sweepBatch {
			if err := v.finish(ctx); err != nil {
				return err
			}
			v.report(image.ID)
		}
	}
	return v.finish(ctx)
}

// mayBeSelected decides by the listing, which has no content types, whether to look at a result.
func (v *revision) mayBeSelected(result *imagestore.Info) bool {
	return result != nil && (v.failures.Before.IsZero() || result.Modified.Before(v.failures.Before))
}

// finish tries the images of the batch again, some at a time, and writes their lines in order. After an error of one it
// finishes the others, and returns the error: with a publisher that is down, no further failure should be removed.
func (v *revision) finish(ctx context.Context) error {
	lines := make([]outcome, len(v.batch))
	var group errgroup.Group
	group.SetLimit(sweepParallel)
	for i, image := range v.batch {
		group.Go(func() (err error) {
			lines[i], err = v.try(ctx, image)
			return err
		})
	}
	err := group.Wait()
	for _, line := range lines {
		v.count(line)
	}
	v.batch = v.batch[:0]
	return err
}

// An outcome is what became of an image; zero for one that is not selected.
type outcome struct {
	line    string
	retried bool
}

func (v *revision) count(o outcome) {
	if o.line == "" {
		return
	}
	v.failed++
	if o.retried {
		v.retried++
	} else {
		v.lost++
	}
	fmt.Fprintln(v.out, o.line)
}

func (v *revision) try(ctx context.Context, image imagestore.Image) (outcome, error) {
	failure, err := v.Statuses.ReadFailure(ctx, image.Result)
	if err != nil || failure == nil || !v.failures.have(failure) {
		return outcome{}, err
	}
	what := fmt.Sprintf("%s: %s", failure.Reason, failure.Result.Error)
	if image.Original == nil {
		return outcome{line: fmt.Sprintf("never stored: %s: %s", image.ID, what)}, nil
	}
	found := outcome{fmt.Sprintf("failed: %s: %s", image.Original.Key, what), true}
	if v.dryRun {
		return found, nil
	}
	if _, err := v.Outbox.Queue(ctx, image.ID); err != nil {
		return outcome{}, err
	}
	if err := v.Statuses.Discard(ctx, image.ID, image.Result); err != nil {
		return outcome{}, err
	}
	return found, v.AnnounceAgain(ctx, image.ID)
}

// have reports whether a failure is selected by its reason. The original system gave none; its failures are announced
// with the one here.
func (f Failures) have(failure *status.Status) bool {
	reason := events.Reason(cmp.Or(failure.Reason, string(events.ReasonUnsupported)))
	return len(f.Reasons) == 0 || slices.Contains(f.Reasons, reason)
}

// Validate returns an error if there are no failures of a reason: a misspelt one would select nothing.
func (f Failures) Validate() error {
	known := events.Reasons()
	for _, reason := range f.Reasons {
		if !slices.Contains(known, reason) {
			return fmt.Errorf("reason is %q, expected one of %s", reason, strings.Trim(fmt.Sprint(known), "[]"))
		}
	}
	return nil
}

func (v *revision) report(imageID string) {
	if time.Since(v.reported) < progressInterval {
		return
	}
	v.reported = time.Now()
	fmt.Fprintf(v.progress, "%d images, %d tried again, up to %s\n", v.images, v.retried, imageID)
}
