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
	indexes := map[uint32]uint8{}
	var colors []color.NRGBA
	for y := range m.Rect.Dy() {
		for pixel := range slices.Chunk(row(m, y), 4) {
			key := binary.LittleEndian.Uint32(pixel)
			if _, ok := indexes[key]; ok {
				continue
			}
			if len(colors) == maxColors {
				return nil
			}
			indexes[key] = 0
			colors = append(colors, color.NRGBA{pixel[0], pixel[1], pixel[2], pixel[3]})
		}
	}
	slices.SortStableFunc(colors, func(a, b color.NRGBA) int { return cmp.Compare(a.A, b.A) })
	exact := image.NewPaletted(m.Rect, nil)
	for i, c := range colors {
		indexes[binary.LittleEndian.Uint32([]byte{c.R, c.G, c.B, c.A})] = uint8(i)
		exact.Palette = append(exact.Palette, c)
	}
	for y := range m.Rect.Dy() {
		to := exact.Pix[y*exact.Stride:]
		from := row(m, y)
		for x := range m.Rect.Dx() {
			to[x] = indexes[binary.LittleEndian.Uint32(from[4*x:4*x+4])]
		}
	}
	return exact
}
