package raster

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// locate is where the part of an image is that the rendition shows.
func (t Target) locate(m *plane.Image, orientation int) position {
	if t.Gravity != GravitySmart || t.Fit != FitCover {
		return positions[t.Gravity]
	}
	return attention(m, t.view(m.Width, m.Height, orientation, position{}))
}

// size is that of the rendition, of which v shows the image.
func (t Target) size(v plane.View) (width, height int) {
	if t.Fit == FitContain {
		return t.Box.Width, t.Box.Height
	}
	return v.Width, v.Height
}

// draw makes the copy that is encoded, in the planes that the encoder wants. Its error is that of cancelled.
func (o *output) draw(m *plane.Image, v plane.View, cancelled func() error) (*plane.Image, error) {
	width, height := o.size(v)
	if o.isPlain(v) {
		return resample(m, v, o.entry.subsampling), nil
	}
	pixels, err := o.Adjustments.apply(resample(m, v, false).NRGBA(), cancelled)
	if err != nil {
		return nil, err
	}
	if width != v.Width || height != v.Height {
		pixels = o.pad(pixels, width, height)
	}
	if o.Watermark != nil {
		pixels = o.Watermark.drawOn(pixels)
	}
	small := plane.FromNRGBA(pixels)
	if o.entry.subsampling {
		return small.To420(), nil
	}
	return small, nil
}

// isPlain reports whether a rendition is what a view shows, and nothing is drawn on it.
func (t Target) isPlain(v plane.View) bool {
	width, height := t.size(v)
	return width == v.Width && height == v.Height && t.Adjustments == Adjustments{} && t.Watermark == nil
}

// pad places an image on a background of width x height pixels.
func (t Target) pad(m *image.NRGBA, width, height int) *image.NRGBA {
	padded := image.NewNRGBA(image.Rect(0, 0, width, height))
	if t.Background != (color.NRGBA{}) {
		draw.Draw(padded, padded.Rect, image.NewUniform(t.Background), image.Point{}, draw.Src)
	}
	draw.Draw(padded, m.Rect.Add(t.Gravity.place(m.Rect, padded.Rect)), m, image.Point{}, draw.Over)
	return padded
}

// place returns where one image is on another, rounded as by Pillow's ImageOps.pad.
func (g Gravity) place(small, large image.Rectangle) image.Point {
	p := positions[g]
	at := func(rest int, position float64) int { return int(math.RoundToEven(float64(rest) * (1 + position) / 2)) }
	return image.Pt(at(large.Dx()-small.Dx(), p.x), at(large.Dy()-small.Dy(), p.y))
}
