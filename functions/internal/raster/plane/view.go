package plane

import "image"

// A View is what a copy shows of an image, and how large.
type View struct {
	// Width and Height are those of the copy in pixels, upright. They are not larger than Across and Down.
	Width, Height int
	// Across and Down are how many pixels of the image it shows, around the middle.
	Across, Down float64
	// Orientation is that of EXIF, which is undone.
	Orientation int
}

// Small is a copy of the image whose planes are all of one size.
func (m *Image) Resample(v View) *Image { return m.resample(v, 1) }

// Halved is Small, but the colours of YCbCr are of half the size: as JPEG has them, each in the middle of four pixels.
// Others become YCbCr, or stay Gray; what is transparent is shown on white.
func (m *Image) Resample420(v View) *Image {
	if m.Model == YCbCr {
		return m.resample(v, 2)
	}
	return m.Resample(v).To420()
}

// Halve is Halved, of a copy that is small already.
func (m *Image) To420() *Image {
	if m.Model == Gray && !m.HasAlpha() {
		return m
	}
	return m.to420()
}

// Recolored is a copy whose planes are all of one size in other colours, without a profile: convert changes rows of
// interleaved RGBA, not premultiplied. It is RGB; only what is gray stays gray.
func (m *Image) ConvertColors(convert func(row []uint8)) *Image {
	recolored := &Image{Width: m.Width, Height: m.Height, Model: RGB}
	from := []int{0, 1, 2} // of a pixel, for each plane
	if m.Model == Gray {
		recolored.Model, from = Gray, from[:1]
	}
	if m.HasAlpha() {
		from = append(from, 3)
	}
	for range from {
		recolored.Planes = append(recolored.Planes, New(m.Width, m.Height, 1, 1))
	}
	row := make([]uint8, 4*m.Width)
	for y := range m.Height {
		m.rgbaRow(row, y)
		convert(row)
		Premultiply(row)
		for i, p := range recolored.Planes {
			to, channel := p.Row(y), from[i]
			for x := range to {
				to[x] = row[4*x+channel]
			}
		}
	}
	return recolored
}

// small makes the planes of colour a part of the size. They are resampled as they are stored, and turned then, which
// is cheaper.
func (m *Image) resample(v View, part int) *Image {
	small := &Image{Width: v.Width, Height: v.Height, Model: m.Model, Profile: m.Profile}
	mirrorX, mirrorY := mirrored(v.Orientation)
	width, height, across, down := v.Width, v.Height, v.Across, v.Down
	if SwapsSides(v.Orientation) {
		width, height, across, down = height, width, down, across
	}
	for i, p := range m.Planes {
		n := 1
		if i > 0 {
			n = part
		}
		resized := p.Resize(axis(m.Width, width, across, n, mirrorX), axis(m.Height, height, down, n, mirrorY))
		resized = resized.Upright(v.Orientation)
		resized.StepX, resized.StepY = float64(n), float64(n)
		small.Planes = append(small.Planes, resized)
	}
	return small
}

// axis divides the middle of from pixels, so many as are shown, among to samples, part of which have one in common. The
// last of them reaches beyond the end if they do not come out even, or the first beyond the start if it is the last
// once the image is mirrored.
func axis(from, to int, shown float64, part int, mirror bool) Axis {
	step := shown / float64(to) * float64(part)
	a := Axis{Count: (to + part - 1) / part, Start: (float64(from) - shown) / 2, Step: step}
	if mirror {
		a.Start += shown - step*float64(a.Count)
	}
	return a
}

// NRGBA turns a copy whose planes are all of its size into pixels, which is what package image and its encoders know.
func (m *Image) NRGBA() *image.NRGBA {
	pixels := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for y := range m.Height {
		m.rgbaRow(pixels.Pix[y*pixels.Stride:][:4*m.Width], y)
	}
	return pixels
}

func (m *Image) rgbaRow(to []uint8, y int) {
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
			pixel[0], pixel[1], pixel[2] = mulDiv255(rows[0][x], k), mulDiv255(rows[1][x], k), mulDiv255(rows[2][x], k)
		case YCCK:
			r, g, b := toRGB(rows[0][x], rows[1][x], rows[2][x])
			k := rows[3][x]
			pixel[0], pixel[1], pixel[2] = mulDiv255(0xff-r, k), mulDiv255(0xff-g, k), mulDiv255(0xff-b, k)
		}
		if m.HasAlpha() {
			unmultiply(pixel, rows[len(m.Planes)-1][x])
		}
	}
}

// times is a product of fractions of 255.
func mulDiv255(a, b uint8) uint8 {
	v := uint32(a)*uint32(b) + 128
	return uint8((v + v>>8) >> 8)
}

// Premultiply multiplies the colours of a row of interleaved RGBA with its alpha, so that transparent pixels, whose
// colours nobody sees, do not bleed into their neighbours.
func Premultiply(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		if a := row[3]; a != 0xff {
			row[0], row[1], row[2] = mulDiv255(row[0], a), mulDiv255(row[1], a), mulDiv255(row[2], a)
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
