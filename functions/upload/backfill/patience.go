package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// errGaveUp means that something failed for too long.
var errGaveUp = errors.New("gave up")

// isFinal reports whether another attempt would not help.
func isFinal(err error) bool {
	return errors.Is(err, errGaveUp) || errors.Is(err, imagestore.ErrNoBucket) || errors.Is(err, context.Canceled)
}

// Between attempts there is a pause that doubles.
const shortestPause, longestPause = 100 * time.Millisecond, 5 * time.Second

// A patience is for how long something that fails is tried again.
type patience struct {
	limit time.Duration
	// note is called with an error after which there will be another attempt.
	note func(error)
}

// try calls attempt until it succeeds, ctx ends, or it has failed for too long.
func (p patience) try(ctx context.Context, attempt func() error) error {
	began, pause := time.Now(), shortestPause
	for {
		err := attempt()
		switch {
		case err == nil || isFinal(err):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(began) > p.limit:
			return fmt.Errorf("%w after %s: %w", errGaveUp, p.limit, err)
		}
		if pause > shortestPause { // not for what succeeds at the second attempt
			p.note(err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// sleep returns early, with an error, if ctx ends.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
