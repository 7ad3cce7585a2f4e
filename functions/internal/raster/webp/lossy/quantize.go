package lossy

import "math"

// levels are the quantized coefficients of a block, in coding order.
type levels [16]int16

// A quantizer has the factors of the coefficients of a block, and what their errors and their rate cost.
type quantizer struct {
	factors  [16]int32  // in coding order
	inverses [16]uint32 // of the factors, times 1<<inverseBits
	weight   int64      // of the square of the error of a coefficient: 16 for that of a pixel
	lambda   int64      // of the rate
}

// Costs are the sum of the squares of the errors of pixels, times 16 * 256 * lambdaScale, and the rate times lambda.
const (
	lambdaScale = 16
	inverseBits = 20
)

func newQuantizer(by dequantFactors, weight, lambda int64) quantizer {
	q := quantizer{weight: weight * 256 * lambdaScale, lambda: lambda}
	for i := range q.factors {
		q.factors[i] = by[min(i, 1)]
		q.inverses[i] = uint32((1<<inverseBits + q.factors[i]/2) / q.factors[i])
	}
	return q
}

// A trellis is the search for the levels of a block: by coefficient, and by what the level is for the next one's
// context: 0, 1, or more.
type trellis struct {
	sizes, nearest [16]int32 // the coefficients without their signs, and the levels nearest to them
	cost           [3]int64  // of the best way to each context
	from           [16][3]uint8
	chosen         [16][3]int16
}

const never = math.MaxInt64 / 2

// quantize chooses the levels of a block from first on, so that the errors and the rate together cost least, and
// returns that cost. It sets end to the index after the last level that is not 0, or 0.
func (q *quantizer) quantize(rates *[16][3]nodeRates, context uint8, first int, coefs *[16]int32, to *levels,
	end *uint8) (cost int64) {
	var t trellis
	*to, *end = levels{}, 0
	last, zeros := t.round(q, first, coefs)
	cost = zeros + q.lambda*int64(rates[first][context%3].end)
	if last < first {
		return cost
	}
	at, state := -1, 0
	t.cost = [3]int64{never, never, never}
	t.cost[context%3] = zeros
	for n := first; n <= last; n++ {
		t.step(q, &rates[n], n, n == first)
		for s := 1; s < 3; s++ {
			ended := t.cost[s]
			if n < 15 {
				ended += q.lambda * int64(rates[n+1][s].end)
			}
			if ended < cost {
				cost, at, state = ended, n, s
			}
		}
	}
	*end = uint8(at + 1)
	for n := at; n >= first; n-- {
		to[n] = t.chosen[n][state]
		if coefs[zigzag[n]] < 0 {
			to[n] = -to[n]
		}
		state = int(t.from[n][state])
	}
	return cost
}

// round sets the nearest levels. It returns the index of the last one that is not 0, or -1, and the cost of the errors
// if all were 0.
func (t *trellis) round(q *quantizer, first int, coefs *[16]int32) (last int, cost int64) {
	last = -1
	for n := first; n < 16; n++ {
		size := absInt32(coefs[zigzag[n]])
		level := int32((uint32(size)*q.inverses[n] + 1<<(inverseBits-1)) >> inverseBits)
		if level > 0 {
			last = n
		}
		t.sizes[n], t.nearest[n] = size, min(level, maxLevel)
		cost += int64(size) * int64(size)
	}
	return last, cost * q.weight
}

// step extends the best ways by a coefficient: by its nearest level, and by the one below.
func (t *trellis) step(q *quantizer, rates *[3]nodeRates, n int, isFirst bool) {
	before := t.cost
	t.cost = [3]int64{never, never, never}
	size := int64(t.sizes[n])
	for level := t.nearest[n]; level >= max(0, t.nearest[n]-1); level-- {
		rest := size - int64(level*q.factors[n])
		change := q.weight*(rest*rest-size*size) + q.lambda*int64(extraRates[level])
		symbol, to := symbolOf(level), min(level, 2)
		for s, cost := range before {
			rate := rates[s].after[symbol]
			if s > 0 || isFirst {
				rate = rates[s].first[symbol]
			}
			if cost += change + q.lambda*int64(rate); cost < t.cost[to] {
				t.cost[to], t.from[n][to], t.chosen[n][to] = cost, uint8(s), int16(level)
			}
		}
	}
}

// dequantize sets the coefficients of a block from first on.
func (q *quantizer) dequantize(l *levels, first int, end uint8, to *block) {
	for n := first; n < int(end); n++ {
		to[zigzag[n]] = int16(int32(l[n]) * q.factors[n])
	}
}
