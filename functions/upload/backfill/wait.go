package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"golang.org/x/sync/errgroup"
)

// awaitInterval is the least time between two looks at the images that are awaited.
const awaitInterval = 2 * time.Second

// await returns true when the images that were announced have their renditions, and false if that takes longer than
// patience. Images that have failed, or were removed, are no longer awaited.
func (a *announcer) await(ctx context.Context, patience time.Duration) (made bool, err error) {
	left, all, end := a.announced, len(a.announced), time.Now().Add(patience)
	for {
		if left, err = a.unfinished(ctx, left); err != nil {
			return false, fmt.Errorf("wait for renditions: %w", err)
		}
		a.meter.line(a.meter.progress, "%d of %d images have their renditions", all-len(left), all)
		if len(left) == 0 {
			return true, nil
		}
		if time.Now().Add(awaitInterval).After(end) {
			break
		}
		if err := sleep(ctx, awaitInterval); err != nil {
			return false, fmt.Errorf("wait for renditions: %w", err)
		}
	}
	for _, id := range left[:min(len(left), examples)] {
		a.meter.line(a.meter.out, "still lacks renditions: %s", id)
	}
	a.meter.line(a.meter.out, "%d of %d images lack renditions after %s", len(left), all, patience)
	return false, nil
}

// unfinished returns those of images that still lack renditions.
func (a *announcer) unfinished(ctx context.Context, imageIDs []string) (left []string, err error) {
	lacks := make([]bool, len(imageIDs))
	var group errgroup.Group
	group.SetLimit(parallelImages)
	var lock sync.Mutex
	for i, id := range imageIDs {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var objects imagestore.Objects
			err := a.patience.try(ctx, func() (err error) {
				objects, err = a.images.Find(ctx, id)
				return err
			})
			if err != nil {
				return err
			}
			f, err := a.examine(ctx, id, objects)
			lock.Lock()
			defer lock.Unlock()
			lacks[i] = f.state == lacking || f.state == unknown
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, id := range imageIDs {
		if lacks[i] {
			left = append(left, id)
		}
	}
	return left, nil
}
