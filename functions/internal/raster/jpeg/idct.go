package jpeg

// natural is where a coefficient of the zigzag order (T.81, figure A.6) is in a block, row by row.
var natural = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

// needed is the last coefficient, in zigzag order, that a block of 1, 2, 4 or 8 samples across is made of.
var needed = [9]int{1: 0, 2: 4, 4: 24, 8: 63}

// A block is dequantized coefficients, row by row.
type block [64]int32

// level brings a sample around 0 to 0 to 255.
func level(v int32) uint8 { return uint8(max(0, min(v+128, 255))) }

// fill paints a block that has no AC coefficients.
func (b *block) fill(pix []uint8, stride, scale int) {
	v := level((b[0] + 4) >> 3)
	for y := range scale {
		row := pix[y*stride:][:scale]
		for x := range row {
			row[x] = v
		}
	}
}

// idct turns the lowest coefficients into scale x scale samples, 2, 4 or 8: an inverse DCT of as many points, which is a
// low pass.
func (b *block) idct(pix []uint8, stride, scale int) {
	switch scale {
	case 2:
		b.idct2(pix, stride)
	case 4:
		b.idct4(pix, stride)
	default:
		b.idct8(pix, stride)
	}
}

func (b *block) idct2(pix []uint8, stride int) {
	sum, difference := b[0]+b[1]+4, b[0]-b[1]+4
	lowSum, lowDifference := b[8]+b[9], b[8]-b[9]
	pix[0], pix[1] = level((sum+lowSum)>>3), level((difference+lowDifference)>>3)
	pix[stride], pix[stride+1] = level((sum-lowSum)>>3), level((difference-lowDifference)>>3)
}

// The transforms calculate in fixed point: the cosines have 13 bits below the point, what is between the columns and the
// rows has 4. Each pass leaves the result sqrt(8) times too large, hence the 3 bits at the end.
const (
	cosBits    = 13
	columnBits = 4

	columnShift = cosBits - columnBits
	rowShift    = cosBits + columnBits + 3

	cos1, cos2, cos3 = 11363, 10703, 9633 // sqrt(2) cos(k pi/16), of 13 bits
	cos5, cos6, cos7 = 6437, 4433, 2260
)

func (b *block) idct4(pix []uint8, stride int) {
	var columns [4][4]int32
	for x := range 4 {
		s0, s1, s2, s3 := points4(b[x], b[8+x], b[16+x], b[24+x], 1<<(columnShift-1))
		columns[0][x], columns[1][x] = s0>>columnShift, s1>>columnShift
		columns[2][x], columns[3][x] = s2>>columnShift, s3>>columnShift
	}
	for y := range columns {
		c := &columns[y]
		s0, s1, s2, s3 := points4(c[0], c[1], c[2], c[3], 1<<(rowShift-1))
		row := pix[y*stride:][:4:4]
		row[0], row[1], row[2], row[3] = level(s0>>rowShift), level(s1>>rowShift), level(s2>>rowShift), level(s3>>rowShift)
	}
}

// points4 is an inverse DCT of 4 points, plus half.
func points4(x0, x1, x2, x3, half int32) (s0, s1, s2, s3 int32) {
	even0, even1 := (x0+x2)<<cosBits+half, (x0-x2)<<cosBits+half
	odd0, odd1 := x1*cos2+x3*cos6, x1*cos6-x3*cos2
	return even0 + odd0, even1 + odd1, even1 - odd1, even0 - odd0
}

func (b *block) idct8(pix []uint8, stride int) {
	var columns block
	for x := range 8 {
		half := int32(1 << (columnShift - 1))
		even0, even1 := (b[x]+b[32+x])<<cosBits+half, (b[x]-b[32+x])<<cosBits+half
		even2, even3 := b[16+x]*cos2+b[48+x]*cos6, b[16+x]*cos6-b[48+x]*cos2
		x1, x3, x5, x7 := b[8+x], b[24+x], b[40+x], b[56+x]
		odd0 := x1*cos1 + x3*cos3 + x5*cos5 + x7*cos7
		odd1 := x1*cos3 - x3*cos7 - x5*cos1 - x7*cos5
		odd2 := x1*cos5 - x3*cos1 + x5*cos7 + x7*cos3
		odd3 := x1*cos7 - x3*cos5 + x5*cos3 - x7*cos1
		s0, s1, s2, s3 := even0+even2, even1+even3, even1-even3, even0-even2
		columns[x], columns[56+x] = (s0+odd0)>>columnShift, (s0-odd0)>>columnShift
		columns[8+x], columns[48+x] = (s1+odd1)>>columnShift, (s1-odd1)>>columnShift
		columns[16+x], columns[40+x] = (s2+odd2)>>columnShift, (s2-odd2)>>columnShift
		columns[24+x], columns[32+x] = (s3+odd3)>>columnShift, (s3-odd3)>>columnShift
	}
	for y := range 8 {
		c := columns[8*y : 8*y+8 : 8*y+8]
		half := int32(1 << (rowShift - 1))
		even0, even1 := (c[0]+c[4])<<cosBits+half, (c[0]-c[4])<<cosBits+half
		even2, even3 := c[2]*cos2+c[6]*cos6, c[2]*cos6-c[6]*cos2
		odd0 := c[1]*cos1 + c[3]*cos3 + c[5]*cos5 + c[7]*cos7
		odd1 := c[1]*cos3 - c[3]*cos7 - c[5]*cos1 - c[7]*cos5
		odd2 := c[1]*cos5 - c[3]*cos1 + c[5]*cos7 + c[7]*cos3
		odd3 := c[1]*cos7 - c[3]*cos5 + c[5]*cos3 - c[7]*cos1
		s0, s1, s2, s3 := even0+even2, even1+even3, even1-even3, even0-even2
		row := pix[y*stride:][:8:8]
		row[0], row[7] = level((s0+odd0)>>rowShift), level((s0-odd0)>>rowShift)
		row[1], row[6] = level((s1+odd1)>>rowShift), level((s1-odd1)>>rowShift)
		row[2], row[5] = level((s2+odd2)>>rowShift), level((s2-odd2)>>rowShift)
		row[3], row[4] = level((s3+odd3)>>rowShift), level((s3-odd3)>>rowShift)
	}
}
