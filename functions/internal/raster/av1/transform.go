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

// A transformer has the buffers of an inverse transform.
type transformer struct {
	// columns has the values after the transforms of rows: for each 8 columns, a vector for each row.
	columns [8][64 * vectorSize]int32
	work    [64 * vectorSize]int32
	wide    [64 * vectorSize]int32 // coefficients of rows of 64, of which the second half is zeros
}

// coefficientIndex returns where inverse takes a coefficient: for each 8 rows of a block, there is a vector for each of
// its columns, or for the first 32.
func coefficientIndex(x, y, logW int) int {
	return y/vectorSize*vectorSize<<min(logW, 5) + x*vectorSize + y%vectorSize
}

// inverse adds the inverse transform of a block to the samples of a plane from pix[0] on (sections 7.12.3 and 7.13.3),
// and clears the coefficients. They are Dequant, in the order of coefficientIndex. All are zero but those of the first
// columns and rows.
func (t *transformer) inverse(
	pix []uint16, stride int, coefficients []int32, size txSize, kind txType, rows, columns int, depth uint,
) {
	logW, logH := uint(txWidthLog2[size]), uint(txHeightLog2[size])
	switch {
	case kind >= walshHadamard:
		addLossless(pix, stride, coefficients, depth)
	case kind == dctDCT && columns == 1 && rows == 1:
		addConstant(pix, stride, coefficients, logW, logH, depth)
	default:
		lines := &transformLines[kind]
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
	rounded := roundShift(int32(round12(v*sqrtHalf)), rowShifts[logW-2][logH-2])
	v = (round12(int64(clampTo(rounded, columnLimit(depth)))*sqrtHalf) + 8) >> 4
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
	size := vectorSize << min(logW, 5)
	most, limit := int32(1)<<(depth+7)-1, columnLimit(depth)
	f := &networks[kind][logW-2]
	for y := 0; y < rows; y += vectorSize {
		lines := min(rows-y, vectorSize)
		from := coefficients[:size]
		coefficients = coefficients[size:]
		if isTwice(logW, logH) {
			half := halfSteps[:(columns+1)/2]
			pairs := from[:2*vectorSize*len(half)]
			runSteps(half, pairs, pairs, lines, most, depth)
		}
		in := from
		if logW > 5 {
			copy(t.wide[:], from)
			in = t.wide[:]
		}
		f.run(in, t.work[:], lines, most, depth)
		clear(from[:columns*vectorSize])
		for x := range (1<<logW + vectorSize - 1) / vectorSize {
			transpose(t.work[x*vectorSize*vectorSize:], t.columns[x][y*vectorSize:], rowShifts[logW-2][logH-2], limit)
		}
	}
}

// transformColumns transforms the columns and adds the result to the samples.
func (t *transformer) transformColumns(pix []uint16, stride int, logW, logH uint, kind uint8, rows int, depth uint) {
	limit, most := columnLimit(depth), int32(1)<<depth-1
	w, h := 1<<logW, 1<<logH
	f := &networks[kind][logH-2]
	for x := 0; x < w; x += vectorSize {
		lines := min(w, vectorSize)
		in := t.columns[x/vectorSize][:]
		clear(in[rows*vectorSize : h*vectorSize]) // and what transformRows left there
		f.run(in, t.work[:], lines, limit, 10)    // as these have 18 bits at every depth
		addVectors(pix[x:], stride, lines, h, t.work[:], most)
	}
}

// addLossless is inverse for the Walsh-Hadamard transform of 4x4 samples.
func addLossless(pix []uint16, stride int, coefficients []int32, depth uint) {
	most := int32(1)<<depth - 1
	var columns [4]*[vectorSize]int32
	for x := range columns {
		columns[x] = (*[vectorSize]int32)(coefficients[x*vectorSize:])
	}
	for y := range 4 {
		a, b, c, d := &columns[0][y], &columns[1][y], &columns[2][y], &columns[3][y]
		*a, *b, *c, *d = walshHadamard4(*a>>2, *b>>2, *c>>2, *d>>2)
	}
	for x, column := range columns {
		a, b, c, d := walshHadamard4(column[0], column[1], column[2], column[3])
		for y, v := range [4]int32{a, b, c, d} {
			at := y*stride + x
			pix[at] = clipSample(int32(pix[at])+v, most)
		}
		clear(column[:])
	}
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
func columnLimit(depth uint) int32 { return int32(1)<<(max(depth+6, 16)-1) - 1 }

func clampTo(v, most int32) int32 { return max(^most, min(v, most)) }

func round12(v int64) int64 { return (v + 1<<11) >> 12 }

func roundShift(v int32, shift uint8) int32 { return (v + 1<<shift>>1) >> shift }

func clipSample(v, most int32) uint16 {
	if uint32(v) > uint32(most) {
		v = max(0, min(v, most))
	}
	return uint16(v)
}
