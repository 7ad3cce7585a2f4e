package raster

import (
	"cmp"
	"fmt"
	"slices"
)

// The limits if none are set.
const (
	// DefaultPixels is 16384x12288, a little more than what phones call 200 megapixels.
	DefaultPixels = 16384 * 12288
	// DefaultBufferedPixels is 8192x6144, the largest image that phones call 50 megapixels.
	DefaultBufferedPixels = 8192 * 6144
	// DefaultMemory is enough for an interlaced PNG, and a WebP of any kind, of DefaultBufferedPixels.
	DefaultMemory = 144 << 20
)

// maxSide is the longest side in pixels: twice as many as other formats than PNG allow, for screenshots of long pages.
// An image of a few rows, each of millions of pixels, would take resampling kernels far larger than itself.
const maxSide = 1 << 17

// Limits state which images are read, what they may cost, and what may be wrong with them.
type Limits struct {
	// Pixels is the largest number of pixels, by the header. Zero means DefaultPixels.
	Pixels int64
	// BufferedPixels is the same for images that take memory for each pixel (see Header.Buffered), if it is less. Zero
	// means DefaultBufferedPixels.
	BufferedPixels int64
	// Memory is the most that decoding may take in this process, in bytes, as far as the header says. Zero means
	// DefaultMemory.
	Memory int64
	// Settings name the limits in messages; a name may be empty.
	Settings LimitNames
	// Formats are those that are accepted; images of the others are refused as unsupported before they are parsed. Nil
	// means all. A rendition may be of any format that is written.
	Formats []Format
	// IgnoreThumbnails has Render decode the picture of a HEIC even if the file has a thumbnail that is large enough.
	IgnoreThumbnails bool
	// Tolerant allows a JPEG to be broken in its last tenth, as by an invalid code or by its end. What follows is gray, or
	// less sharp if it is progressive, as in browsers. Without it such an image is damaged.
	Tolerant bool
}

// LimitNames are the names of the settings that Limits come from.
type LimitNames struct{ Pixels, BufferedPixels, Memory string }

func (l Limits) pixels() int64 { return cmp.Or(l.Pixels, DefaultPixels) }

func (l Limits) bufferedPixels() int64 {
	return min(cmp.Or(l.BufferedPixels, DefaultBufferedPixels), l.pixels())
}

// MaxMemory is Memory, or its default.
func (l Limits) MaxMemory() int64 { return cmp.Or(l.Memory, DefaultMemory) }

// pixelsOf returns the limit on the pixels of an image.
func (l Limits) pixelsOf(h Header) int64 {
	if h.Buffered {
		return l.bufferedPixels()
	}
	return l.pixels()
}

// pixelsSetting names the setting of pixelsOf.
func (l Limits) pixelsSetting(h Header) string {
	if h.Buffered && l.bufferedPixels() < l.pixels() {
		return l.Settings.BufferedPixels
	}
	return l.Settings.Pixels
}

// inSetting appends the name of a setting to a text.
func inSetting(text, name string) string {
	if name == "" {
		return text
	}
	return text + " (" + name + ")"
}

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
	switch side := max(h.Width, h.Height); {
	case h.Pixels() > l.pixelsOf(h):
		return l.tooManyPixels(h)
	case side > maxSide:
		return tooLarge(maxSide, int64(side), fmt.Sprintf("The image is %dx%d pixels, more than the limit of %d on one side",
			h.Width, h.Height, maxSide))
	default:
		return l.CheckMemory(h, h.Cost)
	}
}

func (l Limits) tooManyPixels(h Header) error {
	size := fmt.Sprintf("%dx%d = %d pixels", h.Width, h.Height, h.Pixels())
	if h.Pixels() > int64(h.Width)*int64(h.Height) {
		size = fmt.Sprintf("%d pixels before it is cropped to %dx%d", h.Pixels(), h.Width, h.Height)
	}
	limit := l.pixelsOf(h)
	message := fmt.Sprintf("The image has %s, more than the limit of %d", size, limit)
	return tooLarge(limit, h.Pixels(), inSetting(message, l.pixelsSetting(h)))
}

// CheckMemory returns an *Error if making the renditions of an image takes more memory than the limits allow.
func (l Limits) CheckMemory(h Header, cost Cost) error {
	limit := l.MaxMemory()
	if cost.Memory <= limit {
		return nil
	}
	return tooLarge(limit, cost.Memory, inSetting(fmt.Sprintf("The image is %dx%d pixels, which take about %d MB of "+
		"memory to decode, more than the limit of %d MB", h.Width, h.Height, cost.Memory/1e6, limit/1e6), l.Settings.Memory))
}

// tooLarge is the error for an image beyond a limit.
func tooLarge(limit, found int64, message string) error {
	return &Error{Reason: ReasonTooManyPixels, Message: message, Limit: limit, Found: found}
}

// acceptedBy returns the entries of the formats that limits accept.
func (t formatTable) acceptedBy(l Limits) formatTable {
	return slices.DeleteFunc(slices.Clone(t), func(e formatEntry) bool { return !l.accepts(e.Format) })
}
