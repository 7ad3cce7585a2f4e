package av1

// runSteps runs steps, which read vectors of in and write those of out, which may be the same. Only the first values of
// each count, as many as there are lines. Sums are clamped to the range of most. Products of 12-bit samples overflow 32
// bits if they are not of a conforming stream.
func runSteps(steps []step, in, out []int32, lines int, most int32, depth uint) {
	if len(steps) == 0 || depth <= 10 && runStepVectors(steps, in, out, most) {
		return
	}
	for i := range steps {
		s := &steps[i]
		a, b, x, y := (*lanes)(in[s.a:]), (*lanes)(in[s.b:]), (*lanes)(out[s.x:]), (*lanes)(out[s.y:])
		if s.cos == 0 && s.sin == 0 {
			sumVectors(a, b, x, y, lines, most)
		} else {
			rotateVectors(a, b, x, y, lines, int64(s.cos), int64(s.sin))
		}
	}
}

func sumVectors(a, b, x, y *lanes, lines int, most int32) {
	for i := range a[:lines] {
		sum, difference := a[i]+b[i], a[i]-b[i]
		x[i], y[i] = clampTo(sum, most), clampTo(difference, most)
	}
}

func rotateVectors(a, b, x, y *lanes, lines int, cos, sin int64) {
	for i := range a[:lines] {
		p, q := int64(a[i]), int64(b[i])
		x[i], y[i] = int32(round12(p*cos-q*sin)), int32(round12(p*sin+q*cos))
	}
}

// transpose writes the transposed values of 8 vectors, rounded by shift and clamped to the range of most.
func transpose(from, to []int32, shift uint8, most int32) {
	from, to = from[:vectorSize*vectorSize], to[:vectorSize*vectorSize]
	if transposeVectors(from, to, shift, most) {
		return
	}
	for y := range vectorSize {
		for x, v := range from[y*vectorSize:][:vectorSize] {
			to[x*vectorSize+y] = clampTo(roundShift(v, shift), most)
		}
	}
}

// addVectors adds the 16th part of vectors to blocks of samples of 4 or 8 columns.
func addVectors(pix []uint16, stride, width, height int, vectors []int32, most int32) {
	pix, vectors = pix[:(height-1)*stride+width], vectors[:height*vectorSize]
	if addSampleVectors(pix, stride, width, height, vectors, most) {
		return
	}
	for y := range height {
		row := pix[y*stride:][:width]
		for x, v := range vectors[y*vectorSize:][:width] {
			row[x] = clipSample(int32(row[x])+(v+8)>>4, most)
		}
	}
}
