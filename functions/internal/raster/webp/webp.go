// Package webp is raster's room for WebP (RFC 9649): lossy, lossless, with alpha; of an animation the first frames, as
// they are shown on its transparent canvas. What comes after them is read through, for the orientation is behind the
// pixels, and so that a file cut short is found out.
//
// Pixels are reduced as they come, so that some rows of them are held, and no image; of an animation of which more than
// one frame is wanted, the canvas is.
package webp

import (
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// Name is what the format is called in messages.
const Name = "WebP"

// Flags of a VP8X chunk.
const (
	flagAnimation = 0x02
	flagExif      = 0x08
	flagAlpha     = 0x10
	flagProfile   = 0x20
)

// A File is a WebP whose size has been read.
type File struct {
	// Width and Height are those of the canvas, in pixels, as stored.
	Width, Height int
	// Frames is 1 for a still, 0 for an animation: no header says how many there are.
	Frames int
	// Orientation is that of an EXIF chunk, and Loops how often an animation is to be shown, 0 for without end. Decode
	// finds them out.
	Orientation, Loops int

	check func() error
	riff  *chunkReader
	first chunk // the bitstream that Open looked into, of a file without a VP8X chunk
	flags byte
}

// Header implements codec.File. An EXIF chunk follows the pixels, so no header has an orientation.
func (f *File) Header() codec.Header {
	return codec.Header{Width: f.Width, Height: f.Height, Frames: f.Frames, Orientation: exif.Upright}
}

// Open reads the file up to where it has said its size. The error is a *imgerr.Refusal, or that of r; io.EOF and
// io.ErrUnexpectedEOF mean a file cut short.
func Open(r io.Reader) (*File, error) {
	var header [12]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	if string(header[:4]) != "RIFF" || string(header[8:]) != "WEBP" {
		return nil, imgerr.Damaged(Name, "it does not start with a RIFF header")
	}
	f := &File{Frames: 1, Orientation: exif.Upright, Loops: 1, check: func() error { return nil }}
	f.riff = &chunkReader{r: r, left: int64(binary.LittleEndian.Uint32(header[4:])) - 4}
	c, err := f.riff.next()
	switch {
	case err == io.EOF:
		err = imgerr.Damaged(Name, "its RIFF header leaves no room for an image")
	case err != nil:
	case c.name == "VP8X":
		err = f.readVP8X(c)
	case c.name == "VP8 ", c.name == "VP8L":
		f.Width, f.Height, err = c.peekSize()
		f.first = c
	default:
		err = imgerr.Damaged(Name, "its first chunk is called %q", c.name)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) readVP8X(c chunk) error {
	var b [10]byte
	if c.length < int64(len(b)) {
		return imgerr.Damaged(Name, "its VP8X chunk has %d bytes, expected %d", c.length, len(b))
	}
	if _, err := io.ReadFull(c.body, b[:]); err != nil {
		return err
	}
	f.flags = b[0]
	f.Width, f.Height = 1+int(uint24(b[4:])), 1+int(uint24(b[7:]))
	if f.flags&flagAnimation != 0 {
		f.Frames = 0
	}
	return nil
}

// orientation reads an EXIF chunk. As in libwebp it counts only if the file has said that it has one.
func (f *File) readOrientation(c chunk) (int, error) {
	if f.flags&flagExif == 0 {
		return exif.Upright, nil
	}
	return exif.Read(c.body, c.length)
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
