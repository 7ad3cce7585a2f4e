package thumbnailer

import (
	"context"
	"encoding/hex"
	"net/http"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// reportPanic counts and logs the panic of a decoder, with what is needed to reproduce it, and returns a 500. Nothing
// is stored: the event is delivered again, becomes a dead letter in the end, and is redriven once the decoder is fixed.
func (t *thumbnailer) reportPanic(
	ctx context.Context, imageID string, info *imagestore.Info, panicked *raster.PanicError,
) error {
	t.panics.Inc()
	sum, err := t.store.Sum(ctx, info)
	hash := hex.EncodeToString(sum)
	if err != nil {
		hash = "unknown: " + err.Error()
	}
	t.Log.ErrorContext(ctx, "decoder_panicked", "image_id", imageID, "file.size", info.Size, "file.hash.sha256", hash,
		"error.message", panicked.Error(), "error.stack_trace", string(panicked.Stack))
	return &apierror.Error{
		Status:  http.StatusInternalServerError,
		Code:    apierror.CodeInternal,
		Message: "Internal error; it has been logged",
	}
}
