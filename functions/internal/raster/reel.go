package raster

import (
	"bytes"
	"fmt"

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
	films   [][]plane.Frame // small copies, for each target that moves
	outcome outcome
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
		if t.Frames > 1 && r.shown < t.Frames {
			small := t.small(frame.Image, t.view(frame.Width, frame.Height, exif.Upright))
			r.films[i] = append(r.films[i], plane.Frame{Image: small, Delay: frame.Delay})
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
		if film := r.films[i]; len(film) > 1 && r.outcome.orientation == exif.Upright {
			rendition.Frames = len(film)
			rendition.Bytes, err = animate(t, film, r.outcome.loops)
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

func animate(t Target, film []plane.Frame, loops int) ([]byte, error) {
	var file bytes.Buffer
	if t.Format == GIF {
		err := gif.Animate(&file, film, loops)
		return file.Bytes(), err
	}
	err := webp.Animate(&file, film, loops, t.Quality)
	return file.Bytes(), err
}
