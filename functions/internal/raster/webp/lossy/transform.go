package lossy

// inverseWHT computes the DC coefficients of the luma blocks from a Y2 block (section 14.3).
func (b *block) inverseWHT(r *residue) {
	var t [16]int32
	for i := range 4 {
		a, d := int32(b[i])+int32(b[12+i]), int32(b[i])-int32(b[12+i])
		e, f := int32(b[4+i])+int32(b[8+i]), int32(b[4+i])-int32(b[8+i])
		t[i], t[4+i], t[8+i], t[12+i] = a+e, f+d, a-e, d-f
	}
	for i := range 4 {
		a, d := t[4*i]+t[4*i+3]+3, t[4*i]-t[4*i+3]+3
		e, f := t[4*i+1]+t[4*i+2], t[4*i+1]-t[4*i+2]
		for j, v := range [4]int32{a + e, f + d, a - e, d - f} {
			first := int16(v >> 3)
			r.blocks[4*i+j][0] = first
			if first != 0 {
				r.coefCounts[4*i+j] = 1
			}
		}
	}
}

// Products with sqrt(2) cos(pi/8) and sqrt(2) sin(pi/8) (section 14.4).
func cosine(v int32) int32 { return v + v*20091>>16 }
func sine(v int32) int32   { return v * 35468 >> 16 }

// addIDCT adds the inverse DCT of a block to the prediction of 4x4 pixels (sections 14.4 and 14.5).
func (b *block) addIDCT(pix *[blockSpan]uint8) {
	var t [16]int32
	for i := range 4 {
		v0, v1, v2, v3 := int32(b[i]), int32(b[4+i]), int32(b[8+i]), int32(b[12+i])
		sum, difference := v0+v2, v0-v2
		c, d := sine(v1)-cosine(v3), cosine(v1)+sine(v3)
		t[i], t[4+i], t[8+i], t[12+i] = sum+d, difference+c, difference-c, sum-d
	}
	addIDCTRow((*[4]uint8)(pix[0:4]), t[0], t[1], t[2], t[3])
	addIDCTRow((*[4]uint8)(pix[stride:stride+4]), t[4], t[5], t[6], t[7])
	addIDCTRow((*[4]uint8)(pix[2*stride:2*stride+4]), t[8], t[9], t[10], t[11])
	addIDCTRow((*[4]uint8)(pix[3*stride:]), t[12], t[13], t[14], t[15])
}

// addIDCTRow adds a row of the inverse DCT.
func addIDCTRow(row *[4]uint8, v0, v1, v2, v3 int32) {
	sum, difference := v0+v2+4, v0-v2+4
	c, d := sine(v1)-cosine(v3), cosine(v1)+sine(v3)
	row[0] = clamp(int32(row[0]) + (sum+d)>>3)
	row[1] = clamp(int32(row[1]) + (difference+c)>>3)
	row[2] = clamp(int32(row[2]) + (difference-c)>>3)
	row[3] = clamp(int32(row[3]) + (sum-d)>>3)
}

// addIDCT3 is addIDCT for a block with no coefficients except DC and the two next to it.
func (b *block) addIDCT3(pix *[blockSpan]uint8) {
	first, across, down := int32(b[0])+4, int32(b[1]), int32(b[4])
	c, d := sine(across), cosine(across)
	e, f := sine(down), cosine(down)
	for y, v := range [4]int32{first + f, first + e, first - e, first - f} {
		row := (*[4]uint8)(pix[y*stride:])
		row[0] = clamp(int32(row[0]) + (v+d)>>3)
		row[1] = clamp(int32(row[1]) + (v+c)>>3)
		row[2] = clamp(int32(row[2]) + (v-c)>>3)
		row[3] = clamp(int32(row[3]) + (v-d)>>3)
	}
}

// blockSpan is the length of a block in a predictionBuffer, from its first pixel to its last.
const blockSpan = 3*stride + 4

// addIDCTDC is addIDCT for a block with no coefficient except DC.
func (b *block) addIDCTDC(pix *[blockSpan]uint8) {
	v := (int32(b[0]) + 4) >> 3
	for y := range 4 {
		row := (*[4]uint8)(pix[y*stride:])
		row[0], row[1] = clamp(int32(row[0])+v), clamp(int32(row[1])+v)
		row[2], row[3] = clamp(int32(row[2])+v), clamp(int32(row[3])+v)
	}
}

func clamp(v int32) uint8 {
	if v&^0xff != 0 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}
