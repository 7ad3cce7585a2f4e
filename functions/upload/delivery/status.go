package delivery

import (
	"context"
	"net/http"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// Status is GET /status/{id}.
func (d *Delivery) Status(w http.ResponseWriter, r *http.Request) error {
	ctx, imageID := r.Context(), imageID(r)
	if !d.maySee(ctx, imageID) {
		return errNoStatus
	}
	known, stale, err := d.Statuses.Read(ctx, imageID)
	if err != nil {
		return err
	}
	if known == nil {
		return errNoStatus
	}
	if stale {
		if err := d.restore(ctx, *known); err != nil {
			d.IgnoreError(ctx, "restore_status", err)
		}
	}
	httpserver.WriteJSON(w, http.StatusOK, known)
	return nil
}

// restore puts a status back into Redis, so that the next request need not ask the image store. An image that waits may
// not have been announced before Redis forgot it, so it enters the outbox as well.
func (d *Delivery) restore(ctx context.Context, known status.Status) (err error) {
	if known.State == status.Queued {
		_, err = d.Outbox.Queue(ctx, known.ImageID)
	} else {
		_, err = d.Statuses.Advance(ctx, known)
	}
	return err
}

var errNoStatus = &apierror.Error{
	Status:  http.StatusNotFound,
	Code:    apierror.CodeStatusNotFound,
	Message: "Status not found",
}
