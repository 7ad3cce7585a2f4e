// Package plane holds pixels as the engine works on them: a plane of bytes for each channel, as files store them, so
// that a photograph never becomes RGB on its way to a smaller photograph.
//
// A decoder reduces while it reads, by integer factors: see Reducer. Resize does the rest.
package plane

import "time"

// A Plane is one channel of an image, or of a reduced copy of it.
type Plane struct {
	// Pix has Height rows of Width samples; rows begin Stride bytes apart.
	Pix                   []uint8
	Stride, Width, Height int
	// StepX and StepY are how many pixels of the image, across and down, one sample stands for. The last sample of a row
	// or column may reach beyond the image.
	StepX, StepY float64
}

// New returns a plane of zeros.
func New(width, height int, stepX, stepY float64) Plane {
	return Plane{make([]uint8, width*height), width, width, height, stepX, stepY}
}

// Row returns the samples of row y.
func (p Plane) Row(y int) []uint8 { return p.Pix[y*p.Stride:][:p.Width:p.Width] }

// A Model is a colour model: the meaning of the planes of an image.
type Model int

// All models. Samples are 0 to 255, as JFIF and sRGB have them.
const (
	Gray  Model = iota // one plane
	YCbCr              // of ITU-R BT.601, full range; the second and third may have other steps than the first
	RGB                // premultiplied, if there is alpha
	CMYK               // inverted: 0 is full ink
	YCCK               // CMYK whose first three channels, subtracted from 255, were converted from RGB to YCbCr
)

// Channels is the number of planes, alpha excluded.
func (m Model) Channels() int { return [...]int{Gray: 1, YCbCr: 3, RGB: 3, CMYK: 4, YCCK: 4}[m] }

// An Image is an image in planes.
type Image struct {
	// Width and Height are the size of the image in pixels, before any reduction.
	Width, Height int
	Model         Model
	// Planes are the channels of the model, followed by alpha, which only Gray and RGB can have.
	Planes []Plane
	// Indexed reports whether the file has a palette, so that a copy may be smaller with one.
	Indexed bool
	// Source is a PNG of exactly this image and nothing else, or nil. It is for copies of the same size, which may be
	// smaller as its encoder made it.
	Source []byte
	// Profile is the ICC profile of the file, unchanged, or nil.
	Profile []byte
}

// HasAlpha reports whether the last plane is alpha.
func (m *Image) HasAlpha() bool { return len(m.Planes) > m.Model.Channels() }

// A Frame is an image of an animation as it is shown, and for how long.
type Frame struct {
	*Image
	Delay time.Duration
}
