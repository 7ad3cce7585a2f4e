package raster

import (
	"bytes"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/gif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/jpeg"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/png"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp"
)

// Probe reads the header of an image, and no further. It holds no more than some KiB of it, and a colour profile of up
// to 1 MiB, whatever is in front of the pixels, so it can watch an upload go by: give it a reader that keeps what is
// read, such as an io.TeeReader. Whether the pixels are any good only Render finds out.
//
// The error is a *Refusal if the content is not an image that could be rendered, otherwise that of r.
func Probe(r io.Reader) (Header, error) {
	s := newSource(r)
	header, _, err := open(s)
	return header, s.verdict(err)
}

// A decoder reads what is behind a header, and shows its frames.
type decoder func(demand) (outcome, error)

// A demand is what is wanted of a decoder: the first frames, each as stored but reduced as far as a copy of width x
// height pixels does not show.
type demand struct {
	width, height, frames int
	// show is called for each frame, whose planes are its own from then on. Its error ends the decoding, as does that of
	// check.
	show  func(plane.Frame) error
	check func() error
}

// An outcome is what may be known only behind the pixels.
type outcome struct {
	orientation int // of EXIF
	loops       int // how often an animation is to be shown, 0 for without end
}

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
	decode := func(d demand) (*plane.Image, int, error) {
		f.Check = d.check
		m, err := f.Decode(d.width, d.height)
		return m, f.Orientation, err
	}
	return Header{JPEG, f.Width, f.Height, 1, f.Orientation}, still(decode), nil
}

func openPNG(r io.Reader) (Header, decoder, error) {
	f, err := png.Open(r)
	if err != nil {
		return Header{}, nil, err
	}
	decode := func(d demand) (*plane.Image, int, error) { return f.Decode(d.width, d.height) }
	return Header{PNG, f.Width, f.Height, f.Frames, f.Orientation}, still(decode), nil
}

func openGIF(r io.Reader) (Header, decoder, error) {
	f, err := gif.Open(r)
	if err != nil {
		return Header{}, nil, err
	}
	decode := func(d demand) (outcome, error) {
		f.Check = d.check
		err := f.Decode(d.width, d.height, d.frames, d.show)
		return outcome{exif.Upright, f.Loops}, err
	}
	return Header{GIF, f.Width, f.Height, 0, exif.Upright}, decode, nil
}

func openWebP(r io.Reader) (Header, decoder, error) {
	f, err := webp.Open(r)
	if err != nil {
		return Header{}, nil, err
	}
	decode := func(d demand) (outcome, error) {
		f.Check = d.check
		err := f.Decode(d.width, d.height, d.frames, d.show)
		return outcome{f.Orientation, f.Loops}, err
	}
	return Header{WebP, f.Width, f.Height, f.Frames, exif.Upright}, decode, nil
}

// still makes a decoder of one that knows one frame.
func still(decode func(demand) (*plane.Image, int, error)) decoder {
	return func(d demand) (outcome, error) {
		m, orientation, err := decode(d)
		if err == nil {
			err = d.show(plane.Frame{Image: m})
		}
		return outcome{orientation: orientation}, err
	}
}
