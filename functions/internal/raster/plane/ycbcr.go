package plane

// The conversions of JFIF 1.02, with 16 fraction bits.

func toRGB(y, cb, cr uint8) (r, g, b uint8) {
	luma := int32(y)<<16 + 1<<15
	blue, red := int32(cb)-128, int32(cr)-128
	return clamp((luma + 91881*red) >> 16), clamp((luma - 22554*blue - 46802*red) >> 16), clamp((luma + 116130*blue) >> 16)
}

func clamp(v int32) uint8 { return uint8(max(0, min(v, 255))) }

// to420 converts an image of any model to YCbCr 4:2:0, on white if it has alpha.
func (m *Image) to420() *Image {
	width, height := (m.Width+1)/2, (m.Height+1)/2
	luma, blue, red := New(m.Width, m.Height, 1, 1), New(width, height, 2, 2), New(width, height, 2, 2)
	pixels := make([]uint8, 4*m.Width)
	blues, reds, counts := make([]int32, width), make([]int32, width), make([]int32, width)
	for y := range m.Height {
		m.rgbaRow(pixels, y)
		if m.HasAlpha() {
			onWhite(pixels)
		}
		to := luma.Row(y)
		for x := range to {
			r, g, b := int32(pixels[4*x]), int32(pixels[4*x+1]), int32(pixels[4*x+2])
			to[x] = uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
			blues[x/2] += -11056*r - 21712*g + 32768*b
			reds[x/2] += 32768*r - 27440*g - 5328*b
			counts[x/2]++
		}
		if y%2 == 1 || y == m.Height-1 {
			average420(blue.Row(y/2), blues, counts)
			average420(red.Row(y/2), reds, counts)
			clear(counts)
		}
	}
	return &Image{Width: m.Width, Height: m.Height, Model: YCbCr, Planes: []Plane{luma, blue, red}}
}

// onWhite composes a row of interleaved RGBA on white.
func onWhite(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		alpha := row[3]
		for i, v := range row[:3] {
			row[i] = mulDiv255(v, alpha) + 0xff - alpha
		}
	}
}

// average420 averages the sums of a row of chroma samples, and clears them.
func average420(to []uint8, sums, counts []int32) {
	for x, sum := range sums {
		n := counts[x]
		to[x] = clamp(((sum / n) + 128<<16 + 1<<15) >> 16)
		sums[x] = 0
	}
}
