package raster

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// A Picture is an image whose header has been read and found to be within the limits. Nothing was decoded yet.
type Picture struct {
	header Header
	limits Limits
	source *source
	decode decoder // nil once it was used
}

// Open reads the header of an image, and no further, and checks it. The error is a *Refusal if the image can never be
// rendered within the limits, otherwise that of r.
func Open(r io.Reader, limits Limits) (*Picture, error) {
	s := newSource(r)
	header, decode, err := open(s)
	if err != nil {
		return nil, s.verdict(err)
	}
	if err := limits.Check(header); err != nil {
		return nil, err
	}
	return &Picture{header, limits, s, decode}, nil
}

// Header is what the image says of itself before its pixels.
func (p *Picture) Header() Header { return p.header }

// A Rendition is a smaller copy of an image: upright, without metadata, and in sRGB unless it has a profile that says
// otherwise.
type Rendition struct {
	Format Format
	// Bytes is the encoded file.
	Bytes []byte
	// Width and Height are in pixels.
	Width, Height int
	// Frames is 1 for a still.
	Frames int
	// OriginalWidth and OriginalHeight are in pixels as a viewer shows the original: with its orientation applied.
	OriginalWidth, OriginalHeight int
}

// Render reads the rest of the image and makes a rendition for each target. It can be called once.
//
// All frames that an animation shows, together, may have as many pixels as the limit for an image: what is beyond is
// left out. One that has an orientation, which is seldom, gives its first frame.
//
// The error is a *Refusal if the image can never be rendered. Otherwise it wraps that of the reader, or of ctx, which
// is looked at before every read, at every frame, every few rows, and between decoding and resampling.
func (p *Picture) Render(ctx context.Context, targets ...Target) ([]Rendition, error) {
	if p.decode == nil {
		return nil, errors.New("render image: it was rendered before")
	}
	p.source.stop = ctx.Err
	r := reel{header: p.header, check: p.source.check}
	for _, t := range targets {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("render image: %w", err)
		}
		t = t.of(p.header)
		r.targets, r.films = append(r.targets, t), append(r.films, t.film())
	}
	err := p.run(&r)
	switch {
	case r.fault != nil:
		return nil, r.fault
	case err != nil:
		return nil, p.source.verdict(err)
	default:
		return r.renditions()
	}
}

// run decodes. A panic in a decoder is damage: whatever bytes anyone sends, it ends there.
func (p *Picture) run(r *reel) (err error) {
	decode := p.decode
	p.decode = nil
	defer func() {
		if recover() != nil {
			err = refuse.AsDamaged("image", "its decoder gave up")
		}
	}()
	d := demand{frames: 1, show: r.show, check: r.check}
	for _, t := range r.targets {
		width, height := t.whole(p.header.Width, p.header.Height)
		d.width, d.height, d.frames = max(d.width, width), max(d.height, height), max(d.frames, t.Frames)
	}
	d.frames = int(max(1, min(int64(d.frames), p.limits.pixels()/p.header.Pixels())))
	r.outcome, err = decode(d)
	if err == nil && r.first == nil {
		err = refuse.AsDamaged("image", "it has no frames")
	}
	return err
}
