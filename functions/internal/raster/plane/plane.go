// Package plane is pixels as the engine works on them: a plane of bytes for each channel, as files store them, so that a
// photograph never becomes RGB on its way to a smaller photograph.
//
// A decoder reduces while it reads, by whole numbers: see Reducer. Resize does the rest.
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

// New is a plane of zeros.
func New(width, height int, stepX, stepY float64) Plane {
	return Plane{make([]uint8, width*height), width, width, height, stepX, stepY}
}

// Row is the samples of row y.
func (p Plane) Row(y int) []uint8 { return p.Pix[y*p.Stride:][:p.Width:p.Width] }

// A Model says what the planes of an image are.
type Model int

// All models. Samples are 0 to 255, as JFIF and sRGB have them.
const (
	Gray  Model = iota // one plane
	YCbCr              // of ITU-R BT.601, full range; the second and third may have other steps than the first
	RGB                // premultiplied, if there is alpha
	CMYK               // 0 is full ink
	YCCK               // CMYK, of which what is left of the first three up to 255 was made YCbCr, as if it was RGB
)

// Channels is the number of planes, without alpha.
func (m Model) Channels() int { return [...]int{Gray: 1, YCbCr: 3, RGB: 3, CMYK: 4, YCCK: 4}[m] }

// An Image is an image in planes.
type Image struct {
	// Width and Height are those of the image in pixels, before any reduction.
	Width, Height int
	Model         Model
	// Planes are as many as the model has, and one more if there is alpha, which only Gray and RGB can have.
	Planes []Plane
	// Profile is the ICC profile that the file carries, as it is there, or nil.
	Profile []byte
}

// HasAlpha tells whether the last plane is alpha.
func (m *Image) HasAlpha() bool { return len(m.Planes) > m.Model.Channels() }

// A Frame is an image of an animation as it is shown, for so long.
type Frame struct {
	*Image
	Delay time.Duration
}
