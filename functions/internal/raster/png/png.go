// Package png reads and writes PNG (https://www.w3.org/TR/png-3) of every colour type and depth. Of an animated PNG it
// decodes the default image, which is what a reader without support for animations shows.
//
// Rows are decompressed, converted and reduced one after the other, so that only two of them are held; of an interlaced
// file, half of the rows are. It does not apply gAMA and cHRM.
package png

import (
	"encoding/binary"
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// Name is the name of the format in messages.
const Name = "PNG"

const signature = "\x89PNG\r\n\x1a\n"

const ihdrLength = 13

// A File is a PNG that has been read up to its pixels.
type File struct {
	// Width and Height are in pixels, as stored.
	Width, Height int
	// Frames is the number in an acTL chunk, or 1.
	Frames int
	// Orientation is that of an eXIf chunk before the pixels; Decode finds one after them.
	Orientation int

	r            io.Reader
	metadata     codec.Metadata
	hasExif      bool // only the first eXIf chunk with a right CRC counts
	layout       layout
	interlaced   bool
	profile      []byte // an ICC profile, decompressed
	hasCICP      bool   // profile is that of a cICP chunk, which takes precedence over iCCP
	palette      []byte // the payload of PLTE
	transparency []byte // the payload of tRNS
	firstIDAT    *chunk
}

// Header implements codec.File.
func (f *File) Header() codec.Header {
	return codec.Header{Width: f.Width, Height: f.Height, Frames: f.Frames, Orientation: f.Orientation,
		Buffered: f.interlaced}
}

// Open reads the file up to the header of its first IDAT chunk. It skips metadata of any length without holding it,
// except for a colour profile of up to icc.MaxSize. Errors are those of package codec.
func Open(r io.Reader) (*File, error) {
	f := &File{Frames: 1, Orientation: exif.Upright, r: r}
	if err := f.readSignature(); err != nil {
		return nil, err
	}
	for {
		c, err := readChunk(r)
		if err != nil {
			return nil, err
		}
		switch c.chunkType() {
		case "IDAT":
			f.firstIDAT = c
			return f, f.checkColors()
		case "IEND":
			return nil, imgerr.Damaged(Name, "it ends without pixels")
		case "PLTE":
			err = f.readOnce(&f.palette, c, f.layout.colorType == indexed, 3*256)
		case "tRNS":
			err = f.readOnce(&f.transparency, c, f.layout.colorType <= indexed, 256)
		case "acTL":
			err = f.readACTL(c)
		case "cICP":
			err = f.readCICP(c)
		case "iCCP":
			err = f.readICCP(c)
		default:
			err = f.readMetadata(c)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (f *File) readSignature() error {
	var start [len(signature)]byte
	if _, err := io.ReadFull(f.r, start[:]); err != nil {
		return err
	}
	if string(start[:]) != signature {
		return imgerr.Damaged(Name, "its signature is broken, as if it had been transferred as text")
	}
	c, err := readChunk(f.r)
	if err != nil {
		return err
	}
	if c.chunkType() == "CgBI" {
		return imgerr.Unsupported("PNG of Apple's own kind (CgBI)", "standard PNG")
	}
	if c.chunkType() != "IHDR" || c.length() != ihdrLength {
		return imgerr.Damaged(Name, "it does not start with an IHDR chunk of %d bytes", ihdrLength)
	}
	ihdr, err := c.readAll()
	if err != nil {
		return err
	}
	return f.parseIHDR(ihdr)
}

func (f *File) parseIHDR(ihdr []byte) error {
	width, height := binary.BigEndian.Uint32(ihdr), binary.BigEndian.Uint32(ihdr[4:])
	if width == 0 || height == 0 || width > maxLength || height > maxLength {
		return imgerr.Damaged(Name, "its size is %dx%d pixels", width, height)
	}
	f.Width, f.Height, f.layout = int(width), int(height), layout{colorType: colorType(ihdr[9]), depth: int(ihdr[8])}
	compression, filter, interlacing := ihdr[10], ihdr[11], ihdr[12]
	switch {
	case !f.layout.isValid():
		found := fmt.Sprintf("PNG of colour type %d with %d bits", f.layout.colorType, f.layout.depth)
		return imgerr.Unsupported(found, "a combination that the PNG standard defines")
	case compression != 0:
		return imgerr.Unsupported(fmt.Sprintf("PNG with compression method %d", compression), "method 0")
	case filter != 0:
		return imgerr.Unsupported(fmt.Sprintf("PNG with filter method %d", filter), "method 0")
	case interlacing > 1:
		return imgerr.Unsupported(fmt.Sprintf("PNG with interlace method %d", interlacing), "method 0 or 1")
	}
	f.interlaced = interlacing == 1
	return nil
}

// readOnce reads a chunk that the pixels need, or skips one that has no meaning for the colour type, as libpng does.
func (f *File) readOnce(kept *[]byte, c *chunk, needed bool, limit uint32) error {
	if !needed {
		return c.skip()
	}
	if *kept != nil || c.length() > limit {
		return imgerr.Damaged(Name, "its %s chunk is repeated or longer than %d bytes", c.chunkType(), limit)
	}
	var err error
	*kept, err = c.readAll()
	return err
}

// checkColors validates PLTE and tRNS.
func (f *File) checkColors() error {
	if n := len(f.palette); f.layout.colorType == indexed && (n == 0 || n%3 != 0) {
		return imgerr.Damaged(Name, "its palette has %d bytes, expected a multiple of 3", n)
	}
	if f.transparency == nil || f.layout.colorType == indexed {
		return nil
	}
	if n := 2 * f.layout.colorType.channels(); len(f.transparency) != n {
		return imgerr.Damaged(Name, "its transparent colour has %d bytes, expected %d", len(f.transparency), n)
	}
	return nil
}

func (f *File) readACTL(c *chunk) error {
	if c.length() != 8 {
		return c.skip()
	}
	var b [8]byte
	isRight, err := c.readRight(b[:])
	if frames := binary.BigEndian.Uint32(b[:]); isRight && frames > 0 && frames <= maxLength {
		f.Frames = int(frames)
	}
	return err
}

// readMetadata reads a chunk that the pixels do not need.
func (f *File) readMetadata(c *chunk) error {
	if c.chunkType() != "eXIf" || f.hasExif || f.metadata.Left() == 0 {
		return c.skip()
	}
	f.metadata.Take(min(exif.MaxPayload, int64(c.length())))
	orientation, err := exif.Read(c, int64(c.length()))
	if err != nil {
		return err
	}
	isRight, err := c.checkCRC()
	if isRight {
		f.hasExif, f.Orientation = true, orientation
	}
	return err
}
