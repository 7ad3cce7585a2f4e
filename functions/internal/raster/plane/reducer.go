package plane

import "encoding/binary"

// maxFactor bounds a Reducer's factors, because its sums of rows have 16 bits.
const maxFactor = 256

// minOversampling is how many times larger than its result a reduced image stays, so that Resize gives the same result
// as without reduction, to the eye.
const minOversampling = 3

// ReductionFactor is the number of samples that may be averaged before resampling, if the result has one sample for
// ratio of them.
func ReductionFactor(ratio float64) int { return max(1, min(int(ratio/minOversampling), maxFactor)) }

// A Reducer is a box filter for rows that come one after the other. It holds the sums of one row of boxes only.
type Reducer struct {
	planes           []Plane
	width, channels  int
	factorX, factorY int
	columnSums
	rows int // number of rows in the sums
	y    int // the next row of the planes
}

// ReducedBytes is the memory that a Reducer takes for copies of toWidth x toHeight pixels, its planes included.
func ReducedBytes(width, height, channels, toWidth, toHeight int) int64 {
	factorX := ReductionFactor(float64(width) / float64(max(1, toWidth)))
	factorY := ReductionFactor(float64(height) / float64(max(1, toHeight)))
	const sumBytes = 4 // of a sample of the row, packed and unpacked
	planes := int64((width+factorX-1)/factorX) * int64((height+factorY-1)/factorY)
	return int64(channels) * (planes + sumBytes*int64(width))
}

// NewReducer returns a Reducer for rows of interleaved channels, and for boxes of factorX x factorY pixels.
func NewReducer(width, height, channels, factorX, factorY int) *Reducer {
	r := &Reducer{width: width, channels: channels, factorX: factorX, factorY: factorY}
	reducedWidth, reducedHeight := (width+factorX-1)/factorX, (height+factorY-1)/factorY
	for range channels {
		r.planes = append(r.planes, New(reducedWidth, reducedHeight, float64(factorX), float64(factorY)))
	}
	r.sums = make([]uint16, (width*channels+7)&^7)
	return r
}

// Skip implements Sampler: every row is needed.
func (r *Reducer) Skip() bool { return false }

// Add takes the next row, which has width * channels bytes.
func (r *Reducer) Add(row []uint8) {
	if r.factorX == 1 && r.factorY == 1 {
		r.splitRow(row)
		return
	}
	r.add(row, 1)
	if r.rows++; r.rows == r.factorY {
		r.flush()
	}
}

// AddEqual takes the next count rows, which are all the same.
func (r *Reducer) AddEqual(row []uint8, count int) {
	for count > 0 {
		if r.factorY == 1 {
			r.Add(row)
			count--
			continue
		}
		n := min(count, r.factorY-r.rows)
		r.add(row, n)
		count -= n
		if r.rows += n; r.rows == r.factorY {
			r.flush()
		}
	}
}

// Planes completes the last boxes, which may have fewer rows, and returns a plane for each channel. Rows that were not
// added are zeros.
func (r *Reducer) Planes() []Plane {
	if r.rows > 0 {
		r.flush()
	}
	return r.planes
}

// splitRow adds a row that is not reduced.
func (r *Reducer) splitRow(row []uint8) {
	for c, p := range r.planes {
		to := p.Row(r.y)
		if r.channels == 1 {
			copy(to, row)
			continue
		}
		for x, i := 0, c; x < len(to); x, i = x+1, i+r.channels {
			to[x] = row[i]
		}
	}
	r.y++
}

// flush averages the sums to a row of the planes.
func (r *Reducer) flush() {
	r.unpack()
	whole := r.width / r.factorX
	r.average(0, whole, r.factorX)
	if rest := r.width % r.factorX; rest > 0 {
		r.average(whole, whole+1, rest)
	}
	clear(r.sums)
	r.rows = 0
	r.y++
}

// average computes the samples from:to, each of boxes that are count pixels wide.
func (r *Reducer) average(from, to, count int) {
	area := uint64(count * r.rows)
	scale := (1<<32 + area/2) / area
	mean := func(sum uint32) uint8 { return uint8((uint64(sum)*scale + 1<<31) >> 32) }
	size := count * r.channels
	sums := r.sums[from*r.factorX*r.channels:]
	var rows [4][]uint8
	for c, p := range r.planes {
		rows[c] = p.Row(r.y)[from:to]
	}
	switch r.channels {
	case 1:
		for x := range rows[0] {
			sum := uint32(0)
			for _, v := range sums[:size] {
				sum += uint32(v)
			}
			sums = sums[size:]
			rows[0][x] = mean(sum)
		}
	case 3:
		red, green, blue := rows[0], rows[1][:len(rows[0])], rows[2][:len(rows[0])]
		for x := range red {
			var a, b, c uint32
			box := sums[:size]
			for i := 0; i < len(box)-2; i += 3 {
				a += uint32(box[i])
				b += uint32(box[i+1])
				c += uint32(box[i+2])
			}
			sums = sums[size:]
			red[x], green[x], blue[x] = mean(a), mean(b), mean(c)
		}
	case 4:
		red, green, blue, alpha := rows[0], rows[1][:len(rows[0])], rows[2][:len(rows[0])], rows[3][:len(rows[0])]
		for x := range red {
			var a, b, c, d uint32
			box := sums[:size]
			for i := 0; i < len(box)-3; i += 4 {
				a += uint32(box[i])
				b += uint32(box[i+1])
				c += uint32(box[i+2])
				d += uint32(box[i+3])
			}
			sums = sums[size:]
			red[x], green[x], blue[x], alpha[x] = mean(a), mean(b), mean(c), mean(d)
		}
	default:
		for c, row := range rows[:r.channels] {
			next := sums[c:]
			for x := range row {
				sum := uint32(0)
				for i := 0; i < size; i += r.channels {
					sum += uint32(next[i])
				}
				next = next[min(size, len(next)):]
				row[x] = mean(sum)
			}
		}
	}
}

// Reduce averages boxes of factorX x factorY samples.
func (p Plane) Reduce(factorX, factorY int) Plane {
	switch {
	case factorX == 1 && factorY == 1:
		return p
	case factorX == 2 && factorY == 2:
		return p.halve()
	}
	r := NewReducer(p.Width, p.Height, 1, factorX, factorY)
	for y := range p.Height {
		r.Add(p.Row(y))
	}
	reduced := r.Planes()[0]
	reduced.StepX, reduced.StepY = p.StepX*float64(factorX), p.StepY*float64(factorY)
	return reduced
}

// halve averages boxes of 2x2 samples.
func (p Plane) halve() Plane {
	half := New((p.Width+1)/2, (p.Height+1)/2, 2*p.StepX, 2*p.StepY)
	for y := range half.Height {
		halveRows(half.Row(y), p.Row(2*y), p.Row(min(2*y+1, p.Height-1)))
	}
	return half
}

// halveRows averages boxes of two samples of each row, the last of which may have one: four boxes at a time, whose sums
// are in 16 bits each of a word.
func halveRows(to, first, second []uint8) {
	const even, pairs, rounding = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff, 0x0002000200020002
	second = second[:len(first)]
	x := 0
	for ; 2*x+8 <= len(first); x += 4 {
		a, b := binary.LittleEndian.Uint64(first[2*x:]), binary.LittleEndian.Uint64(second[2*x:])
		means := (a&even + a>>8&even + b&even + b>>8&even + rounding) >> 2 & even
		means = (means | means>>8) & pairs
		binary.LittleEndian.PutUint32(to[x:], uint32(means|means>>16))
	}
	for ; x < len(to); x++ {
		left, right := 2*x, min(2*x+1, len(first)-1)
		sum := uint(first[left]) + uint(first[right]) + uint(second[left]) + uint(second[right])
		to[x] = uint8((sum + 2) / 4)
	}
}
