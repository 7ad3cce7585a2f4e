package jpeg

// scales are the numbers of samples across that a block of 8 can become.
var scales = [...]int{1, 2, 4, 8}

// lastCoef is the last coefficient, in zigzag order, that a block of a scale needs.
var lastCoef = [9]int{1: 0, 2: 4, 4: 24, 8: 63}

// A block is coefficients, row by row, and a place for those that the scale does not need.
type block [64 + 1]int32

const unneeded = 64 // its index

// pairs are coefficients or samples, row by row, packed in pairs so that one multiplication serves both: the second is
// in the upper half of a word, and a negative first one has borrowed from it.
type pairs [32]int64

func (b *block) pairs() *pairs {
	var p pairs
	for i := range p {
		p[i] = int64(b[2*i]) + int64(b[2*i+1])<<32
	}
	return &p
}

// unpackPair returns the two numbers of a word.
func unpackPair(word int64) (first, second int32) {
	first = int32(word)
	return first, int32((word - int64(first)) >> 32)
}

// clampSample undoes the level shift and clamps to 0 to 255.
func clampSample(v int32) uint8 { return uint8(max(0, min(v+128, 255))) }

// fillDC writes the samples of a block that has no AC coefficients.
func (b *block) fillDC(pix []uint8, stride, scale int) {
	v := clampSample((b[0] + 4) >> 3)
	for y := range scale {
		row := pix[y*stride:][:scale]
		for x := range row {
			row[x] = v
		}
	}
}

// idct writes scale x scale samples, 2, 4 or 8: an inverse DCT of the lowest coefficients, which is a low-pass
// filter.
func (b *block) idct(pix []uint8, stride, scale int) {
	switch {
	case scale == 2:
		b.idct2(pix, stride)
	case b.idctVectors(pix, stride, scale):
	case scale == 4:
		b.idct4(pix, stride)
	default:
		b.pairs().idct8(pix, stride)
	}
}

func (b *block) idct2(pix []uint8, stride int) {
	sum, difference := b[0]+b[1]+4, b[0]-b[1]+4
	lowSum, lowDifference := b[8]+b[9], b[8]-b[9]
	pix[0], pix[1] = clampSample((sum+lowSum)>>3), clampSample((difference+lowDifference)>>3)
	pix[stride], pix[stride+1] = clampSample((sum-lowSum)>>3), clampSample((difference-lowDifference)>>3)
}

// The transforms use fixed point: the cosines have 13 fraction bits, the values between columns and rows 4. Each pass
// leaves the result sqrt(8) times too large, hence the 3 bits at the end.
const (
	cosBits    = 13
	columnBits = 4

	columnShift = cosBits - columnBits
	rowShift    = cosBits + columnBits + 3

	pairOfOnes = 1 + 1<<32 // 1 in each half of a word
	columnHalf = 1 << (columnShift - 1) * pairOfOnes
	rowHalf    = 1 << (rowShift - 1) * pairOfOnes

	cos1, cos2, cos3 = 11363, 10703, 9633 // sqrt(2) cos(k pi/16), of 13 bits
	cos5, cos6, cos7 = 6437, 4433, 2260
)

// idct4 has no pairs: with four points, packing would cost more than it saves.
func (b *block) idct4(pix []uint8, stride int) {
	var columns [4][4]int32
	for i := range 4 {
		idctColumn4(&columns, i, b[i], b[8+i], b[16+i], b[24+i])
	}
	for y := range columns {
		c := &columns[y]
		s0, s1, s2, s3 := idct1D4(c[0], c[1], c[2], c[3], 1<<(rowShift-1))
		row := pix[y*stride:][:4:4]
		row[0], row[1] = clampSample(s0>>rowShift), clampSample(s1>>rowShift)
		row[2], row[3] = clampSample(s2>>rowShift), clampSample(s3>>rowShift)
	}
}

func idctColumn4(columns *[4][4]int32, x int, x0, x1, x2, x3 int32) {
	s0, s1, s2, s3 := idct1D4(x0, x1, x2, x3, 1<<(columnShift-1))
	columns[0][x], columns[1][x] = s0>>columnShift, s1>>columnShift
	columns[2][x], columns[3][x] = s2>>columnShift, s3>>columnShift
}

// idct1D4 is an inverse DCT of 4 points, plus half.
func idct1D4(x0, x1, x2, x3, half int32) (s0, s1, s2, s3 int32) {
	even0, even1 := (x0+x2)<<cosBits+half, (x0-x2)<<cosBits+half
	odd0, odd1 := x1*cos2+x3*cos6, x1*cos6-x3*cos2
	return even0 + odd0, even1 + odd1, even1 - odd1, even0 - odd0
}

func (b *pairs) idct8(pix []uint8, stride int) {
	var rows [8][4]int64
	columns := 0 // up to the last that is not zero
	for i := range 4 {
		low, high := b[4+i]|b[8+i]|b[12+i], b[16+i]|b[20+i]|b[24+i]|b[28+i]
		left, right := &rows[2*i], &rows[2*i+1]
		if low|high == 0 {
			if b[i] != 0 {
				columns = 2 * (i + 1)
				first := b[i]<<cosBits + columnHalf
				left[0], right[0] = transposePair(first, first, columnShift)
				left[1], left[2], left[3] = left[0], left[0], left[0]
				right[1], right[2], right[3] = right[0], right[0], right[0]
			}
			continue
		}
		columns = 2 * (i + 1)
		var s0, s1, s2, s3, s4, s5, s6, s7 int64
		if high == 0 {
			s0, s1, s2, s3, s4, s5, s6, s7 = idct1DHalf(b[i], b[4+i], b[8+i], b[12+i])
		} else {
			s0, s1, s2, s3, s4, s5, s6, s7 = idct1D8(b[i], b[4+i], b[8+i], b[12+i], b[16+i], b[20+i], b[24+i], b[28+i])
		}
		left[0], right[0] = transposePair(s0+columnHalf, s1+columnHalf, columnShift)
		left[1], right[1] = transposePair(s2+columnHalf, s3+columnHalf, columnShift)
		left[2], right[2] = transposePair(s4+columnHalf, s5+columnHalf, columnShift)
		left[3], right[3] = transposePair(s6+columnHalf, s7+columnHalf, columnShift)
	}
	for i := range 4 {
		var s0, s1, s2, s3, s4, s5, s6, s7 int64
		if columns <= 4 {
			s0, s1, s2, s3, s4, s5, s6, s7 = idct1DHalf(rows[0][i], rows[1][i], rows[2][i], rows[3][i])
		} else {
			s0, s1, s2, s3, s4, s5, s6, s7 = idct1D8(
				rows[0][i], rows[1][i], rows[2][i], rows[3][i], rows[4][i], rows[5][i], rows[6][i], rows[7][i])
		}
		upper, lower := pix[2*i*stride:][:8:8], pix[(2*i+1)*stride:][:8:8]
		upper[0], lower[0] = clampPair(s0)
		upper[1], lower[1] = clampPair(s1)
		upper[2], lower[2] = clampPair(s2)
		upper[3], lower[3] = clampPair(s3)
		upper[4], lower[4] = clampPair(s4)
		upper[5], lower[5] = clampPair(s5)
		upper[6], lower[6] = clampPair(s6)
		upper[7], lower[7] = clampPair(s7)
	}
}

// transposePair turns two words that are neighbours in a row into two that are neighbours in a column, shifted.
func transposePair(upper, lower int64, shift int) (left, right int64) {
	a, b := unpackPair(upper)
	c, d := unpackPair(lower)
	return int64(a>>shift) + int64(c>>shift)<<32, int64(b>>shift) + int64(d>>shift)<<32
}

func clampPair(word int64) (upper, lower uint8) {
	a, b := unpackPair(word + rowHalf)
	return clampSample(a >> rowShift), clampSample(b >> rowShift)
}

// idct1D8 is an inverse DCT of 8 points by the algorithm of Loeffler, Ligtenberg and Moschytz (ICASSP 1989).
func idct1D8(x0, x1, x2, x3, x4, x5, x6, x7 int64) (s0, s1, s2, s3, s4, s5, s6, s7 int64) {
	even0, even1 := (x0+x4)<<cosBits, (x0-x4)<<cosBits
	turn := (x2 + x6) * cos6
	even2, even3 := turn+x2*(cos2-cos6), turn-x6*(cos2+cos6)
	odd0, odd1, odd2, odd3 := oddPart(x1, x3, x5, x7)
	s0, s1, s2, s3 = even0+even2, even1+even3, even1-even3, even0-even2
	return s0 + odd0, s1 + odd1, s2 + odd2, s3 + odd3, s3 - odd3, s2 - odd2, s1 - odd1, s0 - odd0
}

// idct1DHalf is idct1D8 for a higher half of zeros.
func idct1DHalf(x0, x1, x2, x3 int64) (s0, s1, s2, s3, s4, s5, s6, s7 int64) {
	first, even2, even3 := x0<<cosBits, x2*cos2, x2*cos6
	odd0, odd1, odd2, odd3 := x1*cos1+x3*cos3, x1*cos3-x3*cos7, x1*cos5-x3*cos1, x1*cos7-x3*cos5
	s0, s1, s2, s3 = first+even2, first+even3, first-even3, first-even2
	return s0 + odd0, s1 + odd1, s2 + odd2, s3 + odd3, s3 - odd3, s2 - odd2, s1 - odd1, s0 - odd0
}

// oddPart is the odd half of a DCT of 8 points; it is the same forward and inverse.
func oddPart(x1, x3, x5, x7 int64) (y1, y3, y5, y7 int64) {
	rotation := (x1 + x3 + x5 + x7) * cos3
	a, b := (x7+x1)*(cos7-cos3), (x5+x3)*(cos1+cos3)
	c, d := rotation-(x7+x3)*(cos3+cos5), rotation-(x5+x1)*(cos3-cos5)
	return x1*(cos1+cos3-cos5-cos7) + a + d,
		x3*(cos1+cos3+cos5-cos7) - b + c,
		x5*(cos1+cos3-cos5+cos7) - b + d,
		x7*(cos3+cos5-cos1-cos7) + a + c
}
