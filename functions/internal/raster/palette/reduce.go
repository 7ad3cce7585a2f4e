package palette

import (
	"encoding/binary"
	"image"
	"image/color"
)

// The most colours that a GIF has.
const maxColors = 256

// Pixels less opaque than this become transparent: a GIF knows nothing in between.
const opaque = 0x80

// Reduce gives an image a palette of its own: see New.
func Reduce(m *image.NRGBA) *image.Paletted { return New(m).Reduce(m) }

// A Reducer gives images a palette of at most 256 colours.
type Reducer struct {
	palette     color.Palette
	transparent uint8            // the index of what is transparent
	exact       *set             // of all colours, or nil
	nearest     *[binCount]uint8 // of the colours in a bin
}

// New is for images that share a palette: their own colours if they are so few, otherwise the means of 256 groups of
// similar ones. Pixels that are more transparent than not share one transparent entry, the last. The same images always
// get the same palette.
func New(images ...*image.NRGBA) *Reducer {
	r, transparent := &Reducer{exact: new(set)}, false
	for _, m := range images {
		transparent = transparent || !isOpaque(m)
	}
	room := maxColors
	if transparent {
		room--
	}
	if !r.exact.add(images, room) {
		r.exact = nil
	}
	if r.exact != nil {
		for _, c := range r.exact.colors {
			r.palette = append(r.palette, color.NRGBA{uint8(c), uint8(c >> 8), uint8(c >> 16), 0xff})
		}
	} else {
		r.quantize(images, room)
	}
	r.transparent = uint8(len(r.palette))
	if transparent {
		r.palette = append(r.palette, color.NRGBA{})
	}
	return r
}

// Reduce is for one of the images that the palette was made for. All results share one palette.
func (r *Reducer) Reduce(m *image.NRGBA) *image.Paletted {
	reduced := image.NewPaletted(m.Bounds(), r.palette)
	for y := range m.Rect.Dy() {
		from, to := row(m, y), reduced.Pix[y*reduced.Stride:][:m.Rect.Dx()]
		for x := range to {
			c := binary.LittleEndian.Uint32(from[4*x : 4*x+4])
			switch {
			case c>>24 < opaque:
				to[x] = r.transparent
			case r.exact != nil:
				to[x] = r.exact.index(c)
			default:
				to[x] = r.nearest[binOf(c)]
			}
		}
	}
	return reduced
}

func row(m *image.NRGBA, y int) []uint8 { return m.Pix[y*m.Stride:][:4*m.Rect.Dx()] }

func isOpaque(m *image.NRGBA) bool {
	for y := range m.Rect.Dy() {
		for from := row(m, y); len(from) >= 4; from = from[4:] {
			if from[3] < opaque {
				return false
			}
		}
	}
	return true
}

// A set is some colours, in the order in which they were found. Its slots hold colours with an alpha that is never 0.
type set struct {
	slots   [4 * maxColors]uint32
	indexes [4 * maxColors]uint8
	colors  []uint32
}

// add puts the colours of images into the set, and returns whether they are as few as there is room for.
func (s *set) add(images []*image.NRGBA, room int) bool {
	for _, m := range images {
		for y := range m.Rect.Dy() {
			last := uint32(0)
			for from := row(m, y); len(from) >= 4; from = from[4:] {
				c := binary.LittleEndian.Uint32(from)
				if c == last || c>>24 < opaque {
					continue
				}
				last = c
				slot := s.slot(c)
				if s.slots[slot] != 0 {
					continue
				}
				if len(s.colors) == room {
					return false
				}
				s.slots[slot], s.indexes[slot] = c|0xff<<24, uint8(len(s.colors))
				s.colors = append(s.colors, c)
			}
		}
	}
	return true
}

// slot is where a colour is, or would be.
func (s *set) slot(c uint32) uint32 {
	c |= 0xff << 24
	slot := c * 0x9e3779b1 >> 22
	for s.slots[slot] != 0 && s.slots[slot] != c {
		slot = (slot + 1) % uint32(len(s.slots))
	}
	return slot
}

func (s *set) index(c uint32) uint8 { return s.indexes[s.slot(c)] }
