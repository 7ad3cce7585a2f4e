// Package planetest converts images of package image to planes, for tests.
package planetest

import (
	"image"
	"image/color"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Of reduces an image for copies of width x height pixels, as decoders do.
func Of(m image.Image, width, height int) *plane.Image {
	size := m.Bounds().Size()
	factorX := plane.ReductionFactor(float64(size.X) / float64(width))
	factorY := plane.ReductionFactor(float64(size.Y) / float64(height))
	small := &plane.Image{Width: size.X, Height: size.Y, Model: plane.RGB}
	channels, rowOf := 4, rgbaRow
	if _, ok := m.(*image.Gray); ok {
		small.Model, channels, rowOf = plane.Gray, 1, grayRow
	}
	r := plane.NewReducer(size.X, size.Y, channels, factorX, factorY)
	for y := range size.Y {
		r.Add(rowOf(m, m.Bounds().Min.Y+y))
	}
	small.Planes = r.Planes()
	return small
}

func rgbaRow(m image.Image, y int) []uint8 {
	var row []uint8
	for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
		c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
		row = append(row, c.R, c.G, c.B, c.A)
	}
	plane.Premultiply(row)
	return row
}

func grayRow(m image.Image, y int) []uint8 {
	gray := m.(*image.Gray)
	return gray.Pix[gray.PixOffset(gray.Rect.Min.X, y):][:gray.Rect.Dx()]
}
