package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/errgroup"
)

// checkCompleted writes a line for each of the images with a result that lacks renditions, and requests them in a
// repair. With the default thumbnail alone nothing can be lacking, and no image costs a request to the store.
func (v *verification) checkCompleted(ctx context.Context) error {
	images := v.completed
	v.completed = nil
	if v.Renditions == nil || v.Renditions.Default() {
		return nil
	}
	missing := make([][]string, len(images))
	var group errgroup.Group
	group.SetLimit(sweepParallel)
	for i, image := range images {
		group.Go(func() (err error) {
			missing[i], err = v.missing(ctx, image)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, image := range images {
		if len(missing[i]) == 0 {
			continue
		}
		v.lacking++
		fmt.Fprintf(v.out, "lacks %s: %s\n", strings.Join(missing[i], ", "), image.Original.Key)
		if err := v.request(ctx, image.ID); err != nil {
			return err
		}
	}
	return nil
}

// missing returns the names of the renditions that an image lacks. One that has failed, or was removed meanwhile, lacks
// none.
func (v *verification) missing(ctx context.Context, image imagestore.Image) ([]string, error) {
	result, err := v.Images.Stat(ctx, image.Result.Key)
	if errors.Is(err, imagestore.ErrNotFound) {
		return nil, nil
	}
	if err != nil || result.ContentType == status.NoteType {
		return nil, err
	}
	return v.Statuses.Missing(ctx, v.Renditions.Renditions, image.Objects, result)
}

// request has all renditions made that an image lacks.
func (v *verification) request(ctx context.Context, imageID string) error {
	if !v.repair {
		return nil
	}
	request := events.ImageRender{ImageID: imageID, Bucket: v.Images.Bucket()}
	e, err := events.Encode(request, events.Envelope{
		Source: events.SourceUpload, ID: request.ID(v.Renditions.Hash()),
	})
	if err != nil {
		return fmt.Errorf("encode %s: %w", request.EventType(), err)
	}
	if err := v.Backfill.Publish(ctx, e); err != nil {
		return err
	}
	v.requested++
	return nil
}
