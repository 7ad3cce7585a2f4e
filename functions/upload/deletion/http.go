package deletion

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// Image is DELETE /images/{id}: 204 once the image is deleted, and again as long as its tombstone stays. UUIDs are read
// without regard to case (RFC 9562, section 4).
func (d *Deleter) Image(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r); err != nil {
		return err
	}
	imageID := strings.ToLower(r.PathValue("id"))
	if err := d.checkPreconditions(r, imageID); err != nil {
		return err
	}
	if err := d.DeleteFor(r.Context(), imageID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkPreconditions returns an error if the original does not meet those of a request. An original is never replaced,
// so that it still meets them when it is deleted. Where there is none to see, the deletion says so.
func (d *Deleter) checkPreconditions(r *http.Request, imageID string) error {
	isConditional := r.Header["If-Match"] != nil || r.Header["If-Unmodified-Since"] != nil
	if !isConditional || !events.IsImageID(imageID) || !d.policy.MaySee(r.Context(), imageID) {
		return nil
	}
	objects, err := d.Images.Find(r.Context(), imageID)
	if err != nil || objects.Original == nil {
		return err
	}
	return httpserver.CheckPreconditions(r, objects.Original.ETag, objects.Original.Modified)
}

// deleteVisible answers for an image of another client as for one that does not exist.
func (d *Deleter) deleteVisible(ctx context.Context, imageID string) error {
	if !events.IsImageID(imageID) || !d.policy.MaySee(ctx, imageID) {
		return errNoImage
	}
	err := d.Delete(ctx, imageID, events.DeletionRequested)
	if errors.Is(err, imagestore.ErrNotFound) {
		return errNoImage
	}
	return err
}

var errNoImage = &apierror.Error{
	Status: http.StatusNotFound, Code: apierror.CodeImageNotFound, Message: "Image not found",
}
