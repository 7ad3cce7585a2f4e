package raster

import (
	"fmt"
	"image/color"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A Target describes a rendition. Its zero value, with a Box, is the whole image in the format of the original.
type Target struct {
	Box Box
	// Fit is how the image gets the size of the box; empty means FitInside.
	Fit Fit
	// Gravity is the part of the image that FitCover keeps, and the side of the box at which FitContain has the image;
	// empty means GravityCenter.
	Gravity Gravity
	// Filter is how pixels are made of those of the image; empty means FilterLanczos.
	Filter Filter
	// Enlarge has an image that is smaller than the box enlarged. Otherwise its pixels are never more than they were.
	Enlarge bool
	// Background is what FitContain fills the rest of the box with. Transparent pixels, as of its zero value, are white
	// in a format without alpha.
	Background color.NRGBA
	// Turn is an EXIF orientation, which is undone after that of the image: see Turn. 0 means 1, none.
	Turn int
	// Adjustments change the pixels of the rendition.
	Adjustments Adjustments
	// Watermark, unless it is nil, is drawn on the rendition.
	Watermark *Watermark
	// Format is, if it is empty, that of the original. If that is only read, it is JPEG, or PNG for an image with alpha.
	Format Format
	// Quality is 1 to 100, for JPEG and lossy WebP; 0 means jpeg.Quality and webp.Quality.
	Quality int
	// Frames is the largest number of frames of an animation; 0 means 1, the first. See FormatInfo.Animated.
	Frames int
}

// A Fit is how an image gets the size of a box. The names are those of sharp and Cloudflare Images.
type Fit string

// All fits. Without Target.Enlarge a side of the image that is shorter than the box's stays as it is.
const (
	FitInside  Fit = "inside"  // the whole image in the box
	FitCover   Fit = "cover"   // the box is filled, and what does not fit into it is cropped
	FitContain Fit = "contain" // the whole image in the box, whose rest is filled with the background
	FitFill    Fit = "fill"    // the image is stretched to the box
)

// Fits returns all fits, the default first.
func Fits() []Fit { return []Fit{FitInside, FitCover, FitContain, FitFill} }

// A Filter is how the pixels of a rendition are made of those of the image.
type Filter string

// All filters.
const (
	// FilterLanczos weighs the pixels around each, so that a photograph stays sharp and lines stay whole.
	FilterLanczos Filter = "lanczos"
	// FilterNearest takes the nearest pixel: the edges of pixel art stay hard, and PNG and GIF take less time. In other
	// formats it takes one of the means that their decoders make of many pixels.
	FilterNearest Filter = "nearest"
)

// Filters returns all filters, the default first.
func Filters() []Filter { return []Filter{FilterLanczos, FilterNearest} }

// A Gravity is a part of an image.
type Gravity string

// Gravities that are not a point of the compass.
const (
	GravityCenter Gravity = "center"
	GravitySmart  Gravity = "smart" // the most interesting part; see attention
)

// positions are where a gravity is between the sides: -1 is left or top, 1 right or bottom.
var positions = map[Gravity]position{
	GravityCenter: {0, 0}, "north": {0, -1}, "northeast": {1, -1}, "east": {1, 0}, "southeast": {1, 1},
	"south": {0, 1}, "southwest": {-1, 1}, "west": {-1, 0}, "northwest": {-1, -1},
}

// Gravities returns all gravities, the default first.
func Gravities() []Gravity {
	return []Gravity{
		GravityCenter, "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", GravitySmart,
	}
}

// A position is a place between two sides, across and down: -1 is at the first, 1 at the second.
type position struct{ x, y float64 }

// validate returns an error if no image could be rendered to the target.
func (t Target) validate(table formatTable) error {
	switch {
	case t.Box.Width < 1 || t.Box.Height < 1:
		return fmt.Errorf("a box of %dx%d pixels, expected 1x1 or more", t.Box.Width, t.Box.Height)
	case t.Fit != "" && !slices.Contains(Fits(), t.Fit):
		return fmt.Errorf("a fit %q, expected one of %q", t.Fit, Fits())
	case t.Gravity != "" && !slices.Contains(Gravities(), t.Gravity):
		return fmt.Errorf("a gravity %q, expected one of %q", t.Gravity, Gravities())
	case t.Filter != "" && !slices.Contains(Filters(), t.Filter):
		return fmt.Errorf("a filter %q, expected one of %q", t.Filter, Filters())
	case t.Turn < 0 || t.Turn > 8:
		return fmt.Errorf("a turn of %d, expected 0 to 8", t.Turn)
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

// view is the part of an image of width x height pixels, as it is stored, that the rendition shows, and its size. A
// part that is cropped is at p.
func (t Target) view(width, height, orientation int, p position) plane.View {
	orientation = plane.Compose(orientation, t.Turn)
	width, height = orientedSize(width, height, orientation)
	v := plane.View{
		Across: float64(width), Down: float64(height), Orientation: orientation, Nearest: t.Filter == FilterNearest,
	}
	switch t.Fit {
	case FitCover:
		v.Width, v.Height = t.clippedBox(width, height)
		scale := min(v.Across/float64(v.Width), v.Down/float64(v.Height)) // pixels of the image to one of the rendition
		v.Across, v.Down = scale*float64(v.Width), scale*float64(v.Height)
		v.OffsetX, v.OffsetY = p.x*(float64(width)-v.Across)/2, p.y*(float64(height)-v.Down)/2
	case FitFill:
		v.Width, v.Height = t.clippedBox(width, height)
	default:
		v.Width, v.Height = t.Box.fit(width, height, t.Enlarge)
	}
	return v
}

// shows reports whether the rendition shows just the pixels of what a decoder is asked for.
func (t Target) shows(job codec.Job, h Header) bool {
	v := t.view(h.Width, h.Height, h.Orientation, position{})
	width, height, across, down := v.Width, v.Height, v.Across, v.Down
	if plane.SwapsSides(v.Orientation) {
		width, height, across, down = height, width, down, across
	}
	return width == job.Width && height == job.Height && across == float64(h.Width) && down == float64(h.Height)
}

// clippedBox is the size of the box, but no side is longer than that of an image that must not be enlarged.
func (t Target) clippedBox(width, height int) (int, int) {
	if t.Enlarge {
		return t.Box.Width, t.Box.Height
	}
	return min(t.Box.Width, width), min(t.Box.Height, height)
}

// decodeSize is the size that the whole image, as it is stored, would have in the rendition. The orientation may be
// known only after the pixels, so it is the larger size of an upright and of a turned image.
func (t Target) decodeSize(width, height int) (int, int) {
	side := func(pixels, to int, shown float64) int { return max(1, int(float64(pixels*to)/shown+0.5)) }
	upright, turned := t.view(width, height, exif.Upright, position{}), t.view(width, height, 6, position{})
	return max(side(width, upright.Width, upright.Across), side(width, turned.Height, turned.Down)),
		max(side(height, upright.Height, upright.Down), side(height, turned.Width, turned.Across))
}
