package icc

import "math"

// srgbColorants are the columns of sRGB's own profile: red, green and blue under D50, the illuminant of profiles (IEC
// 61966-2-1, adapted by the Bradford matrix as ICC.1 requires).
var srgbColorants = [9]float64{
	0.43607, 0.38515, 0.14307,
	0.22249, 0.71687, 0.06061,
	0.01392, 0.09708, 0.71410,
}

var xyzToSRGB = inverse(srgbColorants)

func inverse(m [9]float64) (inverted [9]float64) {
	minor := func(row, column int) float64 {
		at := func(r, c int) float64 { return m[(row+r)%3*3+(column+c)%3] }
		return at(1, 1)*at(2, 2) - at(1, 2)*at(2, 1)
	}
	determinant := m[0]*minor(0, 0) + m[1]*minor(0, 1) + m[2]*minor(0, 2)
	for i := range inverted {
		inverted[i] = minor(i%3, i/3) / determinant
	}
	return inverted
}

// A matrixConverter converts RGB to sRGB: each level is linearized by a tone curve, the matrix is applied, and the
// result becomes sRGB levels.
type matrixConverter struct {
	linear [3][256]float32
	mix    [9]float32
	gray   [3]float64 // the weight of each channel in the luminance
}

func newMatrixConverter(p *profile) (*matrixConverter, bool) {
	m := new(matrixConverter)
	var colorants [9]float64
	for i, name := range channelTags {
		curve, isCurve := readTRC(p.tags[name.curve])
		colorant, isColorant := readXYZ(p.tags[name.colorant])
		if !isCurve || !isColorant {
			return nil, false
		}
		for level, light := range curve {
			m.linear[i][level] = float32(light)
		}
		colorants[i], colorants[3+i], colorants[6+i] = colorant[0], colorant[1], colorant[2]
	}
	m.setColorants(colorants)
	return m, true
}

// setColorants takes the columns of the matrix from linear light to XYZ.
func (m *matrixConverter) setColorants(colorants [9]float64) {
	for i, v := range multiply(xyzToSRGB, colorants) {
		m.mix[i] = float32(v)
	}
	m.gray = [3]float64(colorants[3:6])
}

func (m *matrixConverter) convert(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		red, green, blue := m.linear[0][row[0]], m.linear[1][row[1]], m.linear[2][row[2]]
		row[0] = linearToSRGB(m.mix[0]*red + m.mix[1]*green + m.mix[2]*blue)
		row[1] = linearToSRGB(m.mix[3]*red + m.mix[4]*green + m.mix[5]*blue)
		row[2] = linearToSRGB(m.mix[6]*red + m.mix[7]*green + m.mix[8]*blue)
	}
}

// luminance is the tone curve of pixels whose channels are equal.
func (m *matrixConverter) luminance() *toneCurve {
	c := new(toneCurve)
	for v := range c {
		for i, share := range m.gray {
			c[v] += share * float64(m.linear[i][v])
		}
	}
	return c
}

// luminance turns the tone curve of a gray profile, which yields lightness if its connection space is L*a*b*, into
// luminance.
func luminance(c *toneCurve, connection string) *toneCurve {
	if connection == spaceXYZ {
		return c
	}
	linear := new(toneCurve)
	for v, lightness := range c {
		linear[v] = labToLinear((100*lightness + 16) / 116)
	}
	return linear
}

// A grayConverter maps gray levels to sRGB levels.
type grayConverter [256]uint8

func newGrayConverter(luminance *toneCurve) *grayConverter {
	g := new(grayConverter)
	for v, light := range luminance {
		g[v] = linearToSRGB(float32(light))
	}
	return g
}

func (g *grayConverter) convert(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		row[0], row[1], row[2] = g[row[0]], g[row[1]], g[row[2]]
	}
}

// cells is the number of parts into which linear light is divided. No part has more than one of levelLimits.
const cells = 1 << 12

// levelLimits are the linear values at which the next level begins, and cellLevels the levels at the start of each
// cell.
var levelLimits, cellLevels = func() (limits [256]float32, levels [cells]uint8) {
	for i := range limits[:255] {
		limits[i] = float32(srgbToLinear((float64(i) + 0.5) / 255))
	}
	limits[255] = math.MaxFloat32
	next := uint8(0)
	for i := range levels {
		for float32(i)/cells >= limits[next] {
			next++
		}
		levels[i] = next
	}
	return limits, levels
}()

// srgbToLinear is the transfer function of sRGB.
func srgbToLinear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// linearToSRGB is the sRGB level nearest to a linear value.
func linearToSRGB(light float32) uint8 {
	if !(light > 0) {
		return 0
	}
	if light >= 1 {
		return 255
	}
	v := cellLevels[int(light*cells)&(cells-1)]
	if light >= levelLimits[v] {
		v++
	}
	return v
}
