package raster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// DefaultPixels is the limit of pixels if none is set: 8192x6144, the largest image that phones call 50 megapixels.
const DefaultPixels = 8192 * 6144

// DefaultAV1Memory is the limit of memory for a picture of an AVIF if none is set: enough for 12 megapixels of 8 bits.
const DefaultAV1Memory = 304 << 20

// maxSide is the longest side in pixels. Only PNG allows more, and no camera produces it: an image of a few rows, each
// of millions of pixels, would take resampling kernels far larger than itself.
const maxSide = 65535

// Limits state which images are read, what they may cost, and what may be wrong with them.
type Limits struct {
	// Pixels is the largest number of pixels, by the header. Zero means DefaultPixels.
	Pixels int64
	// Formats are those that are accepted; images of the others are refused as unsupported before they are parsed. Nil
	// means all. A rendition may be of any format that is written.
	Formats []Format
	// IgnoreThumbnails has Render decode the picture of a HEIC even if the file has a thumbnail that is large enough.
	IgnoreThumbnails bool
	// Tolerant allows a JPEG to be broken in its last tenth, as by an invalid code or by its end. What follows is gray, or
	// less sharp if it is progressive, as in browsers. Without it such an image is damaged.
	Tolerant bool
	// AV1Memory is the largest amount of memory, in bytes, that a picture of an AVIF may take outside this process. Zero
	// means DefaultAV1Memory.
	AV1Memory int64
	// AV1 decodes the pictures of AVIFs, such as an avifworker.Pool. Without it they cannot be rendered, which is not the
	// fault of the image.
	AV1 AV1Decoder
}

// An AV1Decoder decodes the pictures of AVIFs. Decode is a codec.DecodeAV1 for as long as ctx lasts.
type AV1Decoder interface {
	Decode(ctx context.Context, p codec.AV1Picture, show func([3]plane.Plane) error) error
}

func (l Limits) av1Memory() int64 { return cmp.Or(l.AV1Memory, DefaultAV1Memory) }

func (l Limits) pixels() int64 { return cmp.Or(l.Pixels, DefaultPixels) }

// accepts reports whether a format is one of those that are read.
func (l Limits) accepts(f Format) bool { return l.Formats == nil || slices.Contains(l.Formats, f) }

// FormatNames lists the names of the formats that are accepted, with a conjunction before the last: "JPEG, PNG, GIF or
// WebP".
func (l Limits) FormatNames(conjunction string) string {
	return formats.acceptedBy(l).names(conjunction)
}

// MIMETypes returns the MIME types of the formats that are accepted.
func (l Limits) MIMETypes() []string {
	var all []string
	for _, e := range formats.acceptedBy(l) {
		all = append(all, e.MIMETypes...)
	}
	return all
}

// Extensions returns the extensions of file names, such as ".jpg", of the formats that are accepted.
func (l Limits) Extensions() []string {
	var all []string
	for _, e := range formats.acceptedBy(l) {
		all = append(all, e.Extensions...)
	}
	return all
}

// Check returns an *Error if an image is larger than the limits allow.
func (l Limits) Check(h Header) error {
	limit := l.pixels()
	if h.Pixels() > limit {
		size := fmt.Sprintf("%dx%d = %d pixels", h.Width, h.Height, h.Pixels())
		if h.Pixels() > int64(h.Width)*int64(h.Height) {
			size = fmt.Sprintf("%d pixels before it is cropped to %dx%d", h.Pixels(), h.Width, h.Height)
		}
		return &Error{
			Reason:  ReasonTooManyPixels,
			Message: fmt.Sprintf("The image has %s, more than the limit of %d", size, limit),
			Limit:   limit,
			Found:   h.Pixels(),
		}
	}
	if side := max(h.Width, h.Height); side > maxSide {
		return &Error{
			Reason: ReasonTooManyPixels,
			Message: fmt.Sprintf("The image is %dx%d pixels, more than the limit of %d on one side",
				h.Width, h.Height, maxSide),
			Limit: maxSide,
			Found: side,
		}
	}
	if limit := l.av1Memory(); h.AV1Memory > limit {
		return &Error{
			Reason: ReasonTooManyPixels,
			Message: fmt.Sprintf("The image is %dx%d pixels, of which the largest AV1 picture takes about %d MB of memory "+
				"to decode, more than the limit of %d MB", h.Width, h.Height, h.AV1Memory/1e6, limit/1e6),
			Limit: limit,
			Found: h.AV1Memory,
		}
	}
	return nil
}

// acceptedBy returns the entries of the formats that limits accept.
func (t formatTable) acceptedBy(l Limits) formatTable {
	return slices.DeleteFunc(slices.Clone(t), func(e formatEntry) bool { return !l.accepts(e.Format) })
}
