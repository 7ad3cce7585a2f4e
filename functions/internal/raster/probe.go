package raster

import (
	"bytes"
	"context"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
)

// Probe reads the header of an image, and no further. Whatever precedes the pixels, it holds a few KiB and a colour
// profile of up to 1 MiB, so that it can inspect an upload as it passes: give it a reader that keeps what is read, such
// as an io.TeeReader. Only Render finds out whether the pixels are intact.
//
// The error is an *Error if the content is not an image that could be rendered, otherwise that of r or of ctx, which is
// checked before every read.
func Probe(ctx context.Context, r io.Reader) (Header, error) {
	s := newSource(ctx, r)
	header, _, _, err := formats.open(s, Limits{})
	return header, s.classify(err)
}

// Probe is the function Probe for an image that must be within the limits: an *Error says what exceeds them.
func (l Limits) Probe(ctx context.Context, r io.Reader) (Header, error) {
	s := newSource(ctx, r)
	header, _, _, err := formats.open(s, l)
	if err != nil {
		return Header{}, s.classify(err)
	}
	return header, l.Check(header)
}

// open recognises the format and reads the header, if the format is accepted.
func (t formatTable) open(r io.Reader, limits Limits) (Header, *formatEntry, codec.File, error) {
	entry, start, err := t.sniff(r, limits)
	if err != nil {
		return Header{}, nil, nil, err
	}
	file, err := entry.open(io.MultiReader(bytes.NewReader(start), r))
	if err != nil {
		return Header{}, nil, nil, err
	}
	h := file.Header()
	return Header{
		Format:        entry.Format,
		Width:         h.Width,
		Height:        h.Height,
		Frames:        h.Frames,
		Orientation:   h.Orientation,
		DecodedPixels: h.DecodedPixels,
		Buffered:      h.Buffered,
		Cost:          costOf(file, codec.Job{Width: 1, Height: 1, Frames: 1}),
	}, entry, file, nil
}
