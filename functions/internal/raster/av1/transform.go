package av1

// The one-dimensional transforms.
const (
	lineDCT = iota
	lineADST
	lineFlipADST // its output is reversed
	lineIdentity
)

// transformLines are the transforms of columns and rows by transform type.
var transformLines = [walshHadamard]struct{ column, row uint8 }{
	{lineDCT, lineDCT}, {lineADST, lineDCT}, {lineDCT, lineADST}, {lineADST, lineADST},
	{lineFlipADST, lineDCT}, {lineDCT, lineFlipADST}, {lineFlipADST, lineFlipADST}, {lineADST, lineFlipADST},
	{lineFlipADST, lineADST}, {lineIdentity, lineIdentity}, {lineDCT, lineIdentity}, {lineIdentity, lineDCT},
	{lineADST, lineIdentity}, {lineIdentity, lineADST}, {lineFlipADST, lineIdentity}, {lineIdentity, lineFlipADST},
}

// rowShifts is Transform_Row_Shift (section 7.13.3) by the logarithms of width and height, less 2.
var rowShifts = [5][5]uint8{
	{0, 0, 1, 0, 0},
	{0, 1, 1, 2, 0},
	{1, 1, 2, 1, 2},
	{0, 2, 1, 2, 1},
	{0, 0, 2, 1, 2},
}

// A transformer has the buffer of an inverse transform.
type transformer struct {
	columns [64 * 32]int32 // after the transforms of rows, column by column
}

// inverse adds the inverse transform of a block to the samples of a plane from pix[0] on (sections 7.12.3 and 7.13.3),
// and clears the coefficients. They are Dequant: rows of 32 coefficients, or as many as the block is wide. All are zero
// but those of the first columns and rows.
func (t *transformer) inverse(
	pix []uint16, stride int, coefficients []int32, size txSize, kind txType, rows, columns int, depth uint,
) {
	logW, logH := uint(txWidthLog2[size]), uint(txHeightLog2[size])
	width := 1 << min(logW, 5)
	rows, columns = min(rows, 1<<min(logH, 5)), min(columns, width)
	switch {
	case kind >= walshHadamard:
		addLossless(pix, stride, coefficients, depth)
	case kind == dctDCT && columns == 1 && rows == 1:
		addConstant(pix, stride, coefficients, logW, logH, depth)
	default:
		lines := transformLines[kind]
		t.transformRows(coefficients, logW, logH, lines.row, rows, columns, depth)
		t.transformColumns(pix, stride, logW, logH, lines.column, rows, depth)
	}
}

// addConstant is inverse for DCT_DCT if all coefficients are zero but the first.
func addConstant(pix []uint16, stride int, coefficients []int32, logW, logH, depth uint) {
	v := int64(coefficients[0])
	coefficients[0] = 0
	if isTwice(logW, logH) {
		v = round12(v * sqrtHalf)
	}
	v = roundShift(round12(v*sqrtHalf), rowShifts[logW-2][logH-2])
	v = (round12(clampTo(v, columnLimit(depth))*sqrtHalf) + 8) >> 4
	if v == 0 {
		return
	}
	most := int32(1)<<depth - 1
	w := 1 << logW
	for y := range 1 << logH {
		row := pix[y*stride:][:w]
		for x, before := range row {
			row[x] = clipSample(int32(before)+int32(v), most)
		}
	}
}

// transformRows transforms the rows of coefficients, and clears them.
func (t *transformer) transformRows(coefficients []int32, logW, logH uint, kind uint8, rows, columns int, depth uint) {
	width := 1 << min(logW, 5)
	isTwice := isTwice(logW, logH)
	shift := rowShifts[logW-2][logH-2]
	most, limit := int64(1)<<(depth+7)-1, columnLimit(depth)
	w := 1 << logW
	var in, out line
	for y := range rows {
		row := coefficients[y*width:][:columns]
		some := int32(0)
		for x, v := range row {
			in[x&63] = int64(v)
			some |= v
		}
		to := t.columns[y:]
		if some == 0 {
			for x := range w {
				to[x*32] = 0
			}
			continue
		}
		clear(row)
		if isTwice {
			for x := range columns {
				in[x&63] = round12(in[x&63] * sqrtHalf)
			}
		}
		transformLine(&in, &out, logW, kind, columns, most)
		if kind == lineFlipADST {
			reverse(out[:w])
		}
		for x, v := range out[:w] {
			to[x*32] = int32(clampTo(roundShift(v, shift), limit))
		}
	}
}

// transformColumns transforms the columns and adds the result to the samples.
func (t *transformer) transformColumns(pix []uint16, stride int, logW, logH uint, kind uint8, rows int, depth uint) {
	limit := columnLimit(depth)
	most := int32(1)<<depth - 1
	w, h := 1<<logW, 1<<logH
	pix = pix[:(h-1)*stride+w]
	var in, out line
	for x := range w {
		for y, v := range t.columns[x*32:][:rows] {
			in[y&63] = int64(v)
		}
		transformLine(&in, &out, logH, kind, rows, limit)
		at, step := x, stride
		if kind == lineFlipADST {
			at, step = x+(h-1)*stride, -stride
		}
		for _, v := range out[:h] {
			pix[at] = clipSample(int32(pix[at])+int32((v+8)>>4), most)
			at += step
		}
	}
}

// addLossless is inverse for the Walsh-Hadamard transform of 4x4 samples.
func addLossless(pix []uint16, stride int, coefficients []int32, depth uint) {
	most := int32(1)<<depth - 1
	block := coefficients[:16]
	for y := range 4 {
		row := block[4*y:][:4]
		row[0], row[1], row[2], row[3] = walshHadamard4(row[0]>>2, row[1]>>2, row[2]>>2, row[3]>>2)
	}
	for x := range 4 {
		a, b, c, d := walshHadamard4(block[x], block[4+x], block[8+x], block[12+x])
		for y, v := range [4]int32{a, b, c, d} {
			at := y*stride + x
			pix[at] = clipSample(int32(pix[at])+v, most)
		}
	}
	clear(block)
}

// walshHadamard4 is the inverse Walsh-Hadamard transform (section 7.13.2.10).
func walshHadamard4(a, c, d, b int32) (int32, int32, int32, int32) {
	a += c
	d -= b
	e := (a - d) >> 1
	b = e - b
	c = e - c
	return a - b, b, c, d + c
}

// sqrtHalf is the square root of 1/2, times 4096.
const sqrtHalf = 2896

// isTwice reports whether one side of a block is twice the other.
func isTwice(logW, logH uint) bool { return logW+1 == logH || logH+1 == logW }

// columnLimit is the largest value that the transforms of columns take and add up.
func columnLimit(depth uint) int64 { return int64(1)<<(max(depth+6, 16)-1) - 1 }

func clampTo(v, most int64) int64 { return max(^most, min(v, most)) }

func round12(v int64) int64 { return (v + 1<<11) >> 12 }

func roundShift(v int64, shift uint8) int64 { return (v + 1<<shift>>1) >> shift }

func clipSample(v, most int32) uint16 {
	if uint32(v) > uint32(most) {
		v = max(0, min(v, most))
	}
	return uint16(v)
}

func reverse(line []int64) {
	for i, j := 0, len(line)-1; i < j; i, j = i+1, j-1 {
		line[i], line[j] = line[j], line[i]
	}
}

// A line is the input or output of a one-dimensional transform.
type line = [64]int64

// transformLine is the one-dimensional transform of 1<<log values. Those from index count on are zero, whatever the
// input holds. Sums are clamped to the range of most.
func transformLine(in, out *line, log uint, kind uint8, count int, most int64) {
	if kind == lineIdentity {
		identity(in, out, log, count)
		return
	}
	clear(in[min(count, 1<<log):min(1<<log, 32)])
	if kind == lineDCT {
		switch log {
		case 2:
			idct4(in, 1, out, most)
		case 3:
			idct8(in, 1, out, most)
		case 4:
			idct16(in, 1, out, most)
		case 5:
			idct32(in, 1, out, most)
		default:
			idct64(in, out, most)
		}
		return
	}
	switch log {
	case 2:
		iadst4(in, out)
	case 3:
		iadst8(in, out, most)
	default:
		iadst16(in, out, most)
	}
}

// identity is the identity transform (section 7.13.2.15): it multiplies by a power of the square root of 2.
func identity(in, out *line, log uint, count int) {
	n := 1 << log
	clear(out[min(count, n):n])
	from := in[:min(count, n)]
	switch log {
	case 2:
		for i, v := range from {
			out[i] = round12(v * 5793)
		}
	case 3:
		for i, v := range from {
			out[i] = 2 * v
		}
	case 4:
		for i, v := range from {
			out[i] = round12(v * 11586)
		}
	default:
		for i, v := range from {
			out[i] = 4 * v
		}
	}
}

// cosines is Cos128_Lookup (section 7.13.2.1): cosines of multiples of pi/128, times 4096.
var cosines = [65]int64{
	4096, 4095, 4091, 4085, 4076, 4065, 4052, 4036, 4017, 3996, 3973, 3948, 3920, 3889, 3857, 3822, 3784, 3745, 3703,
	3659, 3612, 3564, 3513, 3461, 3406, 3349, 3290, 3229, 3166, 3102, 3035, 2967, 2896, 2824, 2751, 2675, 2598, 2520,
	2440, 2359, 2276, 2191, 2106, 2019, 1931, 1842, 1751, 1660, 1567, 1474, 1380, 1285, 1189, 1092, 995, 897, 799, 700,
	601, 501, 401, 301, 201, 101, 0,
}

// rotate is B without a flip (section 7.13.2.1): a rotation by the angle with this cosine and sine.
func rotate(a, b, cos, sin int64) (x, y int64) {
	return (a*cos - b*sin + 1<<11) >> 12, (a*sin + b*cos + 1<<11) >> 12
}

// add2 is H: the sum and the difference.
func add2(a, b, most int64) (sum, difference int64) {
	return max(^most, min(a+b, most)), max(^most, min(a-b, most))
}

// addNeighbors applies add2 to pairs of neighbors, every other one the other way round.
func addNeighbors(t []int64, most int64) {
	for ; len(t) >= 4; t = t[4:] {
		g := (*[4]int64)(t)
		g[0], g[1] = add2(g[0], g[1], most)
		g[3], g[2] = add2(g[3], g[2], most)
	}
}

// addMirrored applies add2 to the outer and the inner values of groups of four, every other one the other way round.
func addMirrored(t []int64, most int64) {
	for ; len(t) >= 8; t = t[8:] {
		g := (*[8]int64)(t)
		g[0], g[3] = add2(g[0], g[3], most)
		g[1], g[2] = add2(g[1], g[2], most)
		g[7], g[4] = add2(g[7], g[4], most)
		g[6], g[5] = add2(g[6], g[5], most)
	}
}

// idct4 is the transform of 4 points. Its input coefficients are step apart, here and below.
func idct4(in *line, step int, out *line, most int64) {
	i0, i1, i2, i3 := in[0], in[step&63], in[2*step&63], in[3*step&63]
	even0, even1 := ((i0+i2)*sqrtHalf+1<<11)>>12, ((i0-i2)*sqrtHalf+1<<11)>>12
	odd1, odd0 := rotate(i1, i3, 1567, 3784)
	out[0], out[3] = add2(even0, odd0, most)
	out[1], out[2] = add2(even1, odd1, most)
}

// idct8 is the transform of 8 points.
func idct8(in *line, step int, out *line, most int64) {
	idct4(in, 2*step, out, most)
	t4, t7 := rotate(in[step&63], in[7*step&63], 799, 4017)
	t5, t6 := rotate(in[5*step&63], in[3*step&63], 3406, 2276)
	t4, t5 = add2(t4, t5, most)
	t7, t6 = add2(t7, t6, most)
	t5, t6 = rotate(t6, t5, sqrtHalf, sqrtHalf)
	out[0], out[7] = add2(out[0], t7, most)
	out[1], out[6] = add2(out[1], t6, most)
	out[2], out[5] = add2(out[2], t5, most)
	out[3], out[4] = add2(out[3], t4, most)
}

// idct16 is the transform of 16 points.
func idct16(in *line, step int, out *line, most int64) {
	idct8(in, 2*step, out, most)
	t8, t15 := rotate(in[step&63], in[15*step&63], 401, 4076)
	t9, t14 := rotate(in[9*step&63], in[7*step&63], 3166, 2598)
	t10, t13 := rotate(in[5*step&63], in[11*step&63], 1931, 3612)
	t11, t12 := rotate(in[13*step&63], in[3*step&63], 3920, 1189)
	t8, t9 = add2(t8, t9, most)
	t11, t10 = add2(t11, t10, most)
	t12, t13 = add2(t12, t13, most)
	t15, t14 = add2(t15, t14, most)
	t9, t14 = rotate(t14, t9, 1567, 3784)
	t10, t13 = rotate(t13, t10, -3784, 1567)
	t8, t11 = add2(t8, t11, most)
	t9, t10 = add2(t9, t10, most)
	t15, t12 = add2(t15, t12, most)
	t14, t13 = add2(t14, t13, most)
	t10, t13 = rotate(t13, t10, sqrtHalf, sqrtHalf)
	t11, t12 = rotate(t12, t11, sqrtHalf, sqrtHalf)
	out[0], out[15] = add2(out[0], t15, most)
	out[1], out[14] = add2(out[1], t14, most)
	out[2], out[13] = add2(out[2], t13, most)
	out[3], out[12] = add2(out[3], t12, most)
	out[4], out[11] = add2(out[4], t11, most)
	out[5], out[10] = add2(out[5], t10, most)
	out[6], out[9] = add2(out[6], t9, most)
	out[7], out[8] = add2(out[7], t8, most)
}

// A rotation has the indices of the coefficients that the first step of a transform rotates, and the angle.
type rotation struct {
	first, second uint8
	cos, sin      int64
}

// firstRotations returns the rotations that begin the transform of the odd half of 2*n points: of coefficients a and
// 2*n-a, in the order of bits reversed.
func firstRotations(n int) []rotation {
	all := make([]rotation, n/2)
	for i := range all {
		k := 0
		for bit := 1; bit < n; bit *= 2 {
			k *= 2
			if i&bit != 0 {
				k++
			}
		}
		a := 2*k + 1
		angle := a * 64 / (2 * n)
		all[i] = rotation{uint8(a), uint8(2*n - a), cosines[64-angle], cosines[angle]}
	}
	return all
}

var (
	rotations32 = [8]rotation(firstRotations(16))
	rotations64 = [16]rotation(firstRotations(32))
)

// idct32 is the transform of 32 points.
func idct32(in *line, step int, out *line, most int64) {
	idct16(in, step*2, out, most)
	var t [16]int64
	for i := range rotations32 {
		r := &rotations32[i]
		t[i], t[15-i] = rotate(in[int(r.first)*step&63], in[int(r.second)*step&63], r.cos, r.sin)
	}
	addNeighbors(t[:], most)
	t[1], t[14] = rotate(t[14], t[1], 799, 4017)
	t[2], t[13] = rotate(t[13], t[2], -4017, 799)
	t[5], t[10] = rotate(t[10], t[5], 3406, 2276)
	t[6], t[9] = rotate(t[9], t[6], -2276, 3406)
	addMirrored(t[:], most)
	t[2], t[13] = rotate(t[13], t[2], 1567, 3784)
	t[3], t[12] = rotate(t[12], t[3], 1567, 3784)
	t[4], t[11] = rotate(t[11], t[4], -3784, 1567)
	t[5], t[10] = rotate(t[10], t[5], -3784, 1567)
	for i := range 4 {
		t[i], t[7-i] = add2(t[i], t[7-i], most)
		t[15-i], t[8+i] = add2(t[15-i], t[8+i], most)
	}
	for i := 4; i < 8; i++ {
		t[i], t[15-i] = rotate(t[15-i], t[i], sqrtHalf, sqrtHalf)
	}
	for i := range 16 {
		out[i], out[31-i] = add2(out[i], t[15-i], most)
	}
}

// idct64 is the transform of 64 points, of which only the first 32 coefficients can be nonzero.
func idct64(in, out *line, most int64) {
	clear(in[32:])
	idct32(in, 2, out, most)
	var t [32]int64
	for i := range rotations64 {
		r := &rotations64[i]
		t[i], t[31-i] = rotate(in[r.first&63], in[r.second&63], r.cos, r.sin)
	}
	addNeighbors(t[:], most)
	for i, angle := range [4]int{60, 28, 44, 12} {
		cos, sin := cosines[angle], cosines[64-angle]
		a := 4*i + 1
		t[a], t[31-a] = rotate(t[31-a], t[a], cos, sin)
		t[a+1], t[30-a] = rotate(t[30-a], t[a+1], -sin, cos)
	}
	addMirrored(t[:], most)
	for i := 0; i < 16; i += 8 {
		cos, sin := int64(799), int64(4017)
		if i > 0 {
			cos, sin = 3406, 2276
		}
		a := i + 2
		t[a], t[31-a] = rotate(t[31-a], t[a], cos, sin)
		t[a+1], t[30-a] = rotate(t[30-a], t[a+1], cos, sin)
		t[a+2], t[29-a] = rotate(t[29-a], t[a+2], -sin, cos)
		t[a+3], t[28-a] = rotate(t[28-a], t[a+3], -sin, cos)
	}
	for i := 0; i < 32; i += 16 {
		for j := range 4 {
			t[i+j], t[i+7-j] = add2(t[i+j], t[i+7-j], most)
			t[i+15-j], t[i+8+j] = add2(t[i+15-j], t[i+8+j], most)
		}
	}
	for i := 4; i < 8; i++ {
		t[i], t[31-i] = rotate(t[31-i], t[i], 1567, 3784)
		t[i+4], t[27-i] = rotate(t[27-i], t[i+4], -3784, 1567)
	}
	for i := range 8 {
		t[i], t[15-i] = add2(t[i], t[15-i], most)
		t[31-i], t[16+i] = add2(t[31-i], t[16+i], most)
	}
	for i := 8; i < 16; i++ {
		t[i], t[31-i] = rotate(t[31-i], t[i], sqrtHalf, sqrtHalf)
	}
	for i := range 32 {
		out[i], out[63-i] = add2(out[i], t[31-i], most)
	}
}

// iadst4 is the ADST of 4 points (section 7.13.2.6).
func iadst4(in, out *line) {
	i0, i1, i2, i3 := in[0], in[1], in[2], in[3]
	a := 1321*i0 + 3803*i2 + 2482*i3
	b := 2482*i0 - 1321*i2 - 3803*i3
	c := 3344 * i1
	out[0], out[1] = round12(a+c), round12(b+c)
	out[2], out[3] = round12(3344*(i0-i2+i3)), round12(a+b-c)
}

// iadst8 is the ADST of 8 points (section 7.13.2.7).
func iadst8(in, out *line, most int64) {
	t1, t0 := rotate(in[7], in[0], 401, 4076)
	t3, t2 := rotate(in[5], in[2], 1931, 3612)
	t5, t4 := rotate(in[3], in[4], 3166, 2598)
	t7, t6 := rotate(in[1], in[6], 3920, 1189)
	t0, t4 = add2(t0, t4, most)
	t1, t5 = add2(t1, t5, most)
	t2, t6 = add2(t2, t6, most)
	t3, t7 = add2(t3, t7, most)
	t5, t4 = rotate(t4, t5, 1567, 3784)
	t6, t7 = rotate(t7, t6, 3784, 1567)
	t0, t2 = add2(t0, t2, most)
	t1, t3 = add2(t1, t3, most)
	t4, t6 = add2(t4, t6, most)
	t5, t7 = add2(t5, t7, most)
	t3, t2 = rotate(t2, t3, sqrtHalf, sqrtHalf)
	t7, t6 = rotate(t6, t7, sqrtHalf, sqrtHalf)
	out[0], out[1], out[2], out[3] = t0, -t4, t6, -t2
	out[4], out[5], out[6], out[7] = t3, -t7, t5, -t1
}

// iadst16 is the ADST of 16 points (section 7.13.2.8).
func iadst16(in, out *line, most int64) {
	t1, t0 := rotate(in[15], in[0], 201, 4091)
	t3, t2 := rotate(in[13], in[2], 995, 3973)
	t5, t4 := rotate(in[11], in[4], 1751, 3703)
	t7, t6 := rotate(in[9], in[6], 2440, 3290)
	t9, t8 := rotate(in[7], in[8], 3035, 2751)
	t11, t10 := rotate(in[5], in[10], 3513, 2106)
	t13, t12 := rotate(in[3], in[12], 3857, 1380)
	t15, t14 := rotate(in[1], in[14], 4052, 601)
	t0, t8 = add2(t0, t8, most)
	t1, t9 = add2(t1, t9, most)
	t2, t10 = add2(t2, t10, most)
	t3, t11 = add2(t3, t11, most)
	t4, t12 = add2(t4, t12, most)
	t5, t13 = add2(t5, t13, most)
	t6, t14 = add2(t6, t14, most)
	t7, t15 = add2(t7, t15, most)
	t9, t8 = rotate(t8, t9, 799, 4017)
	t11, t10 = rotate(t10, t11, 3406, 2276)
	t12, t13 = rotate(t13, t12, 4017, 799)
	t14, t15 = rotate(t15, t14, 2276, 3406)
	t0, t4 = add2(t0, t4, most)
	t1, t5 = add2(t1, t5, most)
	t2, t6 = add2(t2, t6, most)
	t3, t7 = add2(t3, t7, most)
	t8, t12 = add2(t8, t12, most)
	t9, t13 = add2(t9, t13, most)
	t10, t14 = add2(t10, t14, most)
	t11, t15 = add2(t11, t15, most)
	t5, t4 = rotate(t4, t5, 1567, 3784)
	t6, t7 = rotate(t7, t6, 3784, 1567)
	t13, t12 = rotate(t12, t13, 1567, 3784)
	t14, t15 = rotate(t15, t14, 3784, 1567)
	t0, t2 = add2(t0, t2, most)
	t1, t3 = add2(t1, t3, most)
	t4, t6 = add2(t4, t6, most)
	t5, t7 = add2(t5, t7, most)
	t8, t10 = add2(t8, t10, most)
	t9, t11 = add2(t9, t11, most)
	t12, t14 = add2(t12, t14, most)
	t13, t15 = add2(t13, t15, most)
	t3, t2 = rotate(t2, t3, sqrtHalf, sqrtHalf)
	t7, t6 = rotate(t6, t7, sqrtHalf, sqrtHalf)
	t11, t10 = rotate(t10, t11, sqrtHalf, sqrtHalf)
	t15, t14 = rotate(t14, t15, sqrtHalf, sqrtHalf)
	out[0], out[1], out[2], out[3] = t0, -t8, t12, -t4
	out[4], out[5], out[6], out[7] = t6, -t14, t10, -t2
	out[8], out[9], out[10], out[11] = t3, -t11, t15, -t7
	out[12], out[13], out[14], out[15] = t5, -t13, t9, -t1
}
