package intake

import (
	"context"
	"net/http"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// status is GET /status/{id}.
func (in *intake) status(w http.ResponseWriter, r *http.Request) error {
	imageID := r.PathValue("id")
	if !events.IsImageID(imageID) || !in.maySee(r.Context(), imageID) {
		return problemNoStatus
	}
	known, stale, err := in.board.Read(r.Context(), imageID)
	if err != nil {
		return err
	}
	if known == nil {
		return problemNoStatus
	}
	if stale {
		in.restore(r.Context(), *known)
	}
	httpserver.WriteJSON(w, http.StatusOK, known)
	return nil
}

// restore tells Redis what it has forgotten, so that the next reader need not ask the bucket. Whether an image that waits
// was ever announced is not known, so it goes into the outbox as well.
func (in *intake) restore(ctx context.Context, known status.Status) {
	var err error
	if known.State == status.Queued {
		_, err = in.outbox.Queue(ctx, known.ImageID)
	} else {
		_, err = in.board.Advance(ctx, known)
	}
	if err != nil {
		in.ignore(ctx, "restore_status", err)
	}
}

var problemNoStatus = &apierror.Error{Status: http.StatusNotFound, Code: "status_not_found", Message: "Status not found"}
