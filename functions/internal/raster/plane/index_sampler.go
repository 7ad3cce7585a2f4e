package plane

import "bytes"

// Colors are those of indexes: premultiplied RGBA, the first channel in the lowest byte.
type Colors [256]uint32

// An IndexSampler is a Sampler of rows of indexes. Its planes are those of RGBA, or of RGB if all of it is opaque.
type IndexSampler interface {
	Sampler
	// AddAt takes the next row, which has indexes from column x on. The rest is transparent.
	AddAt(x int, indexes []uint8)
}

// NewIndexSampler returns an IndexSampler of an image of width x height pixels for copies of toWidth x toHeight, which
// show the nearest pixels, or means.
func NewIndexSampler(c *Colors, width, height, toWidth, toHeight int, nearest bool) IndexSampler {
	if nearest {
		return &indexPicker{newPicker(width, height, 4, toWidth, toHeight), c}
	}
	factorX := ReductionFactor(float64(width) / float64(toWidth))
	factorY := ReductionFactor(float64(height) / float64(toHeight))
	r := &indexReducer{colors: c, wide: c.widened(), width: width, factorX: factorX, factorY: factorY}
	width, height = (width+factorX-1)/factorX, (height+factorY-1)/factorY
	r.packed = make([]uint64, width)
	if factorX*factorY > maxPacked {
		r.sums = make([]boxSum, width)
	}
	for range 3 {
		r.planes = append(r.planes, New(width, height, float64(factorX), float64(factorY)))
	}
	return r
}

// widened returns the same colours.
func (c *Colors) widened() *wideColors {
	wide := new(wideColors)
	for i, color := range c {
		for shift := 0; shift < 32; shift += 8 {
			wide[i] |= uint64(color>>shift&0xff) << (2 * shift)
		}
	}
	return wide
}

// An indexReducer is a Reducer of indexes. It sums the colours of a box as words, and never makes pixels.
type indexReducer struct {
	colors                  *Colors
	wide                    *wideColors
	planes                  []Plane // of RGB, or of RGBA once a box was not opaque
	width, factorX, factorY int
	packed                  []uint64 // the sums of a row of boxes, 16 bits for each channel
	packedRows              int      // number of rows in packed
	sums                    []boxSum // what did not fit into packed
	rows                    int      // number of rows in both
	y                       int      // the next row of the planes
}

// maxPacked is how many pixels can be summed in 16 bits.
const maxPacked = 257

// A boxSum is the sum of the colours of a box, 32 bits for each channel.
type boxSum struct{ redAndBlue, greenAndAlpha uint64 }

// plus adds a sum with 16 bits for each channel.
func (s boxSum) plus(packed uint64) boxSum {
	const even = 0x0000ffff_0000ffff
	return boxSum{s.redAndBlue + packed&even, s.greenAndAlpha + packed>>16&even}
}

// Skip implements Sampler: every row is needed.
func (r *indexReducer) Skip() bool { return false }

// Add implements Sampler.
func (r *indexReducer) Add(indexes []uint8) { r.AddAt(0, indexes) }

// AddAt implements IndexSampler.
func (r *indexReducer) AddAt(x int, indexes []uint8) {
	if r.factorX == 1 && r.factorY == 1 {
		r.copy(x, indexes)
		return
	}
	if r.packedRows++; r.packedRows*r.factorX > maxPacked {
		r.unpack()
		r.packedRows = 1
	}
	box := x / r.factorX
	if inBox := x % r.factorX; inBox > 0 { // the first box begins before x
		first := min(r.factorX-inBox, len(indexes))
		r.packed[box] += r.wide.sum(indexes[:first])
		indexes = indexes[first:]
		box++
	}
	r.wide.addBoxes(r.packed[box:], indexes, r.factorX)
	if r.rows++; r.rows == r.factorY {
		r.flush()
	}
}

// unpack makes space in packed.
func (r *indexReducer) unpack() {
	for i, packed := range r.packed {
		r.sums[i] = r.sums[i].plus(packed)
	}
	clear(r.packed)
}

// wideColors are Colors with 16 bits for each channel.
type wideColors [256]uint64

// sum returns the sum of the colours of indexes.
func (c *wideColors) sum(indexes []uint8) (sum uint64) {
	for ; len(indexes) >= 4; indexes = indexes[4:] {
		sum += c[indexes[0]] + c[indexes[1]] + c[indexes[2]] + c[indexes[3]]
	}
	for _, index := range indexes {
		sum += c[index]
	}
	return sum
}

// addBoxes adds the colours of indexes to the sums of boxes that are factor wide, the last of which may be cut.
func (c *wideColors) addBoxes(sums []uint64, indexes []uint8, factor int) {
	whole := len(indexes) / factor
	if whole < len(sums) {
		sums[whole] += c.sum(indexes[whole*factor:])
	}
	sums = sums[:whole]
	switch factor { // of a small one, the number of indexes is known to the compiler
	case 1:
		for i := range sums {
			sums[i] += c[indexes[i]]
		}
	case 2:
		for i := range sums {
			b := (*[2]uint8)(indexes[2*i : 2*i+2])
			sums[i] += c[b[0]] + c[b[1]]
		}
	case 3:
		for i := range sums {
			b := (*[3]uint8)(indexes[3*i : 3*i+3])
			sums[i] += c[b[0]] + c[b[1]] + c[b[2]]
		}
	case 4:
		for i := range sums {
			b := (*[4]uint8)(indexes[4*i : 4*i+4])
			sums[i] += c[b[0]] + c[b[1]] + c[b[2]] + c[b[3]]
		}
	case 5:
		for i := range sums {
			b := (*[5]uint8)(indexes[5*i : 5*i+5])
			sums[i] += c[b[0]] + c[b[1]] + c[b[2]] + c[b[3]] + c[b[4]]
		}
	case 6:
		for i := range sums {
			b := (*[6]uint8)(indexes[6*i : 6*i+6])
			sums[i] += c[b[0]] + c[b[1]] + c[b[2]] + c[b[3]] + c[b[4]] + c[b[5]]
		}
	default:
		for i := range sums {
			sums[i] += c.sum(indexes[i*factor : (i+1)*factor])
		}
	}
}

// Planes implements Sampler.
func (r *indexReducer) Planes() []Plane {
	if r.rows > 0 {
		r.flush()
	}
	if missing := r.planes[0].Height - r.y; missing > 0 {
		clear(r.alpha().Pix[r.y*r.alpha().Stride:])
	}
	if len(r.planes) == 3 {
		return r.planes
	}
	return withoutOpaqueAlpha(r.planes)
}

// alpha returns the alpha plane, which is opaque at first.
func (r *indexReducer) alpha() Plane {
	if len(r.planes) == 3 {
		p := r.planes[0]
		p.Pix = bytes.Repeat([]uint8{0xff}, len(p.Pix))
		r.planes = append(r.planes, p)
	}
	return r.planes[3]
}

// flush averages the sums to a row of the planes.
func (r *indexReducer) flush() {
	whole := r.width / r.factorX
	r.average(0, whole, r.factorX)
	if rest := r.width % r.factorX; rest > 0 {
		r.average(whole, whole+1, rest)
	}
	clear(r.packed)
	clear(r.sums)
	r.rows, r.packedRows = 0, 0
	r.y++
}

// average computes the samples from:to, each of boxes that are count pixels wide.
func (r *indexReducer) average(from, to, count int) {
	area := uint64(count * r.rows)
	red, green, blue := r.samples(from, to)
	if r.sums == nil && area <= maxPaired {
		if averagePairs(red, green, blue, r.packed[from:to], area) {
			return
		}
	} else if r.averageSums(red, green, blue, from, area) {
		return
	}
	alpha := r.alpha().Row(r.y)[from:to]
	scale := meanScale(area)
	for i := range alpha {
		alpha[i] = mean(r.sum(from+i).greenAndAlpha>>32, scale)
	}
}

// meanScale returns what mean multiplies the sum of area samples by, with 32 fraction bits.
func meanScale(area uint64) uint64 { return (1<<32 + area/2) / area }

func mean(sum, scale uint64) uint8 { return uint8((sum&0xffffffff*scale + 1<<31) >> 32) }

// averageSums computes the means of boxes from a box on, and reports whether they are opaque.
func (r *indexReducer) averageSums(red, green, blue []uint8, from int, area uint64) (isOpaque bool) {
	scale := meanScale(area)
	isOpaque = true
	for i := range red {
		sum := r.sum(from + i)
		red[i], blue[i] = mean(sum.redAndBlue, scale), mean(sum.redAndBlue>>32, scale)
		green[i] = mean(sum.greenAndAlpha, scale)
		isOpaque = isOpaque && sum.greenAndAlpha>>32 == 0xff*area
	}
	return isOpaque
}

// maxPaired is how many pixels averagePairs can average.
const maxPaired = 128

// averagePairs is averageSums of packed sums. Two channels are multiplied at a time: with 24 fraction bits, their
// products have 32 bits.
func averagePairs(red, green, blue []uint8, packed []uint64, area uint64) (isOpaque bool) {
	scale := pairScale(area)
	const even, half = 0x0000ffff_0000ffff, 1<<23 | 1<<(23+32)
	opaque := 0xff * area << 48
	differs := uint64(0)
	green, blue, packed = green[:len(red)], blue[:len(red)], packed[:len(red)]
	for i := range red {
		sum := packed[i]
		redAndBlue := sum&even*scale + half
		red[i], blue[i] = uint8(redAndBlue>>24), uint8(redAndBlue>>56)
		green[i] = uint8((sum>>16&0xffff*scale + half) >> 24)
		differs |= sum ^ opaque
	}
	return differs>>48 == 0
}

// pairScale is meanScale with 24 fraction bits, rounded in the same direction: the means are the same.
func pairScale(area uint64) uint64 {
	scale := meanScale(area)
	if scale*area >= 1<<32 {
		scale += 0xff
	}
	return scale >> 8
}

// sum is that of a box.
func (r *indexReducer) sum(box int) boxSum {
	if r.sums == nil {
		return boxSum{}.plus(r.packed[box])
	}
	return r.sums[box].plus(r.packed[box])
}

// samples returns the samples from:to of the next row.
func (r *indexReducer) samples(from, to int) (red, green, blue []uint8) {
	row := func(channel int) []uint8 { return r.planes[channel].Row(r.y)[from:to] }
	return row(0), row(1), row(2)
}

// copy makes a row that is not reduced.
func (r *indexReducer) copy(x int, indexes []uint8) {
	red, green, blue := r.samples(x, x+len(indexes))
	isOpaque := len(indexes) == r.width
	for i, index := range indexes {
		color := r.colors[index]
		red[i], green[i], blue[i] = uint8(color), uint8(color>>8), uint8(color>>16)
		isOpaque = isOpaque && color>>24 == 0xff
	}
	if !isOpaque {
		alpha := r.alpha().Row(r.y)
		clear(alpha)
		for i, index := range indexes {
			alpha[x+i] = uint8(r.colors[index] >> 24)
		}
	}
	r.y++
}

// An indexPicker is a Picker of indexes.
type indexPicker struct {
	*Picker
	colors *Colors
}

// Add implements Sampler.
func (p *indexPicker) Add(indexes []uint8) { p.AddAt(0, indexes) }

// AddAt implements IndexSampler.
func (p *indexPicker) AddAt(x int, indexes []uint8) {
	if p.Skip() {
		return
	}
	y := p.nextRow()
	red, green, blue, alpha := p.planes[0].Row(y), p.planes[1].Row(y), p.planes[2].Row(y), p.planes[3].Row(y)
	for i, column := range p.columns {
		if at := column - x; at >= 0 && at < len(indexes) {
			color := p.colors[indexes[at]]
			red[i], green[i], blue[i], alpha[i] = uint8(color), uint8(color>>8), uint8(color>>16), uint8(color>>24)
		}
	}
}

// Planes implements Sampler.
func (p *indexPicker) Planes() []Plane { return withoutOpaqueAlpha(p.planes) }

// withoutOpaqueAlpha returns the first three planes of RGBA if the last one is opaque.
func withoutOpaqueAlpha(planes []Plane) []Plane {
	for _, a := range planes[3].Pix {
		if a != 0xff {
			return planes
		}
	}
	return planes[:3]
}
