package palette

import (
	"encoding/binary"
	"image"
	"image/color"
)

// The most colours that a GIF has.
const maxColors = 256

// Pixels less opaque than this become transparent: a GIF knows nothing in between.
const alphaThreshold = 0x80

// Reduce gives an image a palette of its own: see New.
func Reduce(m *image.NRGBA) *image.Paletted {
	r := New(m)
	defer r.release()
	return r.Reduce(m)
}

// A Reducer gives images a palette of at most 256 colours.
type Reducer struct {
	palette     color.Palette
	transparent uint8 // the index of what is transparent
	colors      *histogram
}

// New is for images that share a palette: their own colours if they are so few, otherwise the means of 256 groups of
// similar ones. Pixels that are more transparent than not share one transparent entry, the last. The same images always
// get the same palette.
func New(images ...*image.NRGBA) *Reducer {
	r, transparent := &Reducer{colors: newHistogram()}, false
	for _, m := range images {
		for y := range m.Rect.Dy() {
			transparent = r.colors.count(row(m, y)) || transparent
		}
	}
	limit := maxColors
	if transparent {
		limit--
	}
	r.palette = r.colors.palette(limit)
	r.transparent = uint8(len(r.palette))
	if transparent {
		r.palette = append(r.palette, color.NRGBA{})
	}
	return r
}

// release ends the use of a reducer.
func (r *Reducer) release() { histograms.Put(r.colors) }

// Reduce is for one of the images that the palette was made for. All results share one palette.
func (r *Reducer) Reduce(m *image.NRGBA) *image.Paletted {
	reduced := image.NewPaletted(m.Bounds(), r.palette)
	for y := range m.Rect.Dy() {
		from, to := row(m, y), reduced.Pix[y*reduced.Stride:][:m.Rect.Dx()]
		for x := range to {
			if c := binary.LittleEndian.Uint32(from[4*x : 4*x+4]); c>>24 < alphaThreshold {
				to[x] = r.transparent
			} else {
				to[x] = r.colors.bin(c).index
			}
		}
	}
	return reduced
}

func row(m *image.NRGBA, y int) []uint8 { return m.Pix[y*m.Stride:][:4*m.Rect.Dx()] }
