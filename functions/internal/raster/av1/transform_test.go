package av1

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// literal is the inverse transform as the specification has it: an array T, and functions that change it.
type literal struct {
	t []int64
}

func brev(bits, x int) int {
	t := 0
	for i := range bits {
		t += x >> i & 1 << (bits - 1 - i)
	}
	return t
}

func cos128(angle int) int64 {
	switch a := angle & 255; {
	case a <= 64:
		return int64(cosines[a])
	case a <= 128:
		return -int64(cosines[128-a])
	case a <= 192:
		return -int64(cosines[a-128])
	default:
		return int64(cosines[256-a])
	}
}

func sin128(angle int) int64 { return cos128(angle - 64) }

func (l literal) b(a, b, angle, flip int) {
	x := l.t[a]*cos128(angle) - l.t[b]*sin128(angle)
	y := l.t[a]*sin128(angle) + l.t[b]*cos128(angle)
	l.t[a], l.t[b] = round12(x), round12(y)
	if flip == 1 {
		l.t[a], l.t[b] = l.t[b], l.t[a]
	}
}

func (l literal) h(a, b, flip, r int) {
	if flip == 1 {
		a, b = b, a
	}
	x, y := l.t[a], l.t[b]
	clip := func(v int64) int64 { return max(-(int64(1) << (r - 1)), min(v, int64(1)<<(r-1)-1)) }
	l.t[a], l.t[b] = clip(x+y), clip(x-y)
}

func (l literal) dct(n, r int) {
	before := slices.Clone(l.t)
	for i := range 1 << n {
		l.t[i] = before[brev(n, i)]
	}
	each := func(least, count int, f func(i int)) {
		if n >= least {
			for i := range count {
				f(i)
			}
		}
	}
	each(6, 16, func(i int) { l.b(32+i, 63-i, 63-4*brev(4, i), 0) })
	each(5, 8, func(i int) { l.b(16+i, 31-i, 6+brev(3, 7-i)<<3, 0) })
	each(6, 16, func(i int) { l.h(32+i*2, 33+i*2, i&1, r) })
	each(4, 4, func(i int) { l.b(8+i, 15-i, 12+brev(2, 3-i)<<4, 0) })
	each(5, 8, func(i int) { l.h(16+2*i, 17+2*i, i&1, r) })
	each(6, 8, func(k int) { i, j := k/2, k%2; l.b(62-i*4-j, 33+i*4+j, 60-16*brev(2, i)+64*j, 1) })
	each(3, 2, func(i int) { l.b(4+i, 7-i, 56-32*i, 0) })
	each(4, 4, func(i int) { l.h(8+2*i, 9+2*i, i&1, r) })
	each(5, 4, func(k int) { i, j := k/2, k%2; l.b(30-4*i-j, 17+4*i+j, 24+j<<6+(1-i)<<5, 1) })
	each(6, 16, func(k int) { i, j := k/2, k%2; l.h(32+i*4+j, 35+i*4-j, i&1, r) })
	each(2, 2, func(i int) { l.b(2*i, 2*i+1, 32+16*i, 1-i) })
	each(3, 2, func(i int) { l.h(4+2*i, 5+2*i, i, r) })
	each(4, 2, func(i int) { l.b(14-i, 9+i, 48+64*i, 1) })
	each(5, 8, func(k int) { i, j := k/2, k%2; l.h(16+4*i+j, 19+4*i-j, i&1, r) })
	each(6, 8, func(k int) { i, j := k/4, k%4; l.b(61-i*8-j, 34+i*8+j, 56-i*32+j>>1*64, 1) })
	each(2, 2, func(i int) { l.h(i, 3-i, 0, r) })
	each(3, 1, func(int) { l.b(6, 5, 32, 1) })
	each(4, 4, func(k int) { i, j := k/2, k%2; l.h(8+4*i+j, 11+4*i-j, i, r) })
	each(5, 4, func(i int) { l.b(29-i, 18+i, 48+i>>1*64, 1) })
	each(6, 16, func(k int) { i, j := k/4, k%4; l.h(32+8*i+j, 39+8*i-j, i&1, r) })
	each(3, 4, func(i int) { l.h(i, 7-i, 0, r) })
	each(4, 2, func(i int) { l.b(13-i, 10+i, 32, 1) })
	each(5, 8, func(k int) { i, j := k/4, k%4; l.h(16+i*8+j, 23+i*8-j, i, r) })
	each(6, 8, func(i int) { l.b(59-i, 36+i, 48+i/4*64, 1) })
	each(4, 8, func(i int) { l.h(i, 15-i, 0, r) })
	each(5, 4, func(i int) { l.b(27-i, 20+i, 32, 1) })
	each(6, 8, func(i int) { l.h(32+i, 47-i, 0, r); l.h(48+i, 63-i, 1, r) })
	each(5, 16, func(i int) { l.h(i, 31-i, 0, r) })
	each(6, 8, func(i int) { l.b(55-i, 40+i, 32, 1) })
	each(6, 32, func(i int) { l.h(i, 63-i, 0, r) })
}

func (l literal) adst4() {
	t := l.t
	s := [7]int64{1321 * t[0], 2482 * t[0], 3344 * t[1], 3803 * t[2], 1321 * t[2], 2482 * t[3], 3803 * t[3]}
	b7 := t[0] - t[2] + t[3]
	s[0] += s[3]
	s[1] -= s[4]
	s[3] = s[2]
	s[2] = 3344 * b7
	s[0] += s[5]
	s[1] -= s[6]
	for i, x := range [4]int64{s[0] + s[3], s[1] + s[3], s[2], s[0] + s[1] - s[3]} {
		t[i] = round12(x)
	}
}

func (l literal) adst(n, r int) {
	if n == 2 {
		l.adst4()
		return
	}
	count := 1 << n
	before := slices.Clone(l.t)
	for i := range count {
		l.t[i] = before[count-i-1]
		if i&1 == 1 {
			l.t[i] = before[i-1]
		}
	}
	if n == 3 {
		for i := range 4 {
			l.b(2*i, 2*i+1, 60-16*i, 1)
		}
		for i := range 4 {
			l.h(i, 4+i, 0, r)
		}
		for i := range 2 {
			l.b(4+3*i, 5+i, 48-32*i, 1)
		}
		for k := range 4 {
			i, j := k/2, k%2
			l.h(4*j+i, 2+4*j+i, 0, r)
		}
		for i := range 2 {
			l.b(2+4*i, 3+4*i, 32, 1)
		}
	} else {
		for i := range 8 {
			l.b(2*i, 2*i+1, 62-8*i, 1)
		}
		for i := range 8 {
			l.h(i, 8+i, 0, r)
		}
		for i := range 2 {
			l.b(8+2*i, 9+2*i, 56-32*i, 1)
			l.b(13+2*i, 12+2*i, 8+32*i, 1)
		}
		for k := range 8 {
			i, j := k/2, k%2
			l.h(8*j+i, 4+8*j+i, 0, r)
		}
		for k := range 4 {
			i, j := k/2, k%2
			l.b(4+8*j+3*i, 5+8*j+i, 48-32*i, 1)
		}
		for k := range 8 {
			i, j := k/4, k%4
			l.h(4*j+i, 2+4*j+i, 0, r)
		}
		for i := range 4 {
			l.b(2+4*i, 3+4*i, 32, 1)
		}
	}
	before = slices.Clone(l.t)
	for i := range count {
		a, b, c, d := i>>3&1, i>>2&1^i>>3&1, i>>1&1^i>>2&1, i&1^i>>1&1
		l.t[i] = before[(d<<3|c<<2|b<<1|a)>>(4-n)]
		if i&1 == 1 {
			l.t[i] = -l.t[i]
		}
	}
}

func (l literal) wht(shift int) {
	t := l.t
	a, c, d, b := t[0]>>shift, t[1]>>shift, t[2]>>shift, t[3]>>shift
	a += c
	d -= b
	e := (a - d) >> 1
	b = e - b
	c = e - c
	a -= b
	d += c
	t[0], t[1], t[2], t[3] = a, b, c, d
}

func (l literal) transform(kind uint8, n, r int) {
	switch kind {
	case lineDCT:
		l.dct(n, r)
	case lineADST, lineFlipADST:
		l.adst(n, r)
	default:
		for i, v := range l.t {
			l.t[i] = [4]int64{round12(v * 5793), 2 * v, round12(v * 11586), 4 * v}[n-2]
		}
	}
}

// literalInverse is transformer.inverse by the text of sections 7.12.3 and 7.13.3.
func literalInverse(coefficients []int32, pix []uint16, stride int, size txSize, txType txType, depth int) {
	logW, logH := int(txWidthLog2[size]), int(txHeightLog2[size])
	w, h := 1<<logW, 1<<logH
	rowShift := map[[2]int]int{
		{2, 2}: 0, {3, 3}: 1, {4, 4}: 2, {5, 5}: 2, {6, 6}: 2, {2, 3}: 0, {3, 2}: 0, {3, 4}: 1, {4, 3}: 1, {4, 5}: 1,
		{5, 4}: 1, {5, 6}: 1, {6, 5}: 1, {2, 4}: 1, {4, 2}: 1, {3, 5}: 2, {5, 3}: 2, {4, 6}: 2, {6, 4}: 2,
	}[[2]int{logW, logH}]
	colShift, isLossless := 4, txType == walshHadamard
	if isLossless {
		rowShift, colShift, txType = 0, 0, 0
	}
	kind := transformLines[txType]
	residual := make([]int64, w*h)
	for i := range h {
		t := make([]int64, w)
		for j := range min(w, 32) {
			if i < 32 {
				t[j] = int64(coefficients[coefficientIndex(j, i, logW)])
			}
		}
		if d := logW - logH; d == 1 || d == -1 {
			for j := range t {
				t[j] = round12(t[j] * 2896)
			}
		}
		if isLossless {
			literal{t}.wht(2)
		} else {
			literal{t}.transform(kind.row, logW, depth+8)
		}
		most := int64(1)<<(max(depth+6, 16)-1) - 1
		for j, v := range t {
			residual[i*w+j] = max(-most-1, min((v+1<<rowShift>>1)>>rowShift, most))
		}
	}
	for j := range w {
		t := make([]int64, h)
		for i := range t {
			t[i] = residual[i*w+j]
		}
		if isLossless {
			literal{t}.wht(0)
		} else {
			literal{t}.transform(kind.column, logH, max(depth+6, 16))
		}
		for i, v := range t {
			residual[i*w+j] = (v + 1<<colShift>>1) >> colShift
		}
	}
	for i := range h {
		for j := range w {
			x, y := j, i
			if kind.row == lineFlipADST {
				x = w - 1 - j
			}
			if kind.column == lineFlipADST {
				y = h - 1 - i
			}
			at := y*stride + x
			pix[at] = uint16(max(0, min(int64(pix[at])+residual[i*w+j], int64(1)<<depth-1)))
		}
	}
}

// isTransform reports whether blocks of a size can have a type: those with a side of 64 have DCT_DCT only, those of 32
// have IDTX too.
func isTransform(size txSize, kind txType) bool {
	longest := max(txWidthLog2[size], txHeightLog2[size])
	if kind == walshHadamard {
		return size == tx4x4
	}
	return longest <= 4 || kind == dctDCT || longest == 5 && kind == identityIdentity
}

// fillCoefficients sets random coefficients in the first columns and rows, some of them as large as can be.
func fillCoefficients(r *rand.Rand, to []int32, logW, columns, rows, depth int, large bool) {
	limit := int32(1) << (7 + depth)
	for y := range rows {
		for x := range columns {
			v := r.Int32N(65) - 32
			switch {
			case large && r.IntN(3) == 0:
				v = r.Int32N(2*limit) - limit
			case r.IntN(4) != 0:
				v /= int32(1 + x + y)
			}
			to[coefficientIndex(x, y, logW)] = v
		}
	}
}

// Every transform returns what the text of the specification does, also of coefficients so large that sums are clamped.
func TestTransformIsLiteral(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const stride = 70
	got, want := make([]uint16, 64*stride), make([]uint16, 64*stride)
	var tr transformer
	coefficients := make([]int32, 32*32)
	for size := range txSizes {
		for kind := range walshHadamard + 1 {
			if !isTransform(size, kind) {
				continue
			}
			logW, logH := txWidthLog2[size], txHeightLog2[size]
			t.Run(fmt.Sprintf("%dx%d/%d", 1<<logW, 1<<logH, kind), func(t *testing.T) {
				for n := range 18 {
					depth := []int{8, 10, 12}[n%3]
					w, h := 1<<min(logW, 5), 1<<min(logH, 5)
					columns, rows := 1+r.IntN(w), 1+r.IntN(h)
					switch {
					case n < 3:
						columns, rows = w, h
					case n < 9:
						columns, rows = 1, 1
					}
					fillCoefficients(r, coefficients, int(logW), columns, rows, depth, n%2 == 1)
					for i := range got {
						got[i] = uint16(r.IntN(1 << depth))
					}
					copy(want, got)
					literalInverse(coefficients, want, stride, size, kind, depth)
					tr.inverse(got, stride, coefficients, size, kind, rows, columns, uint(depth))
					if !slices.Equal(got, want) {
						t.Fatalf("%d columns and %d rows of %d bits: the samples differ", columns, rows, depth)
					}
					if slices.ContainsFunc(coefficients, func(v int32) bool { return v != 0 }) {
						t.Fatalf("%d columns and %d rows: coefficients are left", columns, rows)
					}
				}
			})
		}
	}
}

func BenchmarkTransform(b *testing.B) {
	for _, c := range []struct {
		size          txSize
		kind          txType
		columns, rows int
	}{
		{tx4x4, dctDCT, 4, 4}, {tx4x4, adstADST, 4, 4}, {tx8x8, dctDCT, 8, 8}, {tx8x8, adstADST, 8, 8},
		{tx16x16, dctDCT, 16, 16}, {tx16x16, dctDCT, 4, 4}, {tx16x16, adstADST, 16, 16}, {tx16x16, identityIdentity, 16, 16},
		{tx32x32, dctDCT, 32, 32}, {tx32x32, dctDCT, 8, 8}, {tx32x32, dctDCT, 1, 1}, {tx64x64, dctDCT, 32, 32},
		{tx64x64, dctDCT, 8, 8},
	} {
		logW, logH := txWidthLog2[c.size], txHeightLog2[c.size]
		b.Run(fmt.Sprintf("%dx%d/%d/%dx%d", 1<<logW, 1<<logH, c.kind, c.columns, c.rows), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			var tr transformer
			pix := make([]uint16, 64*64)
			var block, coefficients [32 * 32]int32
			fillCoefficients(r, block[:], int(logW), c.columns, c.rows, 8, false)
			b.SetBytes(int64(1 << (logW + logH)))
			for b.Loop() {
				coefficients = block
				tr.inverse(pix, 64, coefficients[:], c.size, c.kind, c.rows, c.columns, 8)
			}
		})
	}
}
