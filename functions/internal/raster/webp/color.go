package webp

import (
	"math"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// toFullRange converts the levels of VP8 (luma 16 to 235, chroma 16 to 240) to full range (0 to 255), which planes
// have.
func toFullRange(p plane.Plane, index int) {
	wide := &fullRangeLuma
	if index > 0 {
		wide = &fullRangeChroma
	}
	for i, v := range p.Pix {
		p.Pix[i] = wide[v]
	}
}

var fullRangeLuma, fullRangeChroma = fullRangeTable(16, 219, 0), fullRangeTable(128, 224, 128)

func fullRangeTable(zero, width, wideZero float64) (wide [256]uint8) {
	for i := range wide {
		level := (float64(i)-zero)*255/width + wideZero
		wide[i] = uint8(math.Round(max(0, min(level, 255))))
	}
	return wide
}

// toRGBA converts a row of VP8's levels to interleaved RGBA by ITU-R BT.601, with 16 fraction bits. Two neighbouring
// pixels share their chroma samples.
func toRGBA(to, luma, blue, red, alpha []uint8) {
	for x, v := range luma {
		cb, cr := int32(blue[x/2])-128, int32(red[x/2])-128
		y := 76309*(int32(v)-16) + 1<<15
		pixel := to[4*x : 4*x+4 : 4*x+4]
		pixel[0] = clampFixed(y + 104597*cr)
		pixel[1] = clampFixed(y - 25675*cb - 53279*cr)
		pixel[2] = clampFixed(y + 132201*cb)
		pixel[3] = alpha[x]
	}
}

func clampFixed(v int32) uint8 { return uint8(max(0, min(v>>16, 255))) }
