package icc

// A tableConverter converts RGB, or the ink of CMYK, to sRGB by lookup tables.
type tableConverter struct{ *pipeline }

// convert remembers the last pixel, because graphics have few colours.
func (c tableConverter) convert(row []uint8) {
	var last, became [4]uint8
	for isFirst := true; len(row) >= 4; row, isFirst = row[4:], false {
		pixel := (*[4]uint8)(row)
		from := *pixel
		if c.inputs < len(from) {
			from[3] = 0xff // alpha is not an input
		}
		if isFirst || from != last {
			last, became = from, c.toSRGB(from)
		}
		pixel[0], pixel[1], pixel[2] = became[0], became[1], became[2]
		if c.inputs == len(from) {
			pixel[3] = 0xff
		}
	}
}

func (c tableConverter) toSRGB(pixel [4]uint8) (levels [4]uint8) {
	v := c.xyz(pixel)
	for i := range outputs {
		to := xyzToSRGB[3*i:]
		levels[i] = linearToSRGB(float32(to[0]*v[0] + to[1]*v[1] + to[2]*v[2]))
	}
	return levels
}

// luminance is the tone curve of pixels whose channels are equal.
func (c tableConverter) luminance() *toneCurve {
	curve := new(toneCurve)
	for v := range curve {
		level := uint8(v)
		curve[v] = clampUnit(c.xyz([maxInputs]uint8{level, level, level})[1])
	}
	return curve
}
