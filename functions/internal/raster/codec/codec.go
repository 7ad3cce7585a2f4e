// Package codec is the contract between package raster and the packages of its image formats. A format's Open reads a
// header and returns a File; the rest of the image is decoded by that File's Decode.
//
// Both return an *imgerr.Error for an image that can never be decoded, io.EOF or io.ErrUnexpectedEOF for a file that
// is cut short, and otherwise the error of the reader or of a callback.
package codec

import (
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A Header is what an image states about itself before its pixels.
type Header struct {
	// Width and Height are in pixels, as stored, before Orientation is applied.
	Width, Height int
	// Frames is 1 for a still image, and 0 if the header does not state the number.
	Frames int
	// Orientation is the EXIF orientation, 1 to 8; 1 if the header has none.
	Orientation int
	// DecodedPixels is the number of pixels to decode if it is more than Width x Height, as of an image that is cropped;
	// otherwise it may be 0.
	DecodedPixels int64
	// Buffered reports whether decoding takes memory for each pixel, however small the copy is.
	Buffered bool
}

// MaxMetadata is how many bytes of metadata are unpacked of a file: colour profiles and EXIF, all of them together.
// What follows them is skipped. No file needs more than one of each.
const MaxMetadata = 2 << 20

// Metadata counts what was unpacked of MaxMetadata.
type Metadata struct{ taken int64 }

// Left returns how many bytes may still be unpacked.
func (m *Metadata) Left() int64 { return max(0, MaxMetadata-m.taken) }

// Take counts bytes that were unpacked.
func (m *Metadata) Take(bytes int64) { m.taken += bytes }

// A Job is what is asked of a decoder, as far as its cost depends on it: see Options.
type Job struct {
	Width, Height, Frames int
	Nearest               bool
	IgnoreThumbnails      bool
	Bytes                 int64 // of the file, or 0 if that is not known
}

// A Cost is what decoding takes at most, as far as the headers say. It is an estimate by the formulas of each format,
// which were fitted to measurements of ordinary files and of the most expensive ones.
type Cost struct {
	// Memory is what this process holds at a time, in bytes.
	Memory int64
	// CPU is the time on one core of the machine of docs/performance.md.
	CPU time.Duration
}

// Plus returns the cost of both.
func (c Cost) Plus(d Cost) Cost { return Cost{c.Memory + d.Memory, c.CPU + d.CPU} }

// Each returns the time of n steps that take so many nanoseconds each.
func Each(n int64, nanoseconds float64) time.Duration { return time.Duration(float64(n) * nanoseconds) }

// Options are what raster wants of a decoder.
type Options struct {
	// Width and Height are the size in pixels of the largest copy that will be made. A decoder may reduce its frames as
	// long as such a copy does not show the difference; see plane.ReductionFactor.
	Width, Height int
	// Nearest is set if all copies show the nearest pixels, so that a decoder may keep only those of a copy of Width x
	// Height pixels; see plane.Picker.
	Nearest bool
	// Frames is the number of frames wanted, from the first on; 1 or more.
	Frames int
	// IgnoreThumbnails is set if a thumbnail in the file must not be decoded instead of the image.
	IgnoreThumbnails bool
	// Tolerant asks for an image whose last tenth is broken, with gray in its place, instead of an error.
	Tolerant bool
	// Show receives each frame in turn and owns its planes from then on. Its error ends the decoding.
	Show func(plane.Frame) error
	// Check, unless it is nil, is called at every frame and every few rows, because a few bytes can be work for millions
	// of pixels. Its error ends the decoding.
	Check func() error
}

// A Result is what may be known only after the pixels.
type Result struct {
	// Orientation is the EXIF orientation, 1 to 8.
	Orientation int
	// Loops is how often an animation is to be played; 0 means without end.
	Loops int
}

// A File is an image whose header has been read.
type File interface {
	Header() Header
	// Cost estimates what Decode takes.
	Cost(Job) Cost
	// Decode reads the rest of the image. It can be called once.
	Decode(Options) (Result, error)
}

// ShowStill shows an image that has one frame only, and returns the error of o.Show.
func ShowStill(o Options, m *plane.Image) error { return o.Show(plane.Frame{Image: m}) }
