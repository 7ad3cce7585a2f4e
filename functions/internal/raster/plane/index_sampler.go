package plane

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
		return &indexPicker{NewPicker(width, height, 4, toWidth, toHeight), c}
	}
	factorX := ReductionFactor(float64(width) / float64(toWidth))
	factorY := ReductionFactor(float64(height) / float64(toHeight))
	r := &indexReducer{colors: c, wide: c.widened(), width: width, factorX: factorX, factorY: factorY}
	width, height = (width+factorX-1)/factorX, (height+factorY-1)/factorY
	r.sums = make([]boxSum, width)
	for range 4 {
		r.planes = append(r.planes, New(width, height, float64(factorX), float64(factorY)))
	}
	return r
}

// widened are the colours with 16 bits for each channel.
func (c *Colors) widened() *[256]uint64 {
	wide := new([256]uint64)
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
	wide                    *[256]uint64 // colors, with 16 bits for each channel
	planes                  []Plane
	width, factorX, factorY int
	sums                    []boxSum // of a row of boxes
	rows                    int      // number of rows in sums
	y                       int      // the next row of the planes
}

// A boxSum is the sum of the colours of a box, 32 bits for each channel.
type boxSum struct{ redAndBlue, greenAndAlpha uint64 }

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
	const even = 0x0000ffff_0000ffff
	colors, i, end := r.wide, 0, r.factorX-x%r.factorX // of a box, the first of which may begin before x
	for box := x / r.factorX; i < len(indexes); box++ {
		sum := uint64(0) // of 256 pixels at most, 16 bits for each channel
		for end = min(end, len(indexes)); i+4 <= end; i += 4 {
			four := (*[4]uint8)(indexes[i : i+4]) // with one check of bounds
			sum += colors[four[0]] + colors[four[1]] + colors[four[2]] + colors[four[3]]
		}
		for ; i < end; i++ {
			sum += colors[indexes[i]]
		}
		r.sums[box].redAndBlue += sum & even
		r.sums[box].greenAndAlpha += sum >> 16 & even
		end += r.factorX
	}
	if r.rows++; r.rows == r.factorY {
		r.flush()
	}
}

// Planes implements Sampler.
func (r *indexReducer) Planes() []Plane {
	if r.rows > 0 {
		r.flush()
	}
	return withoutOpaqueAlpha(r.planes)
}

// flush averages the sums to a row of the planes.
func (r *indexReducer) flush() {
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
func (r *indexReducer) average(from, to, count int) {
	area := uint64(count * r.rows)
	scale := (1<<32 + area/2) / area
	mean := func(sum uint64) uint8 { return uint8((sum&0xffffffff*scale + 1<<31) >> 32) }
	red, green, blue, alpha := r.samples(from, to)
	for i, sum := range r.sums[from:to] {
		red[i], blue[i] = mean(sum.redAndBlue), mean(sum.redAndBlue>>32)
		green[i], alpha[i] = mean(sum.greenAndAlpha), mean(sum.greenAndAlpha>>32)
	}
}

// samples returns the samples from:to of the next row.
func (r *indexReducer) samples(from, to int) (red, green, blue, alpha []uint8) {
	row := func(channel int) []uint8 { return r.planes[channel].Row(r.y)[from:to] }
	return row(0), row(1), row(2), row(3)
}

// copy makes a row that is not reduced.
func (r *indexReducer) copy(x int, indexes []uint8) {
	red, green, blue, alpha := r.samples(x, x+len(indexes))
	r.y++
	for i, index := range indexes {
		color := r.colors[index]
		red[i], green[i], blue[i], alpha[i] = uint8(color), uint8(color>>8), uint8(color>>16), uint8(color>>24)
	}
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
