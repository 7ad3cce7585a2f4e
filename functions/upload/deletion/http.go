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
	if err := d.DeleteFor(r.Context(), strings.ToLower(r.PathValue("id"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
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
