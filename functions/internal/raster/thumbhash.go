package raster

import (
	"image"
	"math"
)

// ThumbHash returns a placeholder of an image in some 25 bytes, which browsers show until the image has come:
// https://evanw.github.io/thumbhash/. It has the first terms of a discrete cosine transform of the image's lightness,
// of two differences of colours, and of its alpha. The image has at most 100 pixels on a side.
func ThumbHash(m *image.NRGBA) []byte {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	mean, isOpaque := meanColor(m)
	var lightness, yellow, red, alpha []float64 // yellow against blue, red against green
	for y := range height {
		for pixels := m.Pix[y*m.Stride:][:4*width]; len(pixels) >= 4; pixels = pixels[4:] {
			a := float64(pixels[3]) / 255
			var c [3]float64 // on the mean colour
			for i := range c {
				c[i] = mean[i]*(1-a) + a/255*float64(pixels[i])
			}
			lightness = append(lightness, (c[0]+c[1]+c[2])/3)
			yellow, red = append(yellow, (c[0]+c[1])/2-c[2]), append(red, c[0]-c[1])
			alpha = append(alpha, a)
		}
	}
	terms := 7.0
	if !isOpaque {
		terms = 5
	}
	longer := float64(max(width, height))
	across := max(1, int(roundHalfUp(terms*float64(width)/longer)))
	down := max(1, int(roundHalfUp(terms*float64(height)/longer)))
	l := transform(lightness, width, height, max(3, across), max(3, down))
	p, q := transform(yellow, width, height, 3, 3), transform(red, width, height, 3, 3)
	header := level(63, l.mean) | level(31.5, p.mean+1)<<6 | level(31.5, q.mean+1)<<12 | level(31, l.scale)<<18
	shorter := across
	if width > height {
		shorter = down | 1<<15
	}
	rest := shorter | level(63, p.scale)<<3 | level(63, q.scale)<<9
	channels := [][]float64{l.terms, p.terms, q.terms}
	hash := []byte{byte(header), byte(header >> 8), byte(header >> 16), byte(rest), byte(rest >> 8)}
	if !isOpaque {
		a := transform(alpha, width, height, 5, 5)
		hash[2] |= 1 << 7
		hash = append(hash, byte(level(15, a.mean)|level(15, a.scale)<<4))
		channels = append(channels, a.terms)
	}
	return appendTerms(hash, channels)
}

// appendTerms appends terms from 0 to 1, two to a byte.
func appendTerms(hash []byte, channels [][]float64) []byte {
	isHigh := false
	for _, terms := range channels {
		for _, term := range terms {
			if isHigh {
				hash[len(hash)-1] |= byte(level(15, term) << 4)
			} else {
				hash = append(hash, byte(level(15, term)))
			}
			isHigh = !isHigh
		}
	}
	return hash
}

// meanColor is weighted by alpha.
func meanColor(m *image.NRGBA) (mean [3]float64, isOpaque bool) {
	sum := 0.0
	for y := range m.Rect.Dy() {
		for pixels := m.Pix[y*m.Stride:][:4*m.Rect.Dx()]; len(pixels) >= 4; pixels = pixels[4:] {
			a := float64(pixels[3]) / 255
			for i := range mean {
				mean[i] += a / 255 * float64(pixels[i])
			}
			sum += a
		}
	}
	if sum > 0 {
		for i := range mean {
			mean[i] /= sum
		}
	}
	return mean, sum >= float64(m.Rect.Dx()*m.Rect.Dy())
}

// A cosineTransform has the constant term of a channel, and the others from 0 to 1 for -scale to scale.
type cosineTransform struct {
	mean, scale float64
	terms       []float64
}

// transform computes the terms above the diagonal of across x down terms.
func transform(channel []float64, width, height, across, down int) (t cosineTransform) {
	wave := make([]float64, width)
	for cy := range down {
		for cx := 0; cx*down < across*(down-cy); cx++ {
			for x := range wave {
				wave[x] = math.Cos(math.Pi / float64(width) * float64(cx) * (float64(x) + 0.5))
			}
			sum := 0.0
			for y := range height {
				fy := math.Cos(math.Pi / float64(height) * float64(cy) * (float64(y) + 0.5))
				for x, w := range wave {
					sum += channel[x+y*width] * w * fy
				}
			}
			sum /= float64(width * height)
			if cx == 0 && cy == 0 {
				t.mean = sum
				continue
			}
			t.terms = append(t.terms, sum)
			t.scale = max(t.scale, math.Abs(sum))
		}
	}
	if t.scale > 0 {
		for i, term := range t.terms {
			t.terms[i] = 0.5 + 0.5/t.scale*term
		}
	}
	return t
}

// level is a part of a scale as an integer.
func level(scale, part float64) int { return int(roundHalfUp(scale * part)) }

// roundHalfUp is Math.round of JavaScript, in which the reference is written.
func roundHalfUp(v float64) float64 { return math.Floor(v + 0.5) }
