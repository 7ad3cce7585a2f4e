package ingest

import (
	"errors"
	"net/http"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
)

// deleteImage answers 200 once the image of an image.delete is deleted, and nothing of it is left. One that does not
// exist, or that the sender may not see, needs no second delivery.
func (in *Ingest) deleteImage(w http.ResponseWriter, r *http.Request, e event.Event) error {
	if isStream(r) && r.ContentLength != 0 { // its data has no content type
		var err error
		if e.DataEncoded, err = readNotification(w, r); err != nil {
			return err
		}
	}
	asked, err := events.Decode[events.ImageDelete](e)
	if err != nil {
		return err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	err = in.Deleter.DeleteFor(ctx, asked.ImageID)
	var refused *apierror.Error
	if errors.As(err, &refused) && refused.Code == apierror.CodeImageNotFound {
		in.Process.Log.InfoContext(ctx, "nothing_to_delete", "image_id", asked.ImageID)
		err = nil
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}
