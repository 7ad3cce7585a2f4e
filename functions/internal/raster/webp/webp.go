// Package webp reads and writes WebP (RFC 9649). It reads lossy and lossless images, with alpha, and the first frames
// of animations, as they are shown on a transparent canvas. The rest is read but not decoded, because the orientation
// follows the pixels, and so that a file that is cut short is detected. It writes lossy images and animations.
//
// Pixels are reduced as they come, so that only some rows of them are held; of an animation of which more than one
// frame is wanted, the canvas is held as well.
package webp

import (
	"encoding/binary"
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// Name is the name of the format in messages.
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
	// Width and Height are the size of the canvas in pixels, as stored.
	Width, Height int
	// Frames is 1 for a still image and 0 for an animation, whose header does not state the number.
	Frames int
	// Orientation is that of an EXIF chunk, and Loops is how often an animation is played; 0 means without end. Decode
	// sets both.
	Orientation, Loops int

	hasExif bool // only the first EXIF chunk counts
	check   func() error
	riff    *chunkReader
	first   chunk // the bitstream of a file without a VP8X chunk
	flags   byte
}

// Header implements codec.File. An EXIF chunk follows the pixels, so no header has an orientation.
func (f *File) Header() codec.Header {
	return codec.Header{Width: f.Width, Height: f.Height, Frames: f.Frames, Orientation: exif.Upright,
		Buffered: !f.isPlainLossy()}
}

// Open reads the file up to its size. Errors are those of package codec.
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
	case errors.Is(err, io.EOF):
		err = imgerr.Damaged(Name, "its RIFF header leaves no space for an image")
	case err != nil:
	case c.name == "VP8X":
		err = f.readVP8X(c)
	case c.name == "VP8 ", c.name == "VP8L":
		f.Width, f.Height, err = c.peekSize()
		f.first = c
	default:
		err = imgerr.Damaged(Name, "its first chunk is %q, expected VP8, VP8L or VP8X", c.name)
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

// readOrientation reads an EXIF chunk. As in libwebp it counts only if the header announces it.
func (f *File) readOrientation(c chunk) (int, error) {
	if f.flags&flagExif == 0 || f.hasExif {
		return f.Orientation, nil
	}
	f.hasExif = true
	return exif.Read(c.body, c.length)
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
