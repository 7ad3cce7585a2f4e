package gif

import (
	"bufio"
	"bytes"
	"image"
	"image/gif"
	"io"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// Blocks of a GIF, and the bits of a descriptor that tell of a colour table behind it.
const (
	extension = 0x21
	frame     = 0x2c
	trailer   = 0x3b

	hasTable  = 0x80
	tableSize = 0x07
)

// Decode reads the rest of the file, once, up to its trailer, and shows its first frame as it is first shown: on a
// transparent logical screen. Errors are those of Open, and of show.
func (f *File) Decode(width, height, frames int, show func(plane.Frame) error) error {
	// image/gif takes a reader that reads bytes as it is, and leaves it behind the frame.
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(f.header), f.rest))
	m, err := gif.Decode(r)
	if err != nil {
		return refusal(err)
	}
	screen := palette.Expand(m.(*image.Paletted), image.Rect(0, 0, f.Width, f.Height))
	if err := show(plane.Frame{Image: plane.Of(screen, width, height)}); err != nil {
		return err
	}
	return skipBlocks(r)
}

// refusal is for the errors of image/gif, which have no types and hide those of the reader.
func refusal(err error) error {
	text := strings.TrimPrefix(err.Error(), "gif: ")
	if strings.HasSuffix(text, io.EOF.Error()) {
		return io.ErrUnexpectedEOF
	}
	return refuse.AsDamaged(Name, "%s", text)
}

// skipBlocks reads the blocks up to the trailer. Bytes that start no block are passed over, as Pillow and the browsers
// do.
func skipBlocks(r *bufio.Reader) error {
	for {
		block, err := r.ReadByte()
		if err != nil {
			return err
		}
		switch block {
		case trailer:
			return nil
		case frame:
			err = skipFrame(r)
		case extension:
			_, err = r.Discard(1)
			if err == nil {
				err = skipData(r)
			}
		}
		if err != nil {
			return err
		}
	}
}

func skipFrame(r *bufio.Reader) error {
	const positionAndSize, codeSize = 8, 1
	if _, err := r.Discard(positionAndSize); err != nil {
		return err
	}
	fields, err := r.ReadByte()
	if err != nil {
		return err
	}
	table := 0
	if fields&hasTable != 0 {
		table = 3 << (1 + fields&tableSize)
	}
	if _, err := r.Discard(table + codeSize); err != nil {
		return err
	}
	return skipData(r)
}

// skipData reads a sequence of data sub-blocks, which ends with an empty one.
func skipData(r *bufio.Reader) error {
	for {
		length, err := r.ReadByte()
		if err != nil || length == 0 {
			return err
		}
		if _, err := r.Discard(int(length)); err != nil {
			return err
		}
	}
}
