package raster

import (
	"image"
	"math"
)

// gaussian blurs an image by the standard deviation sigma, as imaging.Blur does to the bit. Unlike that, it asks
// cancelled between rows, and uses one core: a large image and a wide filter take seconds.
func gaussian(m *image.NRGBA, sigma float64, cancelled func() error) (*image.NRGBA, error) {
	kernel := make([]float64, int(math.Ceil(3*sigma))+1)
	for i := range kernel {
		x := float64(i)
		kernel[i] = math.Exp(-(x*x)/(2*sigma*sigma)) / (sigma * math.Sqrt(2*math.Pi))
	}
	turned, err := blurRows(m, kernel, cancelled)
	if err != nil {
		return nil, err
	}
	return blurRows(turned, kernel, cancelled)
}

// blurRows blurs each row, and makes it a column of the result.
func blurRows(m *image.NRGBA, kernel []float64, cancelled func() error) (*image.NRGBA, error) {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	turned := image.NewNRGBA(image.Rect(0, 0, height, width))
	row := make([]float64, 4*width)
	for y := range height {
		if err := cancelled(); err != nil {
			return nil, err
		}
		for i, v := range m.Pix[y*m.Stride:][:len(row)] {
			row[i] = float64(v)
		}
		for x := range width {
			blurAt(turned.Pix[x*turned.Stride+4*y:][:4:4], row, x, kernel)
		}
	}
	return turned, nil
}

// blurAt sets a pixel to the mean of those around x, weighted by the kernel and by their opacity.
func blurAt(pixel []uint8, row []float64, x int, kernel []float64) {
	radius := len(kernel) - 1
	first, last := max(0, x-radius), min(x+radius, len(row)/4-1)
	var r, g, b, a, sum float64
	for i := first; i <= last; i++ {
		weight := kernel[max(x-i, i-x)]
		sum += weight
		s := row[4*i : 4*i+4 : 4*i+4]
		opacity := s[3] * weight
		r += s[0] * opacity
		g += s[1] * opacity
		b += s[2] * opacity
		a += opacity
	}
	if a == 0 {
		return
	}
	inverse := 1 / a
	pixel[0], pixel[1], pixel[2] = rounded(r*inverse), rounded(g*inverse), rounded(b*inverse)
	pixel[3] = rounded(a / sum)
}

// rounded is the nearest level.
func rounded(v float64) uint8 { return uint8(min(v+0.5, 255)) }

// sharpen adds to an image what blurring takes away from it, as imaging.Sharpen does.
func sharpen(m *image.NRGBA, sigma float64, cancelled func() error) (*image.NRGBA, error) {
	blurred, err := gaussian(m, sigma, cancelled)
	if err != nil {
		return nil, err
	}
	for i, v := range blurred.Pix {
		blurred.Pix[i] = uint8(max(0, min(2*int(m.Pix[i])-int(v), 255)))
	}
	return blurred, nil
}
