package plane

import "image"

// A View is the part of an image that a copy shows, and the copy's size.
type View struct {
	// Width and Height are the size of the copy in pixels, upright.
	Width, Height int
	// Across and Down are the size of the part of the image that is shown, in pixels, upright.
	Across, Down float64
	// OffsetX and OffsetY are how far the middle of that part is to the right of the middle of the image, and below it.
	OffsetX, OffsetY float64
	// Orientation is the EXIF orientation of the image, which is undone.
	Orientation int
	// Nearest has the nearest samples picked, instead of all of them weighed.
	Nearest bool
}

// isWhole reports whether a view shows an image of width x height pixels as it is stored.
func (v View) isWhole(width, height int) bool {
	return v.Width == width && v.Height == height && v.Across == float64(width) && v.Down == float64(height) &&
		v.Orientation <= 1
}

// Resample returns a copy whose planes are all of one size.
func (m *Image) Resample(v View) *Image { return m.resample(v, 1) }

// Resample420 returns a copy in YCbCr 4:2:0, with the chroma samples in the middle of four pixels as in JFIF, or in
// Gray. Transparent pixels are shown on white.
func (m *Image) Resample420(v View) *Image {
	if m.Model == YCbCr {
		return m.resample(v, 2)
	}
	return m.Resample(v).To420()
}

// To420 is Resample420 for a copy that was resampled already.
func (m *Image) To420() *Image {
	if m.Model == Gray && !m.HasAlpha() {
		return m
	}
	return m.to420()
}

// ConvertColors returns a copy of an image whose planes are all of one size in other colours, without a profile.
// Convert changes rows of interleaved RGBA, not premultiplied; of an image in CMYK or YCCK it is given rows of ink
// instead, 255 for all of it. The copy is RGB, or Gray if m is.
func (m *Image) ConvertColors(convert func(row []uint8)) *Image {
	recolored := &Image{Width: m.Width, Height: m.Height, Model: RGB, Indexed: m.Indexed}
	from := []int{0, 1, 2} // the channel of a pixel for each plane
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
		if m.Model == CMYK || m.Model == YCCK {
			m.inkRow(row, y)
		} else {
			m.rgbaRow(row, y)
		}
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

// resample divides the size of the chroma planes by part. Planes are resampled as they are stored and reoriented after
// that, which is cheaper.
func (m *Image) resample(v View, part int) *Image {
	small := &Image{Width: v.Width, Height: v.Height, Model: m.Model, Indexed: m.Indexed}
	if v.isWhole(m.Width, m.Height) {
		small.Source = m.Source
	}
	mirrorX, mirrorY := mirrored(v.Orientation)
	width, height, across, down, right, below := v.Width, v.Height, v.Across, v.Down, v.OffsetX, v.OffsetY
	if SwapsSides(v.Orientation) {
		width, height, across, down, right, below = height, width, down, across, below, right
	}
	if mirrorX {
		right = -right
	}
	if mirrorY {
		below = -below
	}
	for i, p := range m.Planes {
		n := 1
		if i > 0 {
			n = part
		}
		x, y := axis(m.Width, width, across, n, mirrorX), axis(m.Height, height, down, n, mirrorY)
		x.Start, y.Start = x.Start+right, y.Start+below
		resize := p.Resize
		if v.Nearest {
			resize = p.pick
		}
		resized := resize(x, y).Upright(v.Orientation)
		resized.StepX, resized.StepY = float64(n), float64(n)
		small.Planes = append(small.Planes, resized)
	}
	return small
}

// FromNRGBA returns the planes of an image of package image: gray if all of its pixels are, and with alpha if one of
// them is not opaque.
func FromNRGBA(pixels *image.NRGBA) *Image {
	width, height := pixels.Rect.Dx(), pixels.Rect.Dy()
	m := &Image{Width: width, Height: height, Model: RGB}
	from := []int{0, 1, 2} // the channel of a pixel for each plane
	isGray, isOpaque := inspect(pixels)
	if isGray {
		m.Model, from = Gray, from[:1]
	}
	if !isOpaque {
		from = append(from, 3)
	}
	for range from {
		m.Planes = append(m.Planes, New(width, height, 1, 1))
	}
	row := make([]uint8, 4*width)
	for y := range height {
		copy(row, pixels.Pix[y*pixels.Stride:])
		Premultiply(row)
		for i, p := range m.Planes {
			to, channel := p.Row(y), from[i]
			for x := range to {
				to[x] = row[4*x+channel]
			}
		}
	}
	return m
}

// inspect reports whether all pixels of an image are gray, and whether all are opaque.
func inspect(pixels *image.NRGBA) (isGray, isOpaque bool) {
	isGray, isOpaque = true, true
	for y := range pixels.Rect.Dy() {
		for row := pixels.Pix[y*pixels.Stride:][:4*pixels.Rect.Dx()]; len(row) >= 4; row = row[4:] {
			isGray = isGray && row[0] == row[1] && row[1] == row[2]
			isOpaque = isOpaque && row[3] == 0xff
		}
	}
	return isGray, isOpaque
}

// axis divides the middle part of from pixels, shown pixels long, into to samples, part of which are averaged to one.
// If they do not come out even, the last of these extends beyond the end, or the first beyond the start if mirroring
// will make it the last.
func axis(from, to int, shown float64, part int, mirror bool) Axis {
	step := shown / float64(to) * float64(part)
	a := Axis{Count: (to + part - 1) / part, Start: (float64(from) - shown) / 2, Step: step}
	if mirror {
		a.Start += shown - step*float64(a.Count)
	}
	return a
}

// NRGBA converts a copy whose planes are all of its size to the type that package image and its encoders use.
func (m *Image) NRGBA() *image.NRGBA {
	pixels := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for y := range m.Height {
		m.rgbaRow(pixels.Pix[y*pixels.Stride:][:4*m.Width], y)
	}
	return pixels
}

// rgbaRow converts row y to interleaved RGBA, not premultiplied.
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

// inkRow converts row y of CMYK or YCCK to interleaved ink, 255 for all of it.
func (m *Image) inkRow(to []uint8, y int) {
	cyan, magenta, yellow, black := m.Planes[0].Row(y), m.Planes[1].Row(y), m.Planes[2].Row(y), m.Planes[3].Row(y)
	for x := range m.Width {
		pixel := to[4*x : 4*x+4 : 4*x+4]
		pixel[0], pixel[1], pixel[2], pixel[3] = 0xff-cyan[x], 0xff-magenta[x], 0xff-yellow[x], 0xff-black[x]
		if m.Model == YCCK {
			pixel[0], pixel[1], pixel[2] = toRGB(cyan[x], magenta[x], yellow[x])
		}
	}
}

// mulDiv255 is a * b / 255, rounded.
func mulDiv255(a, b uint8) uint8 {
	v := uint32(a)*uint32(b) + 128
	return uint8((v + v>>8) >> 8)
}

// Premultiply multiplies the colours of a row of interleaved RGBA by its alpha, so that the invisible colours of
// transparent pixels do not bleed into their neighbours.
func Premultiply(row []uint8) { premultiply(premultiplied(row)) }

func premultiply(row []uint8) {
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
