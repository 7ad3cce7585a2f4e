package plane

import (
	"image"
	"image/color"
)

// Of reduces an image of package image as far as a copy of width x height pixels does not show. Planes of the image
// that are planes already are not copied.
func Of(m image.Image, width, height int) *Image {
	size := m.Bounds().Size()
	is := &Image{Width: size.X, Height: size.Y}
	switch m := m.(type) {
	case *image.Gray:
		is.Model, is.Planes = Gray, []Plane{{m.Pix, m.Stride, size.X, size.Y, 1, 1}}
	case *image.YCbCr:
		is.Model, is.Planes = YCbCr, planesOf(m)
	default:
		is.Model = RGB
		is.Planes = reduceRows(size, width, height, rowsOf(m))
	}
	return is
}

func planesOf(m *image.YCbCr) []Plane {
	size, step := m.Rect.Size(), image.Pt(1, 1)
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		step = image.Pt(2, 1)
	case image.YCbCrSubsampleRatio420:
		step = image.Pt(2, 2)
	case image.YCbCrSubsampleRatio440:
		step = image.Pt(1, 2)
	case image.YCbCrSubsampleRatio411:
		step = image.Pt(4, 1)
	case image.YCbCrSubsampleRatio410:
		step = image.Pt(4, 2)
	}
	planes := []Plane{{m.Y, m.YStride, size.X, size.Y, 1, 1}}
	for _, pix := range [][]uint8{m.Cb, m.Cr} {
		planes = append(planes, Plane{
			pix, m.CStride, (size.X + step.X - 1) / step.X, (size.Y + step.Y - 1) / step.Y, float64(step.X), float64(step.Y),
		})
	}
	return planes
}

func reduceRows(size image.Point, width, height int, rowOf func(to []uint8, y int)) []Plane {
	factorX, factorY := Factor(float64(size.X)/float64(width)), Factor(float64(size.Y)/float64(height))
	r := NewReducer(size.X, size.Y, 4, factorX, factorY)
	row := make([]uint8, 4*size.X)
	for y := range size.Y {
		rowOf(row, y)
		Premultiply(row)
		r.Add(row)
	}
	return r.Planes()
}

// rowsOf returns what writes a row as interleaved RGBA, not premultiplied.
func rowsOf(m image.Image) func(to []uint8, y int) {
	min := m.Bounds().Min
	switch m := m.(type) {
	case *image.NRGBA:
		return func(to []uint8, y int) { copy(to, m.Pix[y*m.Stride:]) }
	case *image.NYCbCrA:
		return func(to []uint8, y int) {
			for x := 0; 4*x < len(to); x++ {
				luma, chroma := m.YOffset(min.X+x, min.Y+y), m.COffset(min.X+x, min.Y+y)
				pixel := to[4*x : 4*x+4 : 4*x+4]
				pixel[0], pixel[1], pixel[2] = toRGB(m.Y[luma], m.Cb[chroma], m.Cr[chroma])
				pixel[3] = m.A[m.AOffset(min.X+x, min.Y+y)]
			}
		}
	case *image.NRGBA64:
		return func(to []uint8, y int) {
			for i := range to {
				to[i] = m.Pix[y*m.Stride+2*i] // the high byte
			}
		}
	default:
		return func(to []uint8, y int) {
			for x := 0; 4*x < len(to); x++ {
				c := color.NRGBAModel.Convert(m.At(min.X+x, min.Y+y)).(color.NRGBA)
				copy(to[4*x:], []uint8{c.R, c.G, c.B, c.A})
			}
		}
	}
}
