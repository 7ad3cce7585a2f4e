package plane

import "sync"

// vectorWidth is the least width of a plane that the vectors of SSE2 are used for, which every amd64 processor has. The
// results are those of window.
const vectorWidth = 16

// resampleColumns resamples a row down, from rows of width samples that begin stride bytes apart: to 6 fraction bits.
//
//go:noescape
func resampleColumns(to *int16, from *uint8, stride, width int, weights *int16, taps int)

// resampleRow resamples such a row across. Taps is a multiple of 8, and that many samples can be read from each first.
//
//go:noescape
func resampleRow(to *uint8, count int, from *int16, firsts *int32, weights *int16, taps int)

var vectorRows = sync.Pool{New: func() any { return new([]int16) }}

// resampleVectors resamples a plane. It returns false if it is too narrow.
func (p Plane) resampleVectors(result Plane, across, down *kernel) bool {
	if p.Width < vectorWidth {
		return false
	}
	buffer := vectorRows.Get().(*[]int16)
	defer vectorRows.Put(buffer)
	if n := p.Width + across.stride; len(*buffer) < n {
		*buffer = make([]int16, n)
	}
	p.resampleThrough(*buffer, result, across, down)
	return true
}

// resampleThrough is resampleVectors, with a buffer for a row that has been resampled down.
func (p Plane) resampleThrough(row []int16, result Plane, across, down *kernel) {
	row = row[:p.Width+across.stride]
	firsts, weights := across.firsts[:result.Width], across.weights[:result.Width*across.stride]
	for y := range result.Height {
		tap := down.tap(y)
		taps := len(tap.weights)
		pairs := tap.weights[:(taps+1)&^1] // as they are read
		rows := p.Pix[tap.first*p.Stride:][:(taps-1)*p.Stride+p.Width]
		resampleColumns(&row[0], &rows[0], p.Stride, p.Width, &pairs[0], taps)
		to := result.Row(y)
		resampleRow(&to[0], len(to), &row[0], &firsts[0], &weights[0], across.stride)
	}
}
