package raster

import (
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A Target says what a rendition is to be.
type Target struct {
	Box Box
	// Fill has the rendition fill the box, its middle cut out, instead of showing the whole image within it. A side that
	// is shorter than the box's stays so.
	Fill bool
	// Format is that of the original if it is empty.
	Format Format
	// Quality is 1 to 100, for JPEG and lossy WebP; 0 is jpeg.Quality and webp.Quality.
	Quality int
	// Frames is how many frames of an animation are shown, at most; 0 is 1, its first. GIF and WebP can show more.
	Frames int
}

// check finds fault with a target that no image could become.
func (t Target) check() error {
	switch {
	case t.Box.Width < 1 || t.Box.Height < 1:
		return fmt.Errorf("a box of %dx%d pixels, expected 1x1 or more", t.Box.Width, t.Box.Height)
	case t.Quality < 0 || t.Quality > 100:
		return fmt.Errorf("a quality of %d, expected 0 to 100", t.Quality)
	case t.Frames < 0:
		return fmt.Errorf("%d frames, expected 0 or more", t.Frames)
	}
	switch t.Format {
	case "", JPEG, PNG, GIF, WebP:
		return nil
	}
	return fmt.Errorf("a format %q, expected jpeg, png, gif or webp", t.Format)
}

// of puts what an image has in the places of what the target leaves open.
func (t Target) of(h Header) Target {
	if t.Format == "" {
		t.Format = h.Format
	}
	if t.Frames = max(1, t.Frames); t.Format != GIF && t.Format != WebP || h.Frames == 1 {
		t.Frames = 1
	}
	return t
}

// view is what the rendition shows of an image of width x height pixels, as it is stored, and how large.
func (t Target) view(width, height, orientation int) plane.View {
	width, height = displayed(width, height, orientation)
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

// whole is the size that the whole of an image, as it is stored, would have in the rendition. Which sides are exchanged
// may be known only behind the pixels, so it is the larger of both.
func (t Target) whole(width, height int) (int, int) {
	side := func(pixels, to int, shown float64) int { return max(1, int(float64(pixels*to)/shown+0.5)) }
	upright, turned := t.view(width, height, 1), t.view(width, height, 6)
	return max(side(width, upright.Width, upright.Across), side(width, turned.Height, turned.Down)),
		max(side(height, upright.Height, upright.Down), side(height, turned.Width, turned.Across))
}
