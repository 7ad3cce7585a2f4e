package raster

import (
	"image"

	"github.com/disintegration/imaging"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Adjustments change the pixels of a rendition, which are few, in the order of the fields. Zero values change nothing.
type Adjustments struct {
	Grayscale bool
	// Brightness and Contrast are percentages from -100 to 100.
	Brightness, Contrast float64
	// Gamma above 1 lightens the middle tones, below 1 darkens them; 0 means 1.
	Gamma float64
	// Blur and Sharpen are the standard deviations of their Gaussian filters, in pixels.
	Blur, Sharpen float64
}

// apply returns the image changed, or the error of cancelled.
func (a Adjustments) apply(m *image.NRGBA, cancelled func() error) (_ *image.NRGBA, err error) {
	if a.Grayscale {
		m = imaging.Grayscale(m)
	}
	if a.Brightness != 0 {
		m = imaging.AdjustBrightness(m, a.Brightness)
	}
	if a.Contrast != 0 {
		m = imaging.AdjustContrast(m, a.Contrast)
	}
	if a.Gamma != 0 && a.Gamma != 1 {
		m = imaging.AdjustGamma(m, a.Gamma)
	}
	if a.Blur > 0 {
		if m, err = gaussian(m, a.Blur, cancelled); err != nil {
			return nil, err
		}
	}
	if a.Sharpen > 0 {
		return sharpen(m, a.Sharpen, cancelled)
	}
	return m, nil
}

// A Watermark is an image that is drawn on renditions.
type Watermark struct {
	Image   *image.NRGBA
	Gravity Gravity
	// Opacity is 0 to 1.
	Opacity float64
	// Width is that of the watermark, as a part of the rendition's. It is never larger than its image and the rendition.
	Width float64
}

// drawOn returns an image with the watermark.
func (w Watermark) drawOn(m *image.NRGBA) *image.NRGBA {
	width := max(1, int(w.Width*float64(m.Rect.Dx())+0.5))
	mark := imaging.Fit(w.Image, width, m.Rect.Dy(), imaging.Lanczos)
	return imaging.Overlay(m, mark, w.Gravity.place(mark.Rect, m.Rect), w.Opacity)
}

// Turn returns the Target.Turn that rotates clockwise by 0, 90, 180 or 270 degrees and then mirrors left and right,
// top and bottom.
func Turn(degrees int, horizontally, vertically bool) int {
	turn := map[int]int{0: 1, 90: 6, 180: 3, 270: 8}[degrees]
	if horizontally {
		turn = plane.Compose(turn, 2)
	}
	if vertically {
		turn = plane.Compose(turn, 4)
	}
	return turn
}
