// Package palette reduces images to the few colours of a palette, or to levels of gray if they have no others.
package palette

import (
	"cmp"
	"encoding/binary"
	"image"
	"image/color"
	"slices"
)

// AsGray returns an opaque image without colours as levels of gray, which formats store in fewer bytes. It returns
// false for other images.
func AsGray(m *image.NRGBA) (*image.Gray, bool) {
	gray := image.NewGray(m.Rect)
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:]
		for x := range m.Rect.Dx() {
			pixel := row[4*x : 4*x+4]
			if pixel[0] != pixel[1] || pixel[1] != pixel[2] || pixel[3] != 0xff {
				return nil, false
			}
			gray.Pix[y*gray.Stride+x] = pixel[0]
		}
	}
	return gray, true
}

// Exact returns an image with a palette of all of its colours, those that are transparent first, or nil if there are
// more than a palette can have.
func Exact(m *image.NRGBA) *image.Paletted {
	exact := image.NewPaletted(m.Rect, nil)
	var known colorSet
	var colors []color.NRGBA
	for y := range m.Rect.Dy() {
		from, to := row(m, y), exact.Pix[y*exact.Stride:][:m.Rect.Dx()]
		for x := range to {
			index, isNew := known.add(binary.LittleEndian.Uint32(from[4*x : 4*x+4]))
			if index == maxColors {
				return nil
			}
			if isNew {
				colors = append(colors, color.NRGBA{from[4*x], from[4*x+1], from[4*x+2], from[4*x+3]})
			}
			to[x] = uint8(index)
		}
	}
	order := make([]int, len(colors))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(colors[i].A, colors[j].A) })
	var places [maxColors]uint8
	for place, i := range order {
		places[i] = uint8(place)
		exact.Palette = append(exact.Palette, colors[i])
	}
	for i, index := range exact.Pix {
		exact.Pix[i] = places[index]
	}
	return exact
}

// A colorSet numbers colours as they are added. It is a hash table with open addressing, a quarter full at most.
type colorSet struct {
	count int
	slots [4 * maxColors]struct {
		color  uint32
		number uint16 // of the colour, from 1 on; 0 in a slot that is free
	}
}

// add returns the number of a colour, from 0 on; maxColors for one too many.
func (s *colorSet) add(color uint32) (number int, isNew bool) {
	for at := color * 0x9e3779b1 >> 22; ; at++ { // Knuth's multiplicative hash
		slot := &s.slots[at%uint32(len(s.slots))]
		switch {
		case slot.number == 0 && s.count == maxColors:
			return maxColors, false
		case slot.number == 0:
			s.count++
			slot.color, slot.number = color, uint16(s.count)
			return s.count - 1, true
		case slot.color == color:
			return int(slot.number) - 1, false
		}
	}
}
