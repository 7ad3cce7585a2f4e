package icc

import (
	"encoding/binary"
	"math"
)

// maxInputs is the largest number of channels of the pixels that a profile is for: those of CMYK.
const maxInputs = 4

// channels are the values of a pixel between the stages of a pipeline, 0 to 1 in the encoding of the profile.
type channels [maxInputs]float64

// A stage changes the values of a pixel.
type stage interface{ apply(v *channels) }

// curves are a function for each channel.
type curves []func(x float64) float64

func (c curves) apply(v *channels) {
	for i, curve := range c {
		v[i] = curve(v[i])
	}
}

// An affine is a matrix of 3x3, by rows, and what is added to its result.
type affine struct {
	matrix [9]float64
	offset [3]float64
}

func (a *affine) apply(v *channels) {
	x, y, z := v[0], v[1], v[2]
	for i := range 3 {
		row := a.matrix[3*i : 3*i+3]
		v[i] = row[0]*x + row[1]*y + row[2]*z + a.offset[i]
	}
}

var identityMatrix = [9]float64{1, 0, 0, 0, 1, 0, 0, 0, 1}

// outputs is the number of channels of the connection space.
const outputs = 3

// A clut is a lookup table of several dimensions, the last of which varies fastest.
type clut struct {
	grid, stride []int    // number of points in each dimension, and the distance of neighbours in values
	values       []uint16 // outputs for each point
}

// newCLUT reads a table of samples of 1 or 2 bytes. It returns false if there are fewer samples than points, or if a
// dimension has fewer than 2 points.
func newCLUT(grid []int, sampleBytes int, samples []byte) (*clut, bool) {
	count := outputs
	for _, n := range grid {
		if n < 2 || count > len(samples)/n {
			return nil, false
		}
		count *= n
	}
	if count > len(samples)/sampleBytes {
		return nil, false
	}
	c := &clut{grid: grid, stride: make([]int, len(grid)), values: make([]uint16, count)}
	distance := outputs
	for i := len(grid) - 1; i >= 0; i-- {
		c.stride[i] = distance
		distance *= grid[i]
	}
	for i := range c.values {
		if sampleBytes == 1 {
			c.values[i] = uint16(samples[i]) * 0x101
		} else {
			c.values[i] = binary.BigEndian.Uint16(samples[2*i:])
		}
	}
	return c, true
}

// apply interpolates as littlecms does: in a tetrahedron of the last three dimensions, and linearly in one before them.
func (c *clut) apply(v *channels) {
	at := 0
	var part [maxInputs]float64 // the position between two points
	for i, n := range c.grid {
		x := clampUnit(v[i]) * float64(n-1)
		cell := min(int(x), n-2)
		part[i] = x - float64(cell)
		at += cell * c.stride[i]
	}
	if len(c.grid) < maxInputs {
		*v = c.inSimplex(at, part[:len(c.grid)], c.stride)
		return
	}
	low, high := c.inSimplex(at, part[1:], c.stride[1:]), c.inSimplex(at+c.stride[0], part[1:], c.stride[1:])
	for i := range outputs {
		v[i] = low[i] + part[0]*(high[i]-low[i])
	}
}

// inSimplex goes from one corner of a cell to the opposite one, along its edges in the order of the parts, the largest
// first: these are the corners of the tetrahedron, or its like in fewer dimensions.
func (c *clut) inSimplex(at int, part []float64, stride []int) (v channels) {
	var order [outputs]int
	for i := range part {
		j := i
		for ; j > 0 && part[order[j-1]] < part[i]; j-- {
			order[j] = order[j-1]
		}
		order[j] = i
	}
	from := c.values[at : at+outputs : at+outputs]
	for i, sample := range from {
		v[i] = float64(sample)
	}
	for _, dimension := range order[:len(part)] {
		at += stride[dimension]
		to := c.values[at : at+outputs : at+outputs]
		for i := range to {
			v[i] += part[dimension] * (float64(to[i]) - float64(from[i]))
		}
		from = to
	}
	for i := range outputs {
		v[i] /= math.MaxUint16
	}
	return v
}
