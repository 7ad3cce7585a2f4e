// Package planetest makes planes for tests, of images of package image.
package planetest

import (
	"image"
	"image/color"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Of reduces an image as far as a copy of width x height pixels does not show, as decoders do.
func Of(m image.Image, width, height int) *plane.Image {
	size := m.Bounds().Size()
	factorX, factorY := plane.ReductionFactor(float64(size.X)/float64(width)), plane.ReductionFactor(float64(size.Y)/float64(height))
	is := &plane.Image{Width: size.X, Height: size.Y, Model: plane.RGB}
	channels, rowOf := 4, colours
	if _, ok := m.(*image.Gray); ok {
		is.Model, channels, rowOf = plane.Gray, 1, levels
	}
	r := plane.NewReducer(size.X, size.Y, channels, factorX, factorY)
	for y := range size.Y {
		r.Add(rowOf(m, m.Bounds().Min.Y+y))
	}
	is.Planes = r.Planes()
	return is
}

func colours(m image.Image, y int) []uint8 {
	var row []uint8
	for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
		c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
		row = append(row, c.R, c.G, c.B, c.A)
	}
	plane.Premultiply(row)
	return row
}

func levels(m image.Image, y int) []uint8 {
	gray := m.(*image.Gray)
	return gray.Pix[gray.PixOffset(gray.Rect.Min.X, y):][:gray.Rect.Dx()]
}
