// Package png is raster's room for PNG (https://www.w3.org/TR/png-3): every colour type and depth. An animated PNG is
// treated as a still: its default image, which is what a reader that knows nothing of animation shows.
package png

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// Name is what the format is called in messages.
const Name = "PNG"

const signature = "\x89PNG\r\n\x1a\n"

const (
	ihdrLength = 13
	crcLength  = 4
	maxLength  = 1<<31 - 1 // of a chunk, and of a side
)

// indexed is the colour type of images with a palette. Those above it have an alpha channel, those below have neither.
const indexed = 3

// A File is a PNG that has been read up to its pixels.
type File struct {
	// Width and Height are in pixels, as stored.
	Width, Height int
	// Frames is what an acTL chunk says, or 1.
	Frames int
	// Orientation is that of an eXIf chunk before the pixels; one after them is found by Decode.
	Orientation int

	r         io.Reader
	colorType byte
	header    []byte // whole chunks, for the decoder
	palette   []byte
	alpha     []byte
	pixels    *pixels
}

// Open reads the file up to the header of its first IDAT chunk. Metadata is passed over as it comes, of whatever
// length, and costs no memory. The error is a *refuse.Refusal, or that of r; io.EOF and io.ErrUnexpectedEOF mean a file
// cut short.
func Open(r io.Reader) (*File, error) {
	f := &File{Frames: 1, Orientation: exif.Upright, r: r}
	if err := f.readStart(); err != nil {
		return nil, err
	}
	for {
		c, err := readChunk(r)
		if err != nil {
			return nil, err
		}
		switch c.name {
		case "IDAT":
			f.pixels = newPixels(f, c)
			return f, nil
		case "IEND":
			return nil, refuse.AsDamaged(Name, "it ends without pixels")
		case "PLTE":
			err = f.keep(&f.palette, c, f.colorType == indexed, 3*256)
		case "tRNS":
			err = f.keep(&f.alpha, c, f.colorType <= indexed, 256)
		case "acTL":
			err = f.readAnimation(c)
		default:
			err = f.readMetadata(c)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (f *File) readStart() error {
	var start [len(signature)]byte
	if _, err := io.ReadFull(f.r, start[:]); err != nil {
		return err
	}
	if string(start[:]) != signature {
		return refuse.AsDamaged(Name, "its signature is broken, as by a transfer that took it for text")
	}
	c, err := readChunk(f.r)
	if err != nil {
		return err
	}
	if c.name == "CgBI" {
		return refuse.AsUnsupported("PNG of Apple's own kind (CgBI)")
	}
	if c.name != "IHDR" || c.length != ihdrLength {
		return refuse.AsDamaged(Name, "it does not start with an IHDR chunk of %d bytes", ihdrLength)
	}
	f.header, err = c.read()
	if err != nil {
		return err
	}
	ihdr := f.header[chunkHeaderLength:]
	width, height := binary.BigEndian.Uint32(ihdr), binary.BigEndian.Uint32(ihdr[4:])
	if width == 0 || height == 0 || width > maxLength || height > maxLength {
		return refuse.AsDamaged(Name, "it is %dx%d pixels large", width, height)
	}
	f.Width, f.Height, f.colorType = int(width), int(height), ihdr[9]
	return nil
}

// keep reads a chunk that the decoder needs, or passes over one that has no meaning for the colour type, as libpng
// does.
func (f *File) keep(kept *[]byte, c chunk, needed bool, limit uint32) error {
	if !needed {
		return c.skip()
	}
	if *kept != nil || c.length > limit {
		return refuse.AsDamaged(Name, "its %s chunk is repeated, or longer than %d bytes", c.name, limit)
	}
	var err error
	*kept, err = c.read()
	return err
}

func (f *File) readAnimation(c chunk) error {
	if c.length != 8 {
		return c.skip()
	}
	b, err := c.read()
	if err != nil {
		return err
	}
	if frames := binary.BigEndian.Uint32(b[chunkHeaderLength:]); frames > 0 && frames <= maxLength {
		f.Frames = int(frames)
	}
	return nil
}

// readMetadata reads a chunk that the decoder does not need.
func (f *File) readMetadata(c chunk) error {
	if c.name != "eXIf" || f.Orientation != exif.Upright {
		return c.skip()
	}
	orientation, err := exif.Read(c.payload, int64(c.length))
	if err != nil {
		return err
	}
	f.Orientation = orientation
	return c.skip()
}

const chunkHeaderLength = 8

// A chunk is one whose length and name have been read.
type chunk struct {
	name    string
	length  uint32
	header  [chunkHeaderLength]byte
	payload io.Reader // of the payload alone, counted in the check sum
	r       io.Reader
	sum     func() uint32
}

func readChunk(r io.Reader) (chunk, error) {
	c := chunk{r: r}
	if _, err := io.ReadFull(r, c.header[:]); err != nil {
		return c, err
	}
	c.length, c.name = binary.BigEndian.Uint32(c.header[:]), string(c.header[4:])
	for _, letter := range c.header[4:] {
		if letter|0x20 < 'a' || letter|0x20 > 'z' {
			return c, refuse.AsDamaged(Name, "a chunk is called %q", c.name)
		}
	}
	if c.length > maxLength {
		return c, refuse.AsDamaged(Name, "a chunk of %d bytes is longer than the format allows", c.length)
	}
	sum := crc32.NewIEEE()
	sum.Write(c.header[4:])
	c.payload, c.sum = io.TeeReader(io.LimitReader(r, int64(c.length)), sum), sum.Sum32
	return c, nil
}

// skip passes over what is left of the payload and checks the sum.
func (c chunk) skip() error {
	if _, err := io.Copy(io.Discard, c.payload); err != nil {
		return err
	}
	var stored [crcLength]byte
	if _, err := io.ReadFull(c.r, stored[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(stored[:]) != c.sum() {
		return refuse.AsDamaged(Name, "the check sum of its %s chunk is wrong", c.name)
	}
	return nil
}

// read reads the chunk, checks the sum, and returns all of it from the length to the sum.
func (c chunk) read() ([]byte, error) {
	whole := append([]byte(nil), c.header[:]...)
	whole = append(whole, make([]byte, c.length)...)
	if _, err := io.ReadFull(c.payload, whole[chunkHeaderLength:]); err != nil {
		return nil, err
	}
	whole = binary.BigEndian.AppendUint32(whole, c.sum())
	return whole, c.skip()
}
