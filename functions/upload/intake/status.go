package intake

import (
	"net/http"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/problem"
	"gitlab.com/yourorg/image-service/functions/internal/serve"
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
	serve.WriteJSON(w, http.StatusOK, known)
	return nil
}

var problemNoStatus = &problem.Problem{Status: http.StatusNotFound, Code: "status_not_found", Message: "Status not found"}
