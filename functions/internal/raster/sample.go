package raster

import (
	"errors"
	"fmt"
	"image"
	"image/color"
)

// Sample returns the first frame of an image that Render has decoded, in a box. It costs no other decode, but is only
// as fine as the largest target was.
func (p *Picture) Sample(box Box) (sample *image.NRGBA, err error) {
	defer recoverPanic(&err)
	if p.pyramid == nil {
		return nil, errors.New("sample image: it was not rendered")
	}
	v := Target{Box: box}.view(p.header.Width, p.header.Height, p.result.Orientation, position{})
	return resample(p.pyramid.smallest(v, 1), v, false).NRGBA(), nil
}

// SampleBox is what ThumbHash and DominantColor expect: https://evanw.github.io/thumbhash/.
var SampleBox = Box{Width: 100, Height: 100}

// DominantColor returns the mean of the most frequent colours of an image, of those that differ by less than 32 levels
// in each channel. Transparent pixels do not count; it is transparent if there are no others.
func DominantColor(m *image.NRGBA) color.NRGBA {
	type sum struct{ r, g, b, n int }
	var sums [8 * 8 * 8]sum
	best := &sums[0]
	for row := range m.Rect.Dy() {
		for pixels := m.Pix[row*m.Stride:][:4*m.Rect.Dx()]; len(pixels) >= 4; pixels = pixels[4:] {
			r, g, b, a := int(pixels[0]), int(pixels[1]), int(pixels[2]), pixels[3]
			if a < 128 {
				continue
			}
			s := &sums[r>>5<<6|g>>5<<3|b>>5]
			s.r, s.g, s.b, s.n = s.r+r, s.g+g, s.b+b, s.n+1
			if s.n > best.n {
				best = s
			}
		}
	}
	if best.n == 0 {
		return color.NRGBA{}
	}
	half := best.n / 2
	return color.NRGBA{
		uint8((best.r + half) / best.n), uint8((best.g + half) / best.n), uint8((best.b + half) / best.n), 255,
	}
}

// FormatColor returns a colour as #rrggbb, and "" if it is transparent.
func FormatColor(c color.NRGBA) string {
	if c.A == 0 {
		return ""
	}
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}
