package plane

import (
	"math"
	"sync"
)

// An Axis maps the samples of a result to the image, across or down.
type Axis struct {
	// Count is the number of samples of the result.
	Count int
	// Start is where the first of them begins, and Step the distance to the next, in pixels of the image.
	Start, Step float64
}

// Resize resamples a plane with Lanczos3, stretched by the factor of reduction, in fixed point. At the edges of the
// plane the kernel is cut off and normalized.
func (p Plane) Resize(x, y Axis) Plane {
	p = p.Reduce(ReductionFactor(x.Step/p.StepX), ReductionFactor(y.Step/p.StepY))
	result := New(x.Count, y.Count, x.Step, y.Step)
	across := cachedKernel(kernelKey{p.Width, x.Count, x.Start / p.StepX, x.Step / p.StepX})
	down := cachedKernel(kernelKey{p.Height, y.Count, y.Start / p.StepY, y.Step / p.StepY})
	if !p.resampleVectors(result, across, down) {
		p.resample(result, across, down)
	}
	return result
}

// resample is resampleVectors in Go.
func (p Plane) resample(result Plane, across, down *kernel) {
	rows := newWindow(down.maxTaps, p.Width)
	defer rows.release()
	next := 0 // the next row of p that is not in the window
	for i := 0; i < result.Height; i += 2 {
		clear(rows.pairs)
		for j := range min(2, result.Height-i) {
			tap := down.tap(i + j)
			for next = max(next, tap.first); next < tap.first+len(tap.weights); next++ {
				packPairs(rows.row(next), p.Row(next))
			}
			rows.resampleColumn(tap, 32*j)
		}
		across.resampleRows(result.Row(i), result.Row(min(i+1, result.Height-1)), rows.pairs)
	}
}

// Weights have 14 fraction bits. Rows that were resampled down keep 6.
const (
	weightBits = 14
	rowBits    = 6
)

// A kernel has the weights of every sample of a result.
type kernel struct {
	maxTaps int // the largest number of weights of a sample
	firsts  []int32
	counts  []int
	stride  int     // maxTaps, rounded up to a multiple of 8
	weights []int16 // stride for each sample; those after the last are 0
}

// A tap is the weights of one sample of a result, and the source sample of the first.
type tap struct {
	first   int
	weights []int16
}

func (k *kernel) tap(i int) tap { return tap{int(k.firsts[i]), k.weights[i*k.stride:][:k.counts[i]]} }

// kernelCache keeps kernels, because most thumbnails are made of the few sizes of cameras.
var kernelCache struct {
	sync.Mutex
	byKey map[kernelKey]*kernel
}

// A kernelKey is an axis in samples of the plane that it is resampled from.
type kernelKey struct {
	from, to    int
	start, step float64
}

// Bounds of the cache: larger kernels are not kept, because the files that need them are rare.
const (
	maxKernels = 64
	maxWeights = 1 << 14
)

func cachedKernel(s kernelKey) *kernel {
	kernelCache.Lock()
	defer kernelCache.Unlock()
	if k := kernelCache.byKey[s]; k != nil {
		return k
	}
	k := newKernel(s)
	if len(k.weights) > maxWeights {
		return k
	}
	if kernelCache.byKey == nil || len(kernelCache.byKey) >= maxKernels {
		kernelCache.byKey = map[kernelKey]*kernel{}
	}
	kernelCache.byKey[s] = k
	return k
}

func newKernel(s kernelKey) *kernel {
	scale := max(1, s.step)
	radius := 3 * scale
	k := &kernel{maxTaps: min(s.from, int(math.Ceil(2*radius))+1)}
	k.stride = (k.maxTaps + 7) &^ 7
	k.firsts, k.counts, k.weights = make([]int32, s.to), make([]int, s.to), make([]int16, s.to*k.stride)
	exact := make([]float64, k.maxTaps)
	for i := range s.to {
		center := s.start + (float64(i)+0.5)*s.step
		first := min(max(0, int(math.Floor(center-radius+0.5))), s.from-1)
		end := max(first+1, min(int(math.Ceil(center+radius-0.5)), s.from, first+k.maxTaps))
		sum := 0.0
		for j := range end - first {
			exact[j] = lanczos3((float64(first+j) + 0.5 - center) / scale)
			sum += exact[j]
		}
		k.firsts[i], k.counts[i] = int32(first), end-first
		quantizeWeights(k.weights[i*k.stride:][:end-first], exact[:end-first], sum)
	}
	return k
}

// quantizeWeights makes fixed point weights whose sum is exactly 1, so that an even surface stays as it is. The
// rounding error of each is carried to the next.
func quantizeWeights(weights []int16, exact []float64, sum float64) {
	carried, whole := 0.0, int32(0)
	for i, w := range exact {
		carried += w / sum * (1 << weightBits)
		weight := int32(math.Round(carried)) - whole
		weights[i] = int16(weight)
		whole += weight
	}
}

func lanczos3(x float64) float64 {
	switch {
	case x == 0:
		return 1
	case x <= -3 || x >= 3:
		return 0
	}
	x *= math.Pi
	return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
}

// resampleRows resamples two rows across that a window has resampled down. If there is only one, second is the same
// slice as first, whose samples are written last.
func (k *kernel) resampleRows(first, second []uint8, pairs []int64) {
	const shift, half = weightBits + rowBits, 1 << (weightBits + rowBits - 1)
	for i := range first {
		weights := k.weights[i*k.stride:][:k.counts[i]]
		samples := pairs[k.firsts[i]:][:len(weights)]
		var sum int64
		for j, w := range weights {
			sum += int64(w) * samples[j]
		}
		low, high := unpackPair(sum)
		second[i] = clamp((high + half) >> shift)
		first[i] = clamp((low + half) >> shift)
	}
}

// unpackPair returns the two sums of a word. A negative lower one has borrowed from the higher one.
func unpackPair(word int64) (low, high int32) {
	low = int32(word)
	return low, int32((word - int64(low)) >> 32)
}

// A window has the last rows of a plane, as many as a sample of the result needs. Words hold pairs of samples, so that
// one multiplication serves both: neighbours in a row before it is resampled down, neighbours in a column after that.
type window struct {
	rows   [][]int64
	sums   []int64
	pairs  []int64
	buffer *[]int64
}

var buffers = sync.Pool{New: func() any { return new([]int64) }}

func newWindow(rows, width int) window {
	words := (width + 1) / 2
	w := window{rows: make([][]int64, rows), buffer: buffers.Get().(*[]int64)}
	if cap(*w.buffer) < (rows+3)*words {
		*w.buffer = make([]int64, (rows+3)*words)
	}
	rest := (*w.buffer)[:cap(*w.buffer)]
	for i := range w.rows {
		w.rows[i], rest = rest[:words:words], rest[words:]
	}
	w.sums, rest = rest[:words:words], rest[words:]
	w.pairs = rest[:2*words]
	return w
}

func (w *window) release() { buffers.Put(w.buffer) }

func (w *window) row(y int) []int64 { return w.rows[y%len(w.rows)] }

func packPairs(to []int64, from []uint8) {
	for i := range len(from) / 2 {
		to[i] = int64(from[2*i]) | int64(from[2*i+1])<<32
	}
	if n := len(from); n%2 == 1 {
		to[n/2] = int64(from[n-1])
	}
}

// resampleColumn resamples one row down, into the half of the pairs that begins at a bit.
func (w *window) resampleColumn(t tap, bit int) {
	sums := w.sums
	clear(sums)
	weights, y := t.weights, t.first
	for ; len(weights) >= 4; weights, y = weights[4:], y+4 {
		w0, w1, w2, w3 := int64(weights[0]), int64(weights[1]), int64(weights[2]), int64(weights[3])
		r0, r1, r2, r3 := w.row(y)[:len(sums)], w.row(y + 1)[:len(sums)], w.row(y + 2)[:len(sums)], w.row(y + 3)[:len(sums)]
		for x := range sums {
			sums[x] += w0*r0[x] + w1*r1[x] + w2*r2[x] + w3*r3[x]
		}
	}
	for i, weight := range weights {
		row := w.row(y + i)[:len(sums)]
		for x, v := range row {
			sums[x] += int64(weight) * v
		}
	}
	const shift, half = weightBits - rowBits, 1 << (weightBits - rowBits - 1)
	for x, sum := range sums {
		left, right := unpackPair(sum)
		w.pairs[2*x] += int64((left+half)>>shift) << bit
		w.pairs[2*x+1] += int64((right+half)>>shift) << bit
	}
}
