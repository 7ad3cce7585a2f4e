// Package palette goes from palettes to colours and back, for the formats that have palettes.
package palette

import (
	"image"
	"image/color"
)

// Expand draws an image with a palette onto a transparent screen, at the place that its bounds name. An index beyond
// the palette is opaque black, as libpng has it. It is not left to a library to look up the colours: in
// disintegration/imaging a bad index is a panic that nobody can recover from (CVE-2023-36308).
func Expand(m *image.Paletted, screen image.Rectangle) *image.NRGBA {
	var colors [256]color.NRGBA
	for i := range colors {
		colors[i] = color.NRGBA{A: 0xff}
	}
	for i, c := range m.Palette[:min(len(m.Palette), len(colors))] {
		colors[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
	}

	expanded := image.NewNRGBA(screen)
	bounds := m.Bounds().Intersect(screen)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		from := m.Pix[m.PixOffset(bounds.Min.X, y):][:bounds.Dx()]
		to := expanded.Pix[expanded.PixOffset(bounds.Min.X, y):][:4*bounds.Dx()]
		for x, index := range from {
			c := colors[index]
			pixel := to[4*x : 4*x+4 : 4*x+4]
			pixel[0], pixel[1], pixel[2], pixel[3] = c.R, c.G, c.B, c.A
		}
	}
	return expanded
}

// Gray returns an image as one of gray levels if it is one: opaque, and without colour. Formats store it smaller.
func Gray(m *image.NRGBA) (*image.Gray, bool) {
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
