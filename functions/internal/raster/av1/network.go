package av1

import mathbits "math/bits"

// Lines are transformed 8 at a time, because processors have vectors of as many values: one of each line. A transform
// is a network of butterflies, each of which makes two vectors of two.

// vectorSize is the number of values of a vector.
const vectorSize = 8

type lanes = [vectorSize]int32

// A step is a butterfly (section 7.13.2.1): B without a flip, which rotates by the angle with this cosine and sine, or
// H if both are 0, which adds and subtracts.
type step struct {
	a, b, x, y uint16 // the indices of two vectors, and of those that they give, times vectorSize
	cos, sin   int32
}

// A network is a one-dimensional transform. The steps in first read its input, each vector once, and the others what
// those before them wrote.
type network struct {
	size        int // of input and output
	first, rest []step
	adst4       *[4]int // the order of results of the ADST of 4 points, which has no butterflies
}

// run transforms lines. Sums are clamped to the range of most.
func (n *network) run(in, out []int32, lines int, most int32, depth uint) {
	in, out = in[:n.size], out[:n.size]
	if n.adst4 != nil {
		iadst4(in, out, lines, n.adst4)
		return
	}
	runSteps(n.first, in, out, lines, most, depth)
	runSteps(n.rest, out, out, lines, most, depth)
}

// networks are the networks by kind, and by the logarithm of the number of points, less 2.
var networks = func() (t [4][5]network) {
	for log := 2; log <= 6; log++ {
		for kind := range t {
			t[kind][log-2].size = vectorSize << log
		}
		t[lineDCT][log-2].addDCT(log, 1)
		t[lineIdentity][log-2].addIdentity(log)
	}
	t[lineADST][0].adst4, t[lineFlipADST][0].adst4 = &[4]int{0, 1, 2, 3}, &[4]int{3, 2, 1, 0}
	for log := 3; log <= 4; log++ {
		t[lineADST][log-2].addADST(log, false)
		t[lineFlipADST][log-2].addADST(log, true)
	}
	return t
}()

// halfSteps multiply pairs of vectors by the square root of 1/2.
var halfSteps = func() (steps [16]step) {
	for i := range steps {
		steps[i] = newStep(2*i, 2*i+1, 2*i, 2*i+1, sqrtHalf, 0)
	}
	return steps
}()

func newStep(a, b, x, y int, cos, sin int32) step {
	return step{vectorSize * uint16(a), vectorSize * uint16(b), vectorSize * uint16(x), vectorSize * uint16(y), cos, sin}
}

// read rotates two vectors of the input.
func (n *network) read(a, b, x, y int, cos, sin int32) {
	n.first = append(n.first, newStep(a, b, x, y, cos, sin))
}

func (n *network) rotate(a, b, x, y int, cos, sin int32) {
	n.rest = append(n.rest, newStep(a, b, x, y, cos, sin))
}

func (n *network) sum(a, b int) { n.rest = append(n.rest, newStep(a, b, a, b, 0, 0)) }

// cosines is Cos128_Lookup (section 7.13.2.1): cosines of multiples of pi/128, times 4096.
var cosines = [65]int32{
	4096, 4095, 4091, 4085, 4076, 4065, 4052, 4036, 4017, 3996, 3973, 3948, 3920, 3889, 3857, 3822, 3784, 3745, 3703,
	3659, 3612, 3564, 3513, 3461, 3406, 3349, 3290, 3229, 3166, 3102, 3035, 2967, 2896, 2824, 2751, 2675, 2598, 2520,
	2440, 2359, 2276, 2191, 2106, 2019, 1931, 1842, 1751, 1660, 1567, 1474, 1380, 1285, 1189, 1092, 995, 897, 799, 700,
	601, 501, 401, 301, 201, 101, 0,
}

// A rotation is by an odd multiple of pi/(4*n), for n of rotations.
type rotation struct {
	odd      int
	cos, sin int32
}

// rotations returns rotations by multiples of 1, 5, 9, ... 2*n-3, in the order of bits reversed. n is a power of 2.
func rotations(n int) []rotation {
	all := make([]rotation, max(n/2, 1))
	for i := range all {
		odd := 1
		for bit := 1; bit < n/2; bit *= 2 {
			if i&bit != 0 {
				odd += n / bit
			}
		}
		angle := odd * 32 / n
		all[i] = rotation{odd, cosines[64-angle], cosines[angle]}
	}
	return all
}

// addDCT adds the transform of 1<<log points, to vectors from 0 on. Its input vectors are apart from each other. It is
// that of half as many points, of even coefficients, beside a network of the odd ones. That has groups of ever more
// vectors: the outer and the inner ones of each are added, every other group the other way round, and then some are
// rotated.
func (n *network) addDCT(log, apart int) {
	if log == 1 {
		n.read(0, apart, 1, 0, sqrtHalf, sqrtHalf)
		return
	}
	n.addDCT(log-1, 2*apart)
	count := 1 << (log - 1)
	odd := func(i int) int { return count + i }
	for i, r := range rotations(count) {
		n.read(apart*r.odd, apart*(2*count-r.odd), odd(i), odd(count-1-i), r.cos, r.sin)
	}
	for size := 2; size < count; size *= 2 {
		for i := range size / 2 {
			for group := 0; group < count; group += 2 * size {
				n.sum(odd(group+i), odd(group+size-1-i))
				n.sum(odd(group+2*size-1-i), odd(group+size+i))
			}
		}
		for i, r := range rotations(count / (2 * size)) {
			for at := 2*size*i + size/2; at < min(2*size*i+size, count/2); at++ {
				n.rotate(odd(count-1-at), odd(at), odd(at), odd(count-1-at), r.cos, r.sin)
			}
			for at := 2*size*i + size; at < min(2*size*i+size+size/2, count/2); at++ {
				n.rotate(odd(count-1-at), odd(at), odd(at), odd(count-1-at), -r.sin, r.cos)
			}
		}
	}
	for i := range count {
		n.sum(i, 2*count-1-i)
	}
}

// addADST adds the ADST of 1<<log points, 8 or 16 (sections 7.13.2.7 and 7.13.2.8). Flipped, its results are reversed.
func (n *network) addADST(log int, isFlipped bool) {
	count := 1 << log
	var places [16]int // of the vectors
	for i := range count {
		gray := i ^ i>>1
		place := i
		if isFlipped {
			place = count - 1 - i
		}
		places[mathbits.Reverse8(uint8(gray))>>(8-log)] = place
	}
	at := func(i int) int { return places[i] }
	for i := 0; i < count; i += 2 {
		angle := 32 * (2*i + 1) / count
		n.read(count-1-i, i, at(i+1), at(i), cosines[64-angle], cosines[angle])
	}
	for size := count / 2; size >= 2; size /= 2 {
		for i := range count {
			if i&size == 0 {
				n.sum(at(i), at(i+size))
			}
		}
		for group := size; group < count; group += 2 * size {
			for i, r := range rotations(size / 2) {
				first, second := group+2*i, group+size/2+2*i
				n.rotate(at(first), at(first+1), at(first+1), at(first), r.cos, r.sin)
				if size > 2 {
					n.rotate(at(second+1), at(second), at(second), at(second+1), r.sin, r.cos)
				}
			}
		}
	}
	for i := 1; i < count; i += 4 { // Every other result is negated.
		a, b := i, i+2
		if isFlipped {
			a, b = count-1-a, count-1-b
		}
		n.rotate(a, b, a, b, -4096, 0)
	}
}

// addIdentity adds the identity transform (section 7.13.2.15): it multiplies by a power of the square root of 2.
func (n *network) addIdentity(log int) {
	factors := [7]int32{2: 5793, 3: 2 * 4096, 4: 11586, 5: 4 * 4096}
	for i := 0; i < 1<<log; i += 2 {
		n.read(i, i+1, i, i+1, factors[log], 0)
	}
}

// iadst4 is the ADST of 4 points (section 7.13.2.6).
func iadst4(in, out []int32, lines int, order *[4]int) {
	in = in[:4*vectorSize]
	for i := range lines {
		i0, i1, i2, i3 := int64(in[i]), int64(in[vectorSize+i]), int64(in[2*vectorSize+i]), int64(in[3*vectorSize+i])
		a := 1321*i0 + 3803*i2 + 2482*i3
		b := 2482*i0 - 1321*i2 - 3803*i3
		c := 3344 * i1
		out[order[0]*vectorSize+i] = int32(round12(a + c))
		out[order[1]*vectorSize+i] = int32(round12(b + c))
		out[order[2]*vectorSize+i] = int32(round12(3344 * (i0 - i2 + i3)))
		out[order[3]*vectorSize+i] = int32(round12(a + b - c))
	}
}
