package retry

import (
	"cmp"
	"context"
	"errors"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/deferral"
)

const (
	// All pods together scan the notes once in this time, however often they are asked to.
	scanInterval = 30 * time.Second
	// A sweep scans this many notes, in listings of 1000.
	scanNotes = 8000
	// A sweep begins nothing new after this time.
	sweepTimeout = 15 * time.Second
)

// Sweep puts back what Redis has forgotten, and tries what is due, until nothing is left or its time is over. What it
// leaves undone, the next one does. With it, nothing depends on Run or on Redis.
func (r *Retrier) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	begun, err := r.Queue.BeginScan(ctx, scanInterval)
	if err != nil || !begun {
		return err
	}
	restored, err := r.Queue.Restore(ctx, scanNotes)
	if restored > 0 {
		r.log.InfoContext(ctx, "deferred_events_restored", "count", restored)
	}
	return errors.Join(err, r.tryAllDue(ctx, deferral.Images), r.tryAllDue(ctx, deferral.Events),
		r.measure(context.WithoutCancel(ctx)))
}

// tryAllDue tries what is due in a lane. It ends after a batch that is not full: what becomes due meanwhile is for Run,
// or the next sweep. It goes on after a batch of which some failed, or one object that the store refuses to read would
// stop everything behind it, and returns the first error.
func (r *Retrier) tryAllDue(ctx context.Context, lane deferral.Lane) (first error) {
	working := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		count, err := r.tryDue(ctx, working, lane)
		first = cmp.Or(first, err)
		if count < batch {
			break
		}
	}
	return first
}
