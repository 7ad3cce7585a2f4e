package png

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// Decode reads the rest of the file, once, up to and including its IEND chunk. The image is of the size that Open
// found, as stored, and never an *image.Paletted; its orientation follows. Errors are those of Open.
func (f *File) Decode() (image.Image, int, error) {
	header := bytes.Join([][]byte{[]byte(signature), f.header, f.palette, f.alpha}, nil)
	m, err := png.Decode(io.MultiReader(bytes.NewReader(header), f.pixels))
	if err != nil {
		return nil, 0, refusal(err)
	}
	if m, ok := m.(*image.Paletted); ok {
		return palette.Expand(m, m.Bounds()), f.Orientation, nil
	}
	return m, f.Orientation, nil
}

func refusal(err error) error {
	var unsupported png.UnsupportedError
	var format png.FormatError
	var refused *refuse.Refusal
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &refused):
		return err
	case err == png.FormatError(io.ErrUnexpectedEOF.Error()): // what image/png makes of it at the end of the pixels
		return io.ErrUnexpectedEOF
	case errors.As(err, &unsupported):
		return refuse.AsUnsupported("PNG with " + string(unsupported))
	case errors.As(err, &format):
		return refuse.AsDamaged(Name, "%s", string(format))
	default: // compress/zlib's and compress/flate's, which start with their names
		_, detail, _ := strings.Cut(err.Error(), ": ")
		return refuse.AsDamaged(Name, "%s", detail)
	}
}

// pixels is a PNG from its first IDAT chunk on, without the chunks that mean nothing to image/png: it takes them out,
// and an orientation from them.
type pixels struct {
	file   *File
	header *bytes.Reader    // what is left of a chunk's length and name
	body   io.LimitedReader // what is left of its payload and check sum
	ended  bool
}

func newPixels(f *File, first chunk) *pixels {
	p := &pixels{file: f, body: io.LimitedReader{R: f.r}}
	p.start(first)
	return p
}

func (p *pixels) start(c chunk) {
	p.header = bytes.NewReader(c.header[:])
	p.body.N = int64(c.length) + crcLength
	p.ended = c.name == "IEND"
}

func (p *pixels) Read(b []byte) (int, error) {
	for p.header.Len() == 0 && p.body.N == 0 {
		if p.ended {
			return 0, io.EOF
		}
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	if p.header.Len() > 0 {
		return p.header.Read(b)
	}
	return p.body.Read(b)
}

// next goes on to the next chunk that a decoder needs.
func (p *pixels) next() error {
	for {
		c, err := readChunk(p.file.r)
		if err != nil {
			return err
		}
		if c.name == "IDAT" || c.name == "IEND" {
			p.start(c)
			return nil
		}
		if err := p.file.readMetadata(c); err != nil {
			return err
		}
	}
}

// Encode writes m as a PNG without metadata, gray if it is opaque and has no colours.
func Encode(w io.Writer, m *image.NRGBA) error {
	if gray, ok := palette.Gray(m); ok {
		return png.Encode(w, gray)
	}
	return png.Encode(w, m)
}
