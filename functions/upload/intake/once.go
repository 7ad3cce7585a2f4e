package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// once does for an event what the first of its deliveries asks for, and nothing for the others: what is stored of its
// image says how far that came, and counts for more than what a delivery brings.
func (in *intake) once(ctx context.Context, imageID, filename string, first func() (events.ImageUploaded, error)) (events.ImageUploaded, error) {
	image, known, err := in.again(ctx, imageID)
	if !known && err == nil {
		image, err = in.first(ctx, imageID, first)
	}
	if image.ObjectName == "" {
		image = named(imageID, filename)
	}
	return image, err
}

// named is what is known of an image that was not looked at.
func named(imageID, filename string) events.ImageUploaded {
	return events.ImageUploaded{ImageID: imageID, ObjectName: imagestore.OriginalKey(imageID, imagestore.SafeName(filename, "image"))}
}

// first takes the image in. If another delivery does so at the same time, the one that stored it first counts.
func (in *intake) first(ctx context.Context, imageID string, accept func() (events.ImageUploaded, error)) (events.ImageUploaded, error) {
	image, err := accept()
	if errors.Is(err, imagestore.ErrExists) {
		return in.stillThere(ctx, imageID)
	}
	return image, err
}

// stillThere is again, for an image that was just there.
func (in *intake) stillThere(ctx context.Context, imageID string) (events.ImageUploaded, error) {
	image, known, err := in.again(ctx, imageID)
	if err == nil && !known {
		err = fmt.Errorf("find what was stored first of %s: %w", imageID, imagestore.ErrNotFound)
	}
	return image, err
}

// again looks for what is stored of an image. If it waits for its thumbnail, it is announced again: nobody knows whether
// it was. If it was refused before it was stored, the error says so again.
func (in *intake) again(ctx context.Context, imageID string) (image events.ImageUploaded, known bool, err error) {
	set, err := in.board.Reconcile(ctx, imageID)
	switch {
	case err != nil:
		return image, false, err
	case set.Original == nil && set.Result == nil:
		return image, false, nil
	case set.Original == nil:
		return image, true, in.refusedBefore(ctx, imageID)
	case set.Result != nil:
		return image, true, nil
	}
	image, err = in.look(ctx, imageID, set.Original)
	if err != nil {
		return image, true, err
	}
	_, err = in.publish(ctx, image)
	return image, true, err
}

func (in *intake) refusedBefore(ctx context.Context, imageID string) error {
	before, err := in.board.Rebuild(ctx, imageID)
	switch {
	case err != nil:
		return err
	case before == nil || before.State != status.Failed:
		return nil // somebody has removed the original since
	}
	return &apierror.Error{Status: http.StatusUnprocessableEntity, Code: before.Reason, Message: before.Result.Error}
}

// look describes an image that is stored. What is no image, or none that we can work with, was not stored by us, or under
// other limits; that it is there is enough for the thumbnail function, which notes what is wrong with it.
func (in *intake) look(ctx context.Context, imageID string, original *imagestore.Info) (events.ImageUploaded, error) {
	object, err := in.store.GetRange(ctx, original, 0, original.Size)
	if err != nil {
		return events.ImageUploaded{}, err
	}
	defer object.Close()
	header, err := raster.Probe(object)
	var refused *raster.Error
	if err != nil && !errors.As(err, &refused) {
		return events.ImageUploaded{}, fmt.Errorf("look at %q: %w", original.Key, err)
	}
	image := in.describe(ctx, offer{imageID: imageID}, header)
	image.ObjectName, image.Filename = original.Key, path.Base(original.Key)
	image.Size, image.Timestamp = original.Size, status.Seconds(original.Modified)
	if refused != nil {
		image.ContentType = ""
	}
	return image, nil
}
