// Package palette finds the few colours, or the levels of gray, that formats store an image with.
package palette

import "image"

// Gray returns an image as one of gray levels if it is one: opaque, and without colour. Formats store it smaller.
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
