package webp

import "gitlab.com/yourorg/image-service/functions/internal/raster/plane"

// toVP8 converts an image whose planes are all of its size to those of VP8: luma of 16 to 235, and chroma of 16 to 240
// and half the size. Alpha is nil if all of it is opaque.
func toVP8(m *plane.Image) (planes *[3]plane.Plane, alpha []uint8) {
	width, height := (m.Width+1)/2, (m.Height+1)/2
	planes = &[3]plane.Plane{
		plane.New(m.Width, m.Height, 1, 1), plane.New(width, height, 2, 2), plane.New(width, height, 2, 2),
	}
	if m.Model == plane.YCbCr {
		narrow(planes, m)
		return planes, nil
	}
	pixels := m.NRGBA()
	if m.HasAlpha() {
		alpha = alphaOf(pixels.Pix)
	}
	if alpha != nil {
		hideTransparent(pixels.Pix, m.Width, m.Height)
	}
	for y := range m.Height {
		lumaOfRGBA(planes[0].Row(y), pixels.Pix[y*pixels.Stride:])
	}
	for y := range height {
		first, second := pixels.Pix[2*y*pixels.Stride:], pixels.Pix[min(2*y+1, m.Height-1)*pixels.Stride:]
		chromaOfRGBA(planes[1].Row(y), planes[2].Row(y), first[:4*m.Width], second[:4*m.Width])
	}
	return planes, alpha
}

// narrow converts YCbCr of full range: it is the opposite of toFullRange.
func narrow(planes *[3]plane.Plane, m *plane.Image) {
	for y := range m.Height {
		to := planes[0].Row(y)
		for x, v := range m.Planes[0].Row(y) {
			to[x] = uint8((int(v)*219 + 16*255 + 127) / 255)
		}
	}
	for i := 1; i < 3; i++ {
		for y := range planes[i].Height {
			first, second := m.Planes[i].Row(2*y), m.Planes[i].Row(min(2*y+1, m.Height-1))
			to, last := planes[i].Row(y), len(first)-1
			for x := range to {
				left, right := 2*x, min(2*x+1, last)
				sum := int(first[left]) + int(first[right]) + int(second[left]) + int(second[right])
				to[x] = uint8(((sum-4*128)*224 + 4*128*255 + 2*255) / (4 * 255))
			}
		}
	}
}

// lumaOfRGBA converts a row of interleaved RGBA by ITU-R BT.601, with 16 fraction bits.
func lumaOfRGBA(to, pixels []uint8) {
	for x := range to {
		p := pixels[4*x : 4*x+4 : 4*x+4]
		to[x] = uint8((16829*uint32(p[0]) + 33039*uint32(p[1]) + 6416*uint32(p[2]) + 16<<16 + 1<<15) >> 16)
	}
}

// chromaOfRGBA converts two rows of interleaved RGBA to one of chroma.
func chromaOfRGBA(blue, red, first, second []uint8) {
	last := len(first) - 4
	for x := range blue {
		var r, g, b int32
		for _, at := range [2]int{8 * x, min(8*x+4, last)} {
			p, q := first[at:at+4:at+4], second[at:at+4:at+4]
			r, g, b = r+int32(p[0])+int32(q[0]), g+int32(p[1])+int32(q[1]), b+int32(p[2])+int32(q[2])
		}
		const zero = 128<<18 + 1<<17
		blue[x] = uint8((-9714*r - 19070*g + 28784*b + zero) >> 18)
		red[x] = uint8((28784*r - 24103*g - 4681*b + zero) >> 18)
	}
}

// alphaOf returns the alpha of interleaved RGBA, or nil if all of it is opaque.
func alphaOf(pixels []uint8) []uint8 {
	alpha, common := make([]uint8, len(pixels)/4), uint8(0xff)
	for i := range alpha {
		alpha[i] = pixels[4*i+3]
		common &= alpha[i]
	}
	if common == 0xff {
		return nil
	}
	return alpha
}

// hideTransparent gives transparent pixels the mean colour of the others in their macroblock, or that of the
// macroblock before, so that they take few bits.
func hideTransparent(pixels []uint8, width, height int) {
	var mean [3]uint8
	for top := 0; top < height; top += 16 {
		for left := 0; left < width; left += 16 {
			eachPixel := func(do func(p []uint8)) {
				for y := top; y < min(top+16, height); y++ {
					for x := left; x < min(left+16, width); x++ {
						do(pixels[4*(y*width+x):][:4])
					}
				}
			}
			var sums [4]int
			eachPixel(func(p []uint8) {
				if p[3] > 0 {
					sums = [4]int{sums[0] + int(p[0]), sums[1] + int(p[1]), sums[2] + int(p[2]), sums[3] + 1}
				}
			})
			if n := sums[3]; n > 0 {
				mean = [3]uint8{uint8(sums[0] / n), uint8(sums[1] / n), uint8(sums[2] / n)}
			}
			eachPixel(func(p []uint8) {
				if p[3] == 0 {
					copy(p, mean[:])
				}
			})
		}
	}
}
