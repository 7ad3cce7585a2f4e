package plane

// pick resamples a plane with the sample that is nearest to the middle of each sample of the result, as Pillow's
// NEAREST does.
func (p Plane) pick(x, y Axis) Plane {
	result := New(x.Count, y.Count, x.Step, y.Step)
	columns, rows := picks(x, p.StepX, p.Width), picks(y, p.StepY, p.Height)
	for i, row := range rows {
		pickSamples(result.Row(i), p.Row(row), columns, 1)
	}
	return result
}

// picks are the samples, of count that are step pixels apart, that an axis has the middles of its samples in.
func picks(a Axis, step float64, count int) []int {
	all := make([]int, a.Count)
	for i := range all {
		middle := (a.Start + (float64(i)+0.5)*a.Step) / step
		all[i] = min(max(0, int(middle)), count-1)
	}
	return all
}

func pickSamples(to, from []uint8, columns []int, channels int) {
	for i, column := range columns {
		to[i] = from[column*channels]
	}
}

// A Sampler makes planes for smaller copies of an image, whose rows come one after the other.
type Sampler interface {
	// Skip passes the next row by and returns true if it is not needed.
	Skip() bool
	// Add takes the next row.
	Add(row []uint8)
	// Planes returns a plane for each channel. Rows that were not added are zeros.
	Planes() []Plane
}

// NewSampler returns a Sampler of an image of width x height pixels for copies of toWidth x toHeight, which show the
// nearest pixels, or means. Its rows have interleaved channels.
func NewSampler(width, height, channels, toWidth, toHeight int, nearest bool) Sampler {
	if nearest {
		return newPicker(width, height, channels, toWidth, toHeight)
	}
	factorX := ReductionFactor(float64(width) / float64(toWidth))
	factorY := ReductionFactor(float64(height) / float64(toHeight))
	return NewReducer(width, height, channels, factorX, factorY)
}

// A Picker is a Sampler of the nearest pixels.
type Picker struct {
	planes  []Plane
	columns []int
	rows    []int // which are still to come
	y       int   // the next row of the image
}

// newPicker returns a Picker of images of width x height pixels for copies of toWidth x toHeight, or for as many pixels
// as the image has. Its rows have interleaved channels.
func newPicker(width, height, channels, toWidth, toHeight int) *Picker {
	toWidth, toHeight = min(toWidth, width), min(toHeight, height)
	stepX, stepY := float64(width)/float64(toWidth), float64(height)/float64(toHeight)
	p := &Picker{
		columns: picks(Axis{Count: toWidth, Step: stepX}, 1, width),
		rows:    picks(Axis{Count: toHeight, Step: stepY}, 1, height),
	}
	for range channels {
		p.planes = append(p.planes, New(toWidth, toHeight, stepX, stepY))
	}
	return p
}

// Skip implements Sampler.
func (p *Picker) Skip() bool {
	if len(p.rows) > 0 && p.rows[0] == p.y {
		return false
	}
	p.y++
	return true
}

// Add implements Sampler.
func (p *Picker) Add(row []uint8) {
	if p.Skip() {
		return
	}
	channels, y := len(p.planes), p.nextRow()
	for c, plane := range p.planes {
		pickSamples(plane.Row(y), row[c:], p.columns, channels)
	}
}

// nextRow returns the row of the planes that is made of the next row of the image.
func (p *Picker) nextRow() int {
	y := p.planes[0].Height - len(p.rows)
	p.rows = p.rows[1:]
	p.y++
	return y
}

// Planes implements Sampler.
func (p *Picker) Planes() []Plane { return p.planes }
