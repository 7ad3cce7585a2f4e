// Package gif is raster's room for GIF (https://www.w3.org/Graphics/GIF/spec-gif89a.txt): the first frame, in its place
// on the transparent logical screen. The frames after it are read through, so that a file cut short is found out.
package gif

import (
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// Name is what the format is called in messages.
const Name = "GIF"

// headerLength is that of signature and logical screen descriptor.
const headerLength = 13

// A File is a GIF whose logical screen has been read.
type File struct {
	// Width and Height are those of the logical screen, in pixels. How many frames there are, no header says.
	Width, Height int
	// Loops is how often an animation is to be shown, 0 for without end. Decode finds it out.
	Loops int

	header []byte
	rest   io.Reader
}

// Open reads the logical screen descriptor. The error is a *refuse.Refusal, or that of r; io.EOF and
// io.ErrUnexpectedEOF mean a file cut short.
func Open(r io.Reader) (*File, error) {
	header := make([]byte, headerLength)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	if version := string(header[:6]); version != "GIF87a" && version != "GIF89a" {
		return nil, refuse.AsDamaged(Name, "its version is %q, expected 87a or 89a", version[3:])
	}
	f := &File{
		Loops:  1,
		Width:  int(binary.LittleEndian.Uint16(header[6:])),
		Height: int(binary.LittleEndian.Uint16(header[8:])),
		header: header,
		rest:   r,
	}
	if f.Width == 0 || f.Height == 0 {
		return nil, refuse.AsDamaged(Name, "it is %dx%d pixels large", f.Width, f.Height)
	}
	return f, nil
}
