package raster

import (
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A Target describes a rendition.
type Target struct {
	Box Box
	// Fill crops the image around its middle so that the rendition fills the box, instead of fitting the whole image into
	// it. A side of the image that is shorter than the box's stays as it is.
	Fill bool
	// Format is, if it is empty, that of the original. If that is only read, it is JPEG, or PNG for an image with alpha.
	Format Format
	// Quality is 1 to 100, for JPEG and lossy WebP; 0 means jpeg.Quality and webp.Quality.
	Quality int
	// Frames is the largest number of frames of an animation; 0 means 1, the first. See FormatInfo.Animated.
	Frames int
}

// validate returns an error if no image could be rendered to the target.
func (t Target) validate(table formatTable) error {
	switch {
	case t.Box.Width < 1 || t.Box.Height < 1:
		return fmt.Errorf("a box of %dx%d pixels, expected 1x1 or more", t.Box.Width, t.Box.Height)
	case t.Quality < 0 || t.Quality > 100:
		return fmt.Errorf("a quality of %d, expected 0 to 100", t.Quality)
	case t.Frames < 0:
		return fmt.Errorf("%d frames, expected 0 or more", t.Frames)
	case t.Format == "":
		return nil
	}
	if e := table.find(t.Format); e == nil || e.encode == nil {
		return fmt.Errorf("a format %q, expected %s", t.Format, table.written())
	}
	return nil
}

// view is the part of an image of width x height pixels, as it is stored, that the rendition shows, and its size.
func (t Target) view(width, height, orientation int) plane.View {
	width, height = orientedSize(width, height, orientation)
	v := plane.View{Across: float64(width), Down: float64(height), Orientation: orientation}
	if !t.Fill {
		v.Width, v.Height = t.Box.Fit(width, height)
		return v
	}
	v.Width, v.Height = min(t.Box.Width, width), min(t.Box.Height, height)
	scale := min(v.Across/float64(v.Width), v.Down/float64(v.Height)) // pixels of the image to one of the rendition
	v.Across, v.Down = scale*float64(v.Width), scale*float64(v.Height)
	return v
}

// decodeSize is the size that the whole image, as it is stored, would have in the rendition. The orientation may be
// known only after the pixels, so it is the larger size of an upright and of a turned image.
func (t Target) decodeSize(width, height int) (int, int) {
	side := func(pixels, to int, shown float64) int { return max(1, int(float64(pixels*to)/shown+0.5)) }
	upright, turned := t.view(width, height, 1), t.view(width, height, 6)
	return max(side(width, upright.Width, upright.Across), side(width, turned.Height, turned.Down)),
		max(side(height, upright.Height, upright.Down), side(height, turned.Width, turned.Across))
}
