package raster

import (
	"bytes"
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/gif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/jpeg"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/png"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp"
)

// A reel takes the frames of an image as they are decoded, and makes renditions of them.
type reel struct {
	header  Header
	targets []Target
	check   func() error // why to stop

	first   *plane.Image
	shown   int
	films   []film // for each target, nil if that does not move
	fault   error  // of an encoder
	outcome outcome
}

// A film is an animation that is made of small copies, one after the other.
type film interface {
	Add(plane.Frame) error
	// Frames is how many there are: fewer than were added if some are equal.
	Frames() int
	Encode(w io.Writer, loops int) error
}

func (t Target) film() film {
	switch {
	case t.Frames == 1:
		return nil
	case t.Format == GIF:
		return new(gif.Animation)
	default:
		return &webp.Animation{Quality: t.Quality}
	}
}

// show takes the next frame. The first one is kept until its orientation is known. The others are made small at once,
// so that memory does not go by the pixels of all of them.
func (r *reel) show(frame plane.Frame) error {
	if frame.Width != r.header.Width || frame.Height != r.header.Height {
		return refuse.AsDamaged("image", "its pixels are of another size than its header says")
	}
	if r.first == nil {
		r.first = frame.Image
	}
	for i, t := range r.targets {
		if r.films[i] == nil || r.shown >= t.Frames {
			continue
		}
		if err := r.check(); err != nil {
			return err
		}
		small := t.small(frame.Image, t.view(frame.Width, frame.Height, exif.Upright))
		if err := r.films[i].Add(plane.Frame{Image: small, Delay: frame.Delay}); err != nil {
			r.fault = fmt.Errorf("encode %s: %w", t.Format, err)
			return r.fault
		}
	}
	r.shown++
	return r.check()
}

// renditions makes what the targets say of what was shown.
func (r *reel) renditions() ([]Rendition, error) {
	var all []Rendition
	for i, t := range r.targets {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("resample image: %w", err)
		}
		rendition := Rendition{Format: t.Format, Frames: 1}
		rendition.OriginalWidth, rendition.OriginalHeight = displayed(r.header.Width, r.header.Height, r.outcome.orientation)
		view := t.view(r.header.Width, r.header.Height, r.outcome.orientation)
		rendition.Width, rendition.Height = view.Width, view.Height
		var err error
		if film := r.films[i]; film != nil && film.Frames() > 1 && r.outcome.orientation == exif.Upright {
			var file bytes.Buffer
			err = film.Encode(&file, r.outcome.loops)
			rendition.Bytes, rendition.Frames = file.Bytes(), film.Frames()
		} else {
			rendition.Bytes, err = encode(t, r.first, view)
		}
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", t.Format, err)
		}
		all = append(all, rendition)
	}
	return all, nil
}

// small is a copy for the encoder of the target's format. It is sRGB, or has the profile that says what it is: one of
// curves is applied here, where pixels are few, and the others go along.
func (t Target) small(m *plane.Image, v plane.View) *plane.Image {
	convert, carried := icc.Of(m)
	var small *plane.Image
	switch {
	case t.Format == JPEG && convert == nil:
		small = m.Halved(v)
	case t.Format == JPEG:
		small = m.Small(v).Recolored(convert).Halve()
	case convert == nil:
		small = m.Small(v)
	default:
		small = m.Small(v).Recolored(convert)
	}
	small.Profile = carried
	return small
}

func encode(t Target, m *plane.Image, v plane.View) ([]byte, error) {
	small := t.small(m, v)
	var file bytes.Buffer
	var err error
	switch t.Format {
	case JPEG:
		err = jpeg.Encode(&file, small, t.Quality)
	case PNG:
		err = png.Encode(&file, small)
	case GIF:
		err = gif.Encode(&file, small)
	case WebP:
		err = webp.Encode(&file, small, t.Quality)
	}
	return file.Bytes(), err
}
