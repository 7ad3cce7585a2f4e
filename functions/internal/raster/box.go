package raster

import "math"

// A Box is the size in pixels that a rendition fits into; at least 1x1.
type Box struct{ Width, Height int }

// Fit is the size of an image of width x height pixels in the box: as large as possible, with the aspect ratio kept,
// never enlarged, never below 1x1. One side is that of the box. The other is, of the two integers next to its exact
// value, the one whose ratio is closer: the rule of Pillow's Image.thumbnail. Only exact halves are always rounded
// down, so that 1920x1080 becomes 200x112, as the original service documents it; Pillow makes it 200x113.
func (b Box) Fit(width, height int) (int, int) { return b.fit(width, height, false) }

// fit is Fit, but if enlarge is true, for an image that is smaller than the box, too.
func (b Box) fit(width, height int, enlarge bool) (int, int) {
	if b.Width >= width && b.Height >= height && !enlarge {
		return width, height
	}
	aspect := float64(width) / float64(height)
	if b.Width*height >= b.Height*width {
		fit := nearerInt(b.Height*width, height, func(n float64) float64 { return math.Abs(aspect - n/float64(b.Height)) })
		return fit, b.Height
	}
	fit := nearerInt(b.Width*height, width, func(n float64) float64 { return math.Abs(aspect - float64(b.Width)/n) })
	return b.Width, fit
}

// nearerInt is the integer below or above a fraction with the smaller distance; at least 1.
func nearerInt(numerator, denominator int, distance func(float64) float64) int {
	below, rest := numerator/denominator, numerator%denominator
	isHalf := 2*rest == denominator
	if below > 0 && (isHalf || distance(float64(below)) <= distance(float64(below+1))) {
		return below
	}
	return below + 1
}
