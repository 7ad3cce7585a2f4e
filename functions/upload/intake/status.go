package intake

import (
	"net/http"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

// status is GET /status/{id}.
func (in *intake) status(w http.ResponseWriter, r *http.Request) error {
	imageID := r.PathValue("id")
	if !events.IsImageID(imageID) || !in.maySee(r.Context(), imageID) {
		return problemNoStatus
	}
	known, err := in.board.Read(r.Context(), imageID)
	if err != nil {
		return err
	}
	if known == nil {
		return problemNoStatus
	}
	httpserver.WriteJSON(w, http.StatusOK, known)
	return nil
}

var problemNoStatus = &apierror.Error{Status: http.StatusNotFound, Code: apierror.CodeStatusNotFound, Message: "Status not found"}
