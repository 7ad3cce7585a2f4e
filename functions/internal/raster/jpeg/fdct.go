package jpeg

import "math/bits"

// The forward transform leaves coefficients 8 times too large, and with 2 bits below the point, which quantization
// takes care of.
const (
	rowBits       = 2
	transformBits = 3 + rowBits
)

// transform is the forward DCT of samples around 0.
func (b *block) transform() {
	for y := range 8 {
		row := (*[8]int32)(b[8*y:])
		points8(row, cosBits-rowBits)
	}
	for x := range 8 {
		column := [8]int32{b[x], b[8+x], b[16+x], b[24+x], b[32+x], b[40+x], b[48+x], b[56+x]}
		points8(&column, cosBits)
		for y, v := range column {
			b[8*y+x] = v
		}
	}
}

// points8 is a forward DCT of 8 points, shifted.
func points8(s *[8]int32, shift int) {
	half := int32(1) << (shift - 1)
	sum0, sum1, sum2, sum3 := s[0]+s[7], s[1]+s[6], s[2]+s[5], s[3]+s[4]
	d0, d1, d2, d3 := s[0]-s[7], s[1]-s[6], s[2]-s[5], s[3]-s[4]
	outer, inner := sum0-sum3, sum1-sum2
	s[0] = (sum0 + sum1 + sum2 + sum3) << cosBits >> shift
	s[4] = (sum0 - sum1 - sum2 + sum3) << cosBits >> shift
	s[2] = (outer*cos2 + inner*cos6 + half) >> shift
	s[6] = (outer*cos6 - inner*cos2 + half) >> shift
	s[1] = (d0*cos1 + d1*cos3 + d2*cos5 + d3*cos7 + half) >> shift
	s[3] = (d0*cos3 - d1*cos7 - d2*cos1 - d3*cos5 + half) >> shift
	s[5] = (d0*cos5 - d1*cos1 + d2*cos7 + d3*cos3 + half) >> shift
	s[7] = (d0*cos7 - d1*cos5 + d2*cos3 - d3*cos1 + half) >> shift
}

// bitLength is the size in bits of a number without its sign.
func bitLength(v int32) int { return bits.Len32(uint32(max(v, -v))) }
