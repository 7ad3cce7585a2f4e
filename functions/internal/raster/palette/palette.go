// Package palette reduces images to the few colours of a palette, or to levels of gray if they have no others.
package palette

import "image"

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
