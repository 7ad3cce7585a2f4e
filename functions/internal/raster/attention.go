package raster

import (
	"math"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// attentionSide is the side of the square that an image is reduced to: how finely the attention can be placed.
const attentionSide = 32

// attention returns where a crop is centred on what a viewer looks at first: edges, skin and saturated red, the three
// features of libvips' strategy of that name (https://www.libvips.org/API/current/enum.Interesting.html). They are
// added up and blurred over an area that grows with the crop; the crop is around the maximum.
func attention(m *plane.Image, v plane.View) position {
	square := attentionView(m, v.Orientation)
	width, height := square.Across, square.Down
	shown := [2]float64{v.Across / width, v.Down / height}
	scores := scoresOf(resample(m, square, false))
	scores.blur(max(1, math.Hypot(shown[0], shown[1])*attentionSide/10))
	x, y := scores.maximum()
	return position{between(x, shown[0]), between(y, shown[1])}
}

// attentionView is the view in which the attention is found.
func attentionView(m *plane.Image, orientation int) plane.View {
	width, height := orientedSize(m.Width, m.Height, orientation)
	return plane.View{
		Width: attentionSide, Height: attentionSide, Across: float64(width), Down: float64(height), Orientation: orientation,
	}
}

// between returns the position of a crop of a part of a side, whose middle is as close as possible to a sample.
func between(sample int, part float64) float64 {
	if part >= 1 {
		return 0
	}
	middle := (float64(sample) + 0.5) / attentionSide
	return max(-1, min((2*middle-1)/(1-part), 1))
}

// A scoreMap has a number for each sample of the square.
type scoreMap [attentionSide][attentionSide]float64

func scoresOf(m *plane.Image) *scoreMap {
	var luminance, scores scoreMap
	pixels := m.NRGBA()
	for y := range attentionSide {
		for x := range attentionSide {
			c := pixels.NRGBAAt(x, y)
			color := toXYZ(linear(c.R), linear(c.G), linear(c.B))
			luminance[y][x] = color[1]
			if color[1] > 5 { // the hue of dark colours is noise
				scores[y][x] = skin(color) + redness(color)
			}
		}
	}
	for y := range attentionSide {
		for x := range attentionSide {
			around := luminance.at(x-1, y) + luminance.at(x+1, y) + luminance.at(x, y-1) + luminance.at(x, y+1)
			scores[y][x] += 5 * math.Abs(4*luminance[y][x]-around)
		}
	}
	return &scores
}

// at repeats the samples at the edges beyond them.
func (s *scoreMap) at(x, y int) float64 {
	const last = attentionSide - 1
	return s[max(0, min(y, last))][max(0, min(x, last))]
}

// blur is Gaussian.
func (s *scoreMap) blur(sigma float64) {
	radius := int(math.Ceil(3 * sigma))
	weights, sum := make([]float64, 2*radius+1), 0.0
	for i := range weights {
		d := float64(i-radius) / sigma
		weights[i] = math.Exp(-d * d / 2)
		sum += weights[i]
	}
	for _, step := range [][2]int{{1, 0}, {0, 1}} {
		before := *s
		for y := range attentionSide {
			for x := range attentionSide {
				s[y][x] = 0
				for i, w := range weights {
					s[y][x] += w / sum * before.at(x+step[0]*(i-radius), y+step[1]*(i-radius))
				}
			}
		}
	}
}

// maximum is the first of the largest samples that is closest to the middle.
func (s *scoreMap) maximum() (atX, atY int) {
	const middle = attentionSide / 2
	distance := func(x, y int) int { return (x-middle)*(x-middle) + (y-middle)*(y-middle) }
	atX, atY = middle, middle
	for y, row := range s {
		for x, score := range row {
			best := s[atY][atX]
			if score > best+1e-6 || score > best-1e-6 && distance(x, y) < distance(atX, atY) {
				atX, atY = x, y
			}
		}
	}
	return atX, atY
}

// linear undoes the transfer function of sRGB.
func linear(level uint8) float64 {
	v := float64(level) / 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// toXYZ converts linear sRGB to CIE XYZ, with 100 as the Y of white.
func toXYZ(r, g, b float64) [3]float64 {
	return [3]float64{
		100 * (0.4124*r + 0.3576*g + 0.1805*b),
		100 * (0.2126*r + 0.7152*g + 0.0722*b),
		100 * (0.0193*r + 0.1192*g + 0.9505*b),
	}
}

// skin is 100 for the hue of skin, whatever its brightness, and less the further a colour is from it.
func skin(xyz [3]float64) float64 {
	hue := [3]float64{0.78, 0.57, 0.44} // a direction in XYZ
	length, distance := math.Sqrt(xyz[0]*xyz[0]+xyz[1]*xyz[1]+xyz[2]*xyz[2]), 0.0
	for i, v := range xyz {
		d := v/length - hue[i]
		distance += d * d
	}
	return 100 - 100*math.Sqrt(distance)
}

// redness is the a* of CIELAB with the white of sRGB.
func redness(xyz [3]float64) float64 {
	curve := func(t float64) float64 {
		if t > 0.008856 {
			return math.Cbrt(t)
		}
		return 7.787*t + 16.0/116
	}
	return 500 * (curve(xyz[0]/95.047) - curve(xyz[1]/100))
}
