package raster

import (
	"image"

	"github.com/disintegration/imaging"
)

// shrink resamples an image, which is cheaper than to turn it first, and then turns it upright. Width and height are
// those of the result.
//
// imaging works in goroutines of its own, where nobody could recover from a panic: the rooms promise it images that are
// well formed, and none of *image.Paletted (CVE-2023-36308).
func shrink(m image.Image, width, height, orientation int) *image.NRGBA {
	width, height = displayed(width, height, orientation)
	return upright(imaging.Resize(m, width, height, imaging.Lanczos), orientation)
}

// upright undoes an orientation of EXIF, which says where the first row and the first column are.
func upright(m *image.NRGBA, orientation int) *image.NRGBA {
	switch orientation {
	case 2:
		return imaging.FlipH(m)
	case 3:
		return imaging.Rotate180(m)
	case 4:
		return imaging.FlipV(m)
	case 5:
		return imaging.Transpose(m)
	case 6:
		return imaging.Rotate270(m)
	case 7:
		return imaging.Transverse(m)
	case 8:
		return imaging.Rotate90(m)
	default:
		return m
	}
}
