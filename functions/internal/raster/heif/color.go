package heif

import (
	"math"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Matrices of ITU-T H.273, table 4.
const (
	identity    = 0
	bt709       = 1
	unspecified = 2
	fcc         = 4
	bt601PAL    = 5
	bt601NTSC   = 6
	smpte240    = 7
	yCgCo       = 8
	bt2020      = 9
	bt2020Const = 10 // not linear, but taken for bt2020 as in libheif
	yCgCoRe     = 16 // of RGB with two bits less than its samples
)

// codedCICP returns the interpretation of the samples: as in libheif, that of a colr property if there is one, and
// otherwise that of the bitstream.
func (p *picture) codedCICP() cicp {
	if p.cicp != nil {
		return *p.cicp
	}
	return p.tiles[0].cicp()
}

// iccProfile returns the profile of the file, or one made from its code points, or nil for sRGB and unknown ones.
func (p *picture) iccProfile() []byte {
	if p.profile != nil {
		return p.profile
	}
	if p.overlay != nil {
		if len(p.overlay.layers) == 0 {
			return nil
		}
		return p.overlay.layers[0].iccProfile()
	}
	s := p.codedCICP()
	if s.primaries > math.MaxUint8 || s.transfer > math.MaxUint8 {
		return nil
	}
	profile, _ := icc.FromCICP(byte(s.primaries), byte(s.transfer))
	return profile
}

// isLuma reports whether a plane has the range of luma. With the identity matrix all planes have.
func (s cicp) isLuma(plane int) bool { return plane == 0 || s.matrix == identity }

// levels maps the samples of a plane to 8 bits of full range, as plane.Image has them. It does not apply the matrix.
func (s cicp) levels(plane, depth int) []uint8 {
	levels, scale := make([]uint8, 1<<depth), float64(int(1)<<(depth-8))
	for v := range levels {
		level := float64(v) * 255 / float64(len(levels)-1)
		switch {
		case s.matrix == yCgCoRe && depth > 8:
			level = s.reversibleLevel(plane, v, depth)
		case s.full:
		case s.isLuma(plane):
			level = (float64(v)/scale - 16) * 255 / 219
		default:
			level = (float64(v)/scale-128)*255/224 + 128
		}
		levels[v] = uint8(math.Round(max(0, min(level, 255))))
	}
	return levels
}

// reversibleLevel returns the level of a sample of the matrix yCgCoRe: luma has the range of RGB, chroma twice that.
func (s cicp) reversibleLevel(plane, v, depth int) float64 {
	toByte := 255 / float64(int(1)<<(depth-2)-1)
	if s.isLuma(plane) {
		return float64(v) * toByte
	}
	return float64(v-1<<(depth-1))/2*toByte + 128
}

// A matrix converts full-range YCbCr to RGB: it has the weights of Cb and Cr that are added to luma, for red, green
// and blue.
type matrix [3][2]float64

// toRGB returns the matrix. As in libheif, an unspecified or unknown one is that of ITU-R BT.601.
func (s cicp) toRGB() matrix {
	switch s.matrix {
	case bt709:
		return matrixFromLuma(0.2126, 0.0722)
	case fcc:
		return matrixFromLuma(0.30, 0.11)
	case smpte240:
		return matrixFromLuma(0.212, 0.087)
	case yCgCo, yCgCoRe:
		return matrix{{-1, 1}, {1, 0}, {-1, -1}}
	case bt2020, bt2020Const:
		return matrixFromLuma(0.2627, 0.0593)
	default:
		return matrixFromLuma(0.299, 0.114)
	}
}

// is601 reports whether the matrix is that of ITU-R BT.601, which plane.Image has.
func (s cicp) is601() bool { return s.toRGB() == matrixFromLuma(0.299, 0.114) }

// matrixFromLuma returns the matrix for the shares of red and blue in luma (ITU-T H.273, section 8.3).
func matrixFromLuma(red, blue float64) matrix {
	r, b := 2*(1-red), 2*(1-blue)
	green := 1 - red - blue
	return matrix{{0, r}, {-blue * b / green, -red * r / green}, {b, 0}}
}

// yCbCr returns the JFIF YCbCr of what one level of Cb (0) or Cr (1) adds to RGB.
func (m matrix) yCbCr(of int) (luma, blue, red float64) {
	luma = 0.299*m[0][of] + 0.587*m[1][of] + 0.114*m[2][of]
	return luma, (m[2][of] - luma) / 1.772, (m[0][of] - luma) / 1.402
}

// point is the number of fractional bits of weights.
const point = 16

func fixed(v float64) int32 { return int32(math.Round(v * (1 << point))) }

func clamp(v int32) uint8 { return uint8(max(0, min(v, 255))) }

// toJFIF converts reduced planes of another matrix to that of JFIF. The conversion is linear, so that it may follow
// averaging, and keeps grays: so chroma does not depend on luma, and luma changes by the nearest chroma sample.
func (m matrix) toJFIF(planes []plane.Plane) {
	var weights [3][2]int32
	for of := range 2 {
		luma, blue, red := m.yCbCr(of)
		weights[0][of], weights[1][of], weights[2][of] = fixed(luma), fixed(blue), fixed(red)
	}
	luma, blues, reds := planes[0], planes[1], planes[2]
	const half = 1 << (point - 1)
	columns := nearestSamples(luma.Width, luma.StepX, blues.Width, blues.StepX)
	for y, from := range nearestSamples(luma.Height, luma.StepY, blues.Height, blues.StepY) {
		row, blue, red := luma.Row(y), blues.Row(from), reds.Row(from)
		for x, at := range columns {
			cb, cr := int32(blue[at])-128, int32(red[at])-128
			row[x] = clamp(int32(row[x]) + (weights[0][0]*cb+weights[0][1]*cr+half)>>point)
		}
	}
	for y := range blues.Height {
		blue, red := blues.Row(y), reds.Row(y)
		for x := range blue {
			cb, cr := int32(blue[x])-128, int32(red[x])-128
			blue[x] = clamp(128 + (weights[1][0]*cb+weights[1][1]*cr+half)>>point)
			red[x] = clamp(128 + (weights[2][0]*cb+weights[2][1]*cr+half)>>point)
		}
	}
}

// nearestSamples returns, for each sample of an axis, the sample of another axis at its position.
func nearestSamples(count int, step float64, others int, otherStep float64) []int {
	all := make([]int, count)
	for i := range all {
		all[i] = min(int((float64(i)+0.5)*step/otherStep), others-1)
	}
	return all
}

// expandRange maps the samples of a plane.
func expandRange(p plane.Plane, levels []uint8) {
	for i, v := range p.Pix {
		p.Pix[i] = levels[v]
	}
}
