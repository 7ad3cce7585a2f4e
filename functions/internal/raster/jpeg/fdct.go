package jpeg

import "math/bits"

// The forward transform leaves coefficients 8 times too large and with 2 fraction bits, which quantization compensates.
const (
	sumBits  = 2
	fdctBits = 3 + sumBits

	sumShift = cosBits - sumBits
)

// fdct is the forward DCT of level-shifted samples, row by row. The coefficients are column by column.
func (b *pairs) fdct() (coefs [64]int32) {
	const half = 1 << (sumShift - 1) * pairOfOnes
	var rows [8][4]int64
	for i := range 4 {
		s0, s1, s2, s3, s4, s5, s6, s7 := fdct1D8(b[i], b[4+i], b[8+i], b[12+i], b[16+i], b[20+i], b[24+i], b[28+i])
		left, right := &rows[2*i], &rows[2*i+1]
		left[0], right[0] = transposePair(s0+half, s1+half, sumShift)
		left[1], right[1] = transposePair(s2+half, s3+half, sumShift)
		left[2], right[2] = transposePair(s4+half, s5+half, sumShift)
		left[3], right[3] = transposePair(s6+half, s7+half, sumShift)
	}
	for i := range 4 {
		s0, s1, s2, s3, s4, s5, s6, s7 := fdct1D8(
			rows[0][i], rows[1][i], rows[2][i], rows[3][i], rows[4][i], rows[5][i], rows[6][i], rows[7][i])
		coefs[2*i], coefs[2*i+1] = roundPair(s0)
		coefs[8+2*i], coefs[8+2*i+1] = roundPair(s1)
		coefs[16+2*i], coefs[16+2*i+1] = roundPair(s2)
		coefs[24+2*i], coefs[24+2*i+1] = roundPair(s3)
		coefs[32+2*i], coefs[32+2*i+1] = roundPair(s4)
		coefs[40+2*i], coefs[40+2*i+1] = roundPair(s5)
		coefs[48+2*i], coefs[48+2*i+1] = roundPair(s6)
		coefs[56+2*i], coefs[56+2*i+1] = roundPair(s7)
	}
	return coefs
}

func roundPair(word int64) (upper, lower int32) {
	a, b := unpackPair(word + 1<<(cosBits-1)*pairOfOnes)
	return a >> cosBits, b >> cosBits
}

// fdct1D8 is a forward DCT of 8 points: idct1D8 transposed.
func fdct1D8(s0, s1, s2, s3, s4, s5, s6, s7 int64) (x0, x1, x2, x3, x4, x5, x6, x7 int64) {
	sum0, sum1, sum2, sum3 := s0+s7, s1+s6, s2+s5, s3+s4
	outer, inner := sum0-sum3, sum1-sum2
	turn := (outer + inner) * cos6
	x0, x4 = (sum0+sum1+sum2+sum3)<<cosBits, (sum0-sum1-sum2+sum3)<<cosBits
	x2, x6 = turn+outer*(cos2-cos6), turn-inner*(cos2+cos6)
	x1, x3, x5, x7 = oddPart(s0-s7, s1-s6, s2-s5, s3-s4)
	return x0, x1, x2, x3, x4, x5, x6, x7
}

// bitLength is the number of bits of the absolute value of v.
func bitLength(v int32) int { return bits.Len32(uint32(max(v, -v))) }
