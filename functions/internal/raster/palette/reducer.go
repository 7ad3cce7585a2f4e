package palette

import (
	"encoding/binary"
	"image"
	"image/color"
)

// maxColors is the size of a GIF's largest colour table.
const maxColors = 256

// alphaThreshold is the alpha below which pixels become transparent: a GIF has no levels in between.
const alphaThreshold = 0x80

// Reduce reduces an image to a palette of its own: see New.
func Reduce(m *image.NRGBA) *image.Paletted {
	r := New(m)
	defer r.release()
	return r.Reduce(m)
}

// A Reducer reduces images to a palette of at most 256 colours.
type Reducer struct {
	palette     color.Palette
	transparent uint8 // index of the transparent entry
	colors      *histogram
}

// New chooses a palette for images that share it: their own colours if there are few enough, otherwise the means of 256
// clusters of similar ones. Pixels less than half opaque share one transparent entry, the last. The same images always
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

// release returns the memory of a reducer that is no longer used.
func (r *Reducer) release() { histograms.Put(r.colors) }

// Reduce reduces one of the images that the palette was made for. All results share one palette.
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
