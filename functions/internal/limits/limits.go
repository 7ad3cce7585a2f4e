// Package limits declares the limits on an image that upload and thumbnail share: upload refuses an image beyond them
// before it is stored, and thumbnail refuses one that other systems have stored. The package does not enforce them.
package limits

import (
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// The settings: in bytes, in pixels, and by raster's names of formats.
var (
	UploadBytes = config.Int{Name: "MAX_UPLOAD_BYTES", Default: 50 << 20, Min: 1, Max: 5 << 30, Unit: "bytes",
		Doc: "Maximum size of an image, and of all images in one request together. Memory use does not depend on it."}
	ImagePixels = config.Int{Name: "MAX_IMAGE_PIXELS", Default: raster.DefaultPixels, Min: 1, Max: 1 << 32, Unit: "pixels",
		Doc: "Maximum width times height of an image. JPEG, PNG that is not interlaced, and plain lossy WebP take hardly " +
			"any memory for it, but time."}
	BufferedPixels = config.Int{Name: "MAX_BUFFERED_PIXELS", Default: raster.DefaultBufferedPixels, Min: 1, Max: 1 << 32,
		Unit: "pixels",
		Doc: "Maximum width times height of an image that takes memory for each pixel, if it is less than " +
			"`MAX_IMAGE_PIXELS`: GIF, interlaced PNG, WebP that may be lossless, animated or transparent, HEIC and AVIF. " +
			"`DECODE_MEMORY_BYTES` must grow with it."}
	DecodeMemory = config.Int{Name: "DECODE_MEMORY_BYTES", Default: raster.DefaultMemory, Min: 16 << 20, Max: 1 << 40,
		Unit: "bytes",
		Doc: "Memory that the images which one process of `thumbnail` works on at a time may take together, as estimated " +
			"from their headers; beside it, a quarter of it is for small images. Images that need more are rejected as " +
			"`too_many_pixels`. The memory limit of `thumbnail` and its `GOMEMLIMIT` must grow with it."}
	Tolerant = config.Bool{Name: "TOLERANT",
		Doc: "Render a JPEG that is broken in its last tenth, with gray in its place, as browsers show it. " +
			"By default such an image is `damaged`."}
	Formats = config.List{Name: "FORMATS", Default: formatNames(),
		Form: config.Form{
			Expected: expectedFormats(),
			Valid:    func(name string) bool { return slices.Contains(formatNames(), name) },
		},
		Doc: "Formats of images that are accepted. Images of the others are rejected as `unsupported`. " +
			"Thumbnails do not depend on it: those of a HEIC or AVIF are JPEG or PNG."}
)

// ReadImage returns the limits on an image.
func ReadImage(r *config.Reader) raster.Limits {
	l := raster.Limits{
		Pixels:         ImagePixels.Read(r),
		BufferedPixels: BufferedPixels.Read(r),
		Memory:         DecodeMemory.Read(r),
		Tolerant:       Tolerant.Read(r),
		Settings: raster.LimitNames{
			Pixels:         ImagePixels.Name,
			BufferedPixels: BufferedPixels.Name,
			Memory:         DecodeMemory.Name,
		},
	}
	for _, name := range Formats.Read(r) {
		l.Formats = append(l.Formats, raster.Format(name))
	}
	return l
}

// expectedFormats returns the names of all formats as in "a, b or c".
func expectedFormats() string {
	names := formatNames()
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// formatNames returns the names of all formats that raster reads.
func formatNames() []string {
	var names []string
	for _, format := range raster.Formats() {
		names = append(names, string(format.Format))
	}
	return names
}
