package raster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/gif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/jpeg"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/png"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp"
)

// A Picture is an image whose header has been read and found to be within the limits. Nothing was decoded yet.
type Picture struct {
	header Header
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
	return &Picture{header, s, decode}, nil
}

// Header is what the image says of itself before its pixels.
func (p *Picture) Header() Header { return p.header }

// A Rendition is a smaller copy of an image: upright, in the same format, without metadata.
type Rendition struct {
	Format Format
	// Bytes is the encoded file.
	Bytes []byte
	// Width and Height are in pixels.
	Width, Height int
	// OriginalWidth and OriginalHeight are in pixels as a viewer shows the original: with its orientation applied.
	OriginalWidth, OriginalHeight int
}

// Render reads the rest of the image and makes the rendition that fits into the box. It can be called once.
//
// The error is a *Refusal if the image can never be rendered. Otherwise it wraps that of the reader, or of ctx, which
// is looked at before every read and between decoding and resampling.
func (p *Picture) Render(ctx context.Context, box Box) (Rendition, error) {
	if p.decode == nil {
		return Rendition{}, errors.New("render image: it was rendered before")
	}
	p.source.stop = ctx.Err
	pixels, orientation, err := p.pixels(box)
	if err != nil {
		return Rendition{}, p.source.verdict(err)
	}
	if err := ctx.Err(); err != nil {
		return Rendition{}, fmt.Errorf("resample image: %w", err)
	}
	rendition := Rendition{Format: p.header.Format}
	rendition.OriginalWidth, rendition.OriginalHeight = displayed(p.header.Width, p.header.Height, orientation)
	rendition.Width, rendition.Height = box.Fit(rendition.OriginalWidth, rendition.OriginalHeight)
	rendition.Bytes, err = encode(rendition.Format, pixels, rendition.Width, rendition.Height, orientation)
	return rendition, err
}

// pixels decodes. A panic in a decoder is damage: it is other people's code, on whatever bytes anyone sends.
func (p *Picture) pixels(box Box) (pixels *plane.Image, orientation int, err error) {
	decode := p.decode
	p.decode = nil
	defer func() {
		if recover() != nil {
			err = refuse.AsDamaged("image", "its decoder gave up")
		}
	}()
	pixels, orientation, err = decode(box.largest(p.header.Width, p.header.Height))
	if err == nil && (pixels.Width != p.header.Width || pixels.Height != p.header.Height) {
		err = refuse.AsDamaged("image", "its pixels are of another size than its header says")
	}
	return pixels, orientation, err
}

// encode writes a copy of width x height pixels.
func encode(format Format, m *plane.Image, width, height, orientation int) ([]byte, error) {
	var file bytes.Buffer
	var err error
	switch format {
	case JPEG:
		err = jpeg.Encode(&file, m.Halved(width, height, orientation))
	case PNG:
		err = png.Encode(&file, m.Small(width, height, orientation).NRGBA())
	case GIF:
		err = gif.Encode(&file, m.Small(width, height, orientation).NRGBA())
	case WebP:
		err = webp.Encode(&file, m.Small(width, height, orientation).NRGBA())
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", format, err)
	}
	return file.Bytes(), nil
}
