package main

import (
	"context"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/errgroup"
)

// Images are visited in batches of batchImages, parallelImages at a time: each takes one or two requests to the store.
const batchImages, parallelImages = 64, 16

// A walk visits the images of a bucket in the order of their IDs. It goes on where it was after an error of the store
// that passes. Images of the walk let those that are being uploaded go first.
type walk struct {
	images  *imagestore.Store
	traffic *status.Traffic
	prefix  string // of the IDs
	// cursor is after the last image that was visited, and before all that were not.
	cursor   string
	patience patience
	// visit is called for several images at a time. An error ends the walk.
	visit func(context.Context, imagestore.Image) error
	// moved is called when the cursor has moved.
	moved func() error
}

// run returns nil at the end of the bucket, or of the prefix.
func (w *walk) run(ctx context.Context) error {
	for {
		ended := false
		err := w.patience.try(ctx, func() error {
			before := w.cursor
			err := w.list(ctx)
			ended = err == nil
			if w.cursor != before && !isFinal(err) {
				return nil // it goes on from there, with all its patience
			}
			return err
		})
		if err != nil || ended {
			return err
		}
	}
}

// list visits what one listing after the cursor has.
func (w *walk) list(ctx context.Context) error {
	var batch []imagestore.Image
	for image, err := range w.images.Scan(ctx, max(w.cursor, w.prefix)) {
		if err != nil {
			if visitErr := w.visitAll(ctx, batch); visitErr != nil {
				return visitErr
			}
			return err
		}
		if !strings.HasPrefix(image.Cursor, w.prefix) {
			break
		}
		if batch = append(batch, image); len(batch) < batchImages {
			continue
		}
		if err := w.visitAll(ctx, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return w.visitAll(ctx, batch)
}

// visitAll visits the images of a batch, and moves the cursor after those before the first one that was not visited.
func (w *walk) visitAll(ctx context.Context, batch []imagestore.Image) error {
	if len(batch) == 0 {
		return nil
	}
	visited := make([]bool, len(batch))
	var group errgroup.Group
	group.SetLimit(parallelImages)
	for i, image := range batch {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if image.ID != "" {
				ctx := imagestore.WithTurns(ctx, w.traffic.Turn().Wait)
				if err := w.visit(ctx, image); err != nil {
					return err
				}
			}
			visited[i] = true
			return nil
		})
	}
	err := group.Wait()
	for i, image := range batch {
		if !visited[i] {
			break
		}
		w.cursor = image.Cursor
	}
	if movedErr := w.moved(); err == nil {
		err = movedErr
	}
	return err
}
