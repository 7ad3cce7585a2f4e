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
	fcc         = 4
	bt601PAL    = 5
	bt601NTSC   = 6
	smpte240    = 7
	yCgCo       = 8
	bt2020      = 9
	bt2020Const = 10 // which is not linear; as in libheif it is taken for the one that is
)

// meaning is what the levels of a picture mean. As in libheif a colr property of numbers comes before what the bitstream
// says.
func (p *picture) meaning() signal {
	if p.signal != nil {
		return *p.signal
	}
	return p.tiles[0].signal()
}

// colours is the profile that goes with the pixels: that of the file, or one of its numbers.
func (p *picture) colours() []byte {
	if p.profile != nil {
		return p.profile
	}
	s := p.meaning()
	if s.primaries > math.MaxUint8 || s.transfer > math.MaxUint8 {
		return nil
	}
	profile, _ := icc.FromCICP(byte(s.primaries), byte(s.transfer))
	return profile
}

// isLuma reports whether the levels of a plane are those of luma, with black at the lowest.
func (s signal) isLuma(plane int) bool { return plane == 0 || s.matrix == identity }

// levels are what the levels of a plane become: those of JPEG, 0 to 255. Matrices are left as they are.
func (s signal) levels(plane, depth int) []uint8 {
	levels, scale := make([]uint8, 1<<depth), float64(int(1)<<(depth-8))
	for v := range levels {
		level := float64(v) * 255 / float64(len(levels)-1)
		switch {
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

// A matrix makes RGB of YCbCr of full range: luma and, for each of red, green and blue, so much of Cb and Cr.
type matrix [3][2]float64

// matrix is that of the signal. As in libheif, one that is not specified or not known is that of ITU-R BT.601.
func (s signal) rgb() matrix {
	switch s.matrix {
	case bt709:
		return matrixOf(0.2126, 0.0722)
	case fcc:
		return matrixOf(0.30, 0.11)
	case smpte240:
		return matrixOf(0.212, 0.087)
	case yCgCo:
		return matrix{{-1, 1}, {1, 0}, {-1, -1}}
	case bt2020, bt2020Const:
		return matrixOf(0.2627, 0.0593)
	default:
		return matrixOf(0.299, 0.114)
	}
}

// is601 reports whether the matrix is that of planes.
func (s signal) is601() bool { return s.rgb() == matrixOf(0.299, 0.114) }

// matrixOf is a matrix by how much of luma is red and blue.
func matrixOf(red, blue float64) matrix {
	r, b := 2*(1-red), 2*(1-blue)
	green := 1 - red - blue
	return matrix{{0, r}, {-blue * b / green, -red * r / green}, {b, 0}}
}

// yCbCr makes YCbCr of RGB, as JPEG has it, of what a level of Cb or Cr adds.
func (m matrix) yCbCr(of int) (luma, blue, red float64) {
	luma = 0.299*m[0][of] + 0.587*m[1][of] + 0.114*m[2][of]
	return luma, (m[2][of] - luma) / 1.772, (m[0][of] - luma) / 1.402
}

// point is the fixed point of weights.
const point = 16

func fixed(v float64) int32 { return int32(math.Round(v * (1 << point))) }

func clamp(v int32) uint8 { return uint8(max(0, min(v, 255))) }

// recolour makes YCbCr of JPEG of reduced planes that have another matrix. That is linear, and what is gray stays gray:
// so averages can be converted as well as pixels, the chroma planes without luma, and luma with the chroma in its place.
func (m matrix) recolour(planes []plane.Plane) {
	var weights [3][2]int32
	for of := range 2 {
		luma, blue, red := m.yCbCr(of)
		weights[0][of], weights[1][of], weights[2][of] = fixed(luma), fixed(blue), fixed(red)
	}
	luma, blues, reds := planes[0], planes[1], planes[2]
	const half = 1 << (point - 1)
	columns := places(luma.Width, luma.StepX, blues.Width, blues.StepX)
	for y, from := range places(luma.Height, luma.StepY, blues.Height, blues.StepY) {
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

// places are, for each sample of an axis, the one of another axis that is in its place.
func places(count int, step float64, others int, otherStep float64) []int {
	all := make([]int, count)
	for i := range all {
		all[i] = min(int((float64(i)+0.5)*step/otherStep), others-1)
	}
	return all
}

// widen turns levels of a plane into those of JPEG.
func widen(p plane.Plane, levels []uint8) {
	for i, v := range p.Pix {
		p.Pix[i] = levels[v]
	}
}
