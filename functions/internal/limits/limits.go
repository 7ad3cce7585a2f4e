// Package limits declares the limits on an image that upload and thumbnail share: upload refuses an image beyond them
// before it is stored, and thumbnail refuses one that other systems have stored. The package does not enforce them.
package limits

import (
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// The settings, in bytes and in pixels.
var (
	UploadBytes = config.Int{Name: "MAX_UPLOAD_BYTES", Default: 50 << 20, Min: 1, Max: 5 << 30, Unit: "bytes",
		Doc: "Maximum size of an image, and of all images in one request together. Memory use does not depend on it."}
	ImagePixels = config.Int{Name: "MAX_IMAGE_PIXELS", Default: raster.DefaultPixels, Min: 1, Max: 1 << 32, Unit: "pixels",
		Doc: "Maximum width times height of an image. " +
			"`MAX_PIXELS_IN_FLIGHT` and the memory of `thumbnail` must grow with it."}
)
