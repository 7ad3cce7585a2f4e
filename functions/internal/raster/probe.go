package raster

import (
	"bytes"
	"image"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/gif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/jpeg"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/png"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp"
)

// Probe reads the header of an image, and no further. It holds no more than some KiB of it, whatever is in front of the
// pixels, so it can watch an upload go by: give it a reader that keeps what is read, such as an io.TeeReader. Whether
// the pixels are any good only Render finds out.
//
// The error is a *Refusal if the content is not an image that could be rendered, otherwise that of r.
func Probe(r io.Reader) (Header, error) {
	s := newSource(r)
	header, _, err := open(s)
	return header, s.verdict(err)
}

// A decoder reads what is behind a header: the pixels as stored, reduced as far as a copy of width x height pixels does
// not show, and the orientation that they are to be shown in.
type decoder func(width, height int) (pixels *plane.Image, orientation int, err error)

// open finds out the format and has its room read the header.
func open(r io.Reader) (Header, decoder, error) {
	format, start, err := sniff(r)
	if err != nil {
		return Header{}, nil, err
	}
	r = io.MultiReader(bytes.NewReader(start), r)
	switch format {
	case JPEG:
		return openJPEG(r)
	case PNG:
		return openPNG(r)
	case GIF:
		return openGIF(r)
	default:
		return openWebP(r)
	}
}

func openJPEG(r io.Reader) (Header, decoder, error) {
	f, err := jpeg.Open(r)
	if err != nil {
		return Header{}, nil, err
	}
	decode := func(width, height int) (*plane.Image, int, error) {
		m, err := f.Decode(width, height)
		return m, f.Orientation, err
	}
	return Header{JPEG, f.Width, f.Height, 1, f.Orientation}, decode, nil
}

func openPNG(r io.Reader) (Header, decoder, error) {
	f, err := png.Open(r)
	if err != nil {
		return Header{}, nil, err
	}
	return Header{PNG, f.Width, f.Height, f.Frames, f.Orientation}, f.Decode, nil
}

func openGIF(r io.Reader) (Header, decoder, error) {
	f, err := gif.Open(r)
	if err != nil {
		return Header{}, nil, err
	}
	decode := func() (image.Image, int, error) {
		m, err := f.Decode()
		return m, exif.Upright, err
	}
	return Header{GIF, f.Width, f.Height, 0, exif.Upright}, reduced(decode), nil
}

func openWebP(r io.Reader) (Header, decoder, error) {
	f, err := webp.Open(r)
	if err != nil {
		return Header{}, nil, err
	}
	return Header{WebP, f.Width, f.Height, f.Frames, exif.Upright}, reduced(f.Decode), nil
}

// reduced makes a decoder of one that reads all pixels.
func reduced(decode func() (image.Image, int, error)) decoder {
	return func(width, height int) (*plane.Image, int, error) {
		m, orientation, err := decode()
		if err != nil {
			return nil, 0, err
		}
		return plane.Of(m, width, height), orientation, nil
	}
}
