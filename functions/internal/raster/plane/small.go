package plane

import "image"

// Small is a copy of the image, of width x height pixels once an orientation of EXIF is undone. All planes are of that
// size. The image has to be larger, or as large.
func (m *Image) Small(width, height, orientation int) *Image {
	return m.small(width, height, orientation, 1)
}

// Halved is Small, but the colours of YCbCr are of half the size: as JPEG has them, each in the middle of four pixels.
func (m *Image) Halved(width, height, orientation int) *Image {
	if m.Model == YCbCr {
		return m.small(width, height, orientation, 2)
	}
	small := m.Small(width, height, orientation)
	if small.Model == Gray && !small.HasAlpha() {
		return small
	}
	return small.halve()
}

// small makes the planes of colour a part of the size. They are resampled as they are stored, and turned then, which
// is cheaper.
func (m *Image) small(width, height, orientation, part int) *Image {
	small := &Image{Width: width, Height: height, Model: m.Model}
	mirrorX, mirrorY := mirrored(orientation)
	if Turned(orientation) {
		width, height = height, width
	}
	for i, p := range m.Planes {
		n := 1
		if i > 0 {
			n = part
		}
		resized := p.Resize(axis(m.Width, width, n, mirrorX), axis(m.Height, height, n, mirrorY))
		resized = resized.Upright(orientation)
		resized.StepX, resized.StepY = float64(n), float64(n)
		small.Planes = append(small.Planes, resized)
	}
	return small
}

// axis divides from pixels among to samples, part of which have one in common. The last of them reaches beyond the end
// if they do not come out even, or the first beyond the start if it is the last once the image is mirrored.
func axis(from, to, part int, mirror bool) Axis {
	step := float64(from) / float64(to) * float64(part)
	a := Axis{Count: (to + part - 1) / part, Step: step}
	if mirror {
		a.Start = float64(from) - step*float64(a.Count)
	}
	return a
}

// NRGBA turns a copy whose planes are all of its size into pixels, which is what package image and its encoders know.
func (m *Image) NRGBA() *image.NRGBA {
	pixels := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for y := range m.Height {
		m.row(pixels.Pix[y*pixels.Stride:][:4*m.Width], y)
	}
	return pixels
}

func (m *Image) row(to []uint8, y int) {
	var rows [5][]uint8
	for i, p := range m.Planes {
		rows[i] = p.Row(y)
	}
	for x := range m.Width {
		pixel := to[4*x : 4*x+4 : 4*x+4]
		pixel[3] = 0xff
		switch m.Model {
		case Gray:
			pixel[0], pixel[1], pixel[2] = rows[0][x], rows[0][x], rows[0][x]
		case RGB:
			pixel[0], pixel[1], pixel[2] = rows[0][x], rows[1][x], rows[2][x]
		case YCbCr:
			pixel[0], pixel[1], pixel[2] = toRGB(rows[0][x], rows[1][x], rows[2][x])
		case CMYK:
			k := rows[3][x]
			pixel[0], pixel[1], pixel[2] = times(rows[0][x], k), times(rows[1][x], k), times(rows[2][x], k)
		case YCCK:
			r, g, b := toRGB(rows[0][x], rows[1][x], rows[2][x])
			k := rows[3][x]
			pixel[0], pixel[1], pixel[2] = times(r, k), times(g, k), times(b, k)
		}
		if m.HasAlpha() {
			unmultiply(pixel, rows[len(m.Planes)-1][x])
		}
	}
}

// times is a product of fractions of 255.
func times(a, b uint8) uint8 {
	v := uint32(a)*uint32(b) + 128
	return uint8((v + v>>8) >> 8)
}

// Premultiply multiplies the colours of a row of interleaved RGBA with its alpha, so that transparent pixels, whose
// colours nobody sees, do not bleed into their neighbours.
func Premultiply(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		if a := row[3]; a != 0xff {
			row[0], row[1], row[2] = times(row[0], a), times(row[1], a), times(row[2], a)
		}
	}
}

func unmultiply(pixel []uint8, alpha uint8) {
	pixel[3] = alpha
	if alpha == 0xff {
		return
	}
	for i, v := range pixel[:3] {
		if alpha == 0 {
			pixel[i] = 0
		} else {
			pixel[i] = uint8(min((uint32(v)*255+uint32(alpha)/2)/uint32(alpha), 255))
		}
	}
}
