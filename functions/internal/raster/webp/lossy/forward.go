package lossy

// forwardDCT is the inverse of the inverse DCT of section 14.4: it transforms the difference of 4x4 pixels and their
// prediction. A quarter of the sum of the squares of coefficients is that of pixels.
func forwardDCT(source, predicted []uint8, to *[16]int32) {
	const large, small = 5352, 2217 // sqrt(2) cos(pi/8) and sqrt(2) sin(pi/8), with 12 fraction bits
	source, predicted = source[:blockSpan], predicted[:blockSpan]
	var t [16]int32
	for y := range 4 {
		s, p := source[y*stride:y*stride+4:y*stride+4], predicted[y*stride:y*stride+4:y*stride+4]
		d0, d1 := int32(s[0])-int32(p[0]), int32(s[1])-int32(p[1])
		d2, d3 := int32(s[2])-int32(p[2]), int32(s[3])-int32(p[3])
		a, b, c, d := d0+d3, d1+d2, d1-d2, d0-d3
		t[4*y], t[4*y+2] = (a+b)*8, (a-b)*8
		t[4*y+1], t[4*y+3] = (large*d+small*c+1<<8)>>9, (small*d-large*c+1<<8)>>9
	}
	for x := range 4 {
		d0, d1, d2, d3 := t[x], t[4+x], t[8+x], t[12+x]
		a, b, c, d := d0+d3, d1+d2, d1-d2, d0-d3
		to[x], to[8+x] = (a+b+8)>>4, (a-b+8)>>4
		to[4+x], to[12+x] = (large*d+small*c+1<<15)>>16, (small*d-large*c+1<<15)>>16
	}
}

// forwardWHT transforms the first coefficients of 16 blocks, and sets them to 0.
func forwardWHT(blocks *[16][16]int32, to *[16]int32) {
	var t [16]int32
	for y := range 4 {
		d0, d1, d2, d3 := blocks[4*y][0], blocks[4*y+1][0], blocks[4*y+2][0], blocks[4*y+3][0]
		a, b, c, d := d0+d3, d1+d2, d1-d2, d0-d3
		t[4*y], t[4*y+1], t[4*y+2], t[4*y+3] = a+b, d+c, a-b, d-c
	}
	for x := range 4 {
		d0, d1, d2, d3 := t[x], t[4+x], t[8+x], t[12+x]
		a, b, c, d := d0+d3, d1+d2, d1-d2, d0-d3
		to[x], to[4+x], to[8+x], to[12+x] = (a+b+1)>>1, (d+c+1)>>1, (a-b+1)>>1, (d-c+1)>>1
	}
}

// hadamardBlocks is the sum of the absolute values of the Hadamard transforms of the differences of blocks of 4x4
// pixels and their prediction: what it costs to code them, approximately.
func hadamardBlocks(source, predicted []uint8, across, down int) (sum int32) {
	for y := range down {
		for x := range across {
			at := 4 * (y*stride + x)
			sum += hadamardBlock(source[at:], predicted[at:])
		}
	}
	return sum
}

// hadamardBlock has four differences in a word. What they borrow from each other is given back when they are taken
// apart.
func hadamardBlock(source, predicted []uint8) int32 {
	source, predicted = source[:blockSpan], predicted[:blockSpan]
	d0 := spread(source[0:4]) - spread(predicted[0:4])
	d1 := spread(source[stride:stride+4]) - spread(predicted[stride:stride+4])
	d2 := spread(source[2*stride:2*stride+4]) - spread(predicted[2*stride:2*stride+4])
	d3 := spread(source[3*stride:3*stride+4]) - spread(predicted[3*stride:3*stride+4])
	a, b, c, d := d0+d2, d1+d3, d0-d2, d1-d3
	return absHadamard(a+b) + absHadamard(a-b) + absHadamard(c+d) + absHadamard(c-d)
}

// spread makes a lane of 16 bits of each of four bytes.
func spread(b []uint8) uint64 {
	return uint64(b[0]) | uint64(b[1])<<16 | uint64(b[2])<<32 | uint64(b[3])<<48
}

func absHadamard(lanes uint64) int32 {
	const bias = 0x4000_4000_4000_4000
	lanes += bias
	v0, v1, v2, v3 := int32(lanes&0xffff), int32(lanes>>16&0xffff), int32(lanes>>32&0xffff), int32(lanes>>48)
	a, b, c, d := v0+v2-0x8000, v1+v3-0x8000, v0-v2, v1-v3
	return absInt32(a+b) + absInt32(a-b) + absInt32(c+d) + absInt32(c-d)
}

func absInt32(v int32) int32 {
	sign := v >> 31
	return (v ^ sign) - sign
}
