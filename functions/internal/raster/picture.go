package raster

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// A Picture is an image whose header has been read and found to be within the limits. Its pixels are not decoded yet.
type Picture struct {
	header Header
	limits Limits
	source *source
	table  formatTable
	entry  *formatEntry
	file   codec.File // nil once it was decoded
	// Of Render, for Sample.
	pyramid pyramid
	result  codec.Result
}

// Open reads the header of an image, and no further, and checks it. The error is an *Error if the image can never be
// rendered within the limits, otherwise that of r.
func Open(r io.Reader, limits Limits) (*Picture, error) { return formats.openPicture(r, limits) }

func (t formatTable) openPicture(r io.Reader, limits Limits) (picture *Picture, err error) {
	defer recoverPanic(&err)
	s := newSource(context.Background(), r) // whose context is that of Render
	header, entry, file, err := t.open(s, limits)
	if err != nil {
		return nil, s.classify(err)
	}
	if err := limits.Check(header); err != nil {
		return nil, err
	}
	return &Picture{header: header, limits: limits, source: s, table: t, entry: entry, file: file}, nil
}

// Header returns what the image states about itself before its pixels.
func (p *Picture) Header() Header { return p.header }

// Render reads the rest of the image and makes a rendition for each target. It can be called once.
//
// All frames of an animation together may have as many pixels as the limit for an image; frames beyond that are left
// out. An animation with an orientation, which is rare, is rendered as its first frame.
//
// The error is an *Error if the image can never be rendered, and a *PanicError if a decoder has a bug. Otherwise it
// wraps the error of the reader, or of ctx, which is checked before every read, at every frame, every few rows, and
// between decoding and resampling.
func (p *Picture) Render(ctx context.Context, targets ...Target) (renditions []Rendition, err error) {
	defer recoverPanic(&err)
	if p.file == nil {
		return nil, errors.New("render image: it was rendered before")
	}
	p.source.ctxErr = ctx.Err
	r := renderer{header: p.header, checkCancelled: p.source.checkCancelled}
	for _, t := range targets {
		if err := t.validate(p.table); err != nil {
			return nil, fmt.Errorf("render image: %w", err)
		}
	}
	r.outputs = p.outputs(targets)
	err = p.decode(ctx, &r)
	p.pyramid, p.result = r.pyramid, r.result
	switch {
	case r.encodeErr != nil:
		return nil, r.encodeErr
	case err != nil:
		return nil, p.source.classify(err)
	default:
		_, span := trace.Start(ctx, "encode")
		span.Int("image.renditions", int64(len(r.outputs)))
		renditions, err = r.renditions()
		span.End(err)
		return renditions, err
	}
}

// decode passes the frames to r.
func (p *Picture) decode(ctx context.Context, r *renderer) (err error) {
	_, span := trace.Start(ctx, "decode")
	defer func() { span.End(err) }()
	span.Text("image.format", p.header.Format.ContentType())
	span.Int("image.pixels", p.header.Pixels())
	file := p.file
	p.file = nil
	job := p.job(r.outputs)
	o := codec.Options{
		Width: job.Width, Height: job.Height, Frames: job.Frames, Nearest: job.Nearest,
		Tolerant: p.limits.Tolerant, IgnoreThumbnails: job.IgnoreThumbnails,
		Show: r.addFrame, Check: r.checkCancelled,
	}
	r.result, err = file.Decode(o)
	if err == nil && r.first == nil {
		err = imgerr.Damaged("image", "it has no frames")
	}
	return err
}
