// Package gif reads and writes GIF (https://www.w3.org/Graphics/GIF/spec-gif89a.txt). It decodes the first frame, in
// its place on the transparent logical screen, or the first frames as an animation shows them. The other frames are
// read but not decoded, so that a file that is cut short is detected.
//
// Where the specification is silent, or files do not follow it, it does what Pillow and browsers do: the screen is as
// large as the first frame needs; pixels that no frame covers are transparent, whatever the background colour is;
// without a colour table, indexes are levels of gray; a frame without any pixels is transparent; bytes between blocks
// and after the last pixel are skipped.
package gif

import (
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// Name is the name of the format in messages.
const Name = "GIF"

// headerLength is the length of signature and logical screen descriptor.
const headerLength = 13

// A File is a GIF that has been read up to the pixels of its first frame.
type File struct {
	// Width and Height are the size of the logical screen in pixels, or what the first frame needs if that is more.
	Width, Height int
	// Loops is how often an animation is played; 0 means without end. Decode sets it.
	Loops int

	check        func() error
	blocks       blockReader
	globalColors []byte // the global colour table, or nil
	first        *frame
}

// Header implements codec.File. No GIF header states the number of frames.
func (f *File) Header() codec.Header {
	return codec.Header{Width: f.Width, Height: f.Height, Frames: 0, Orientation: exif.Upright, Buffered: true}
}

// Open reads the file up to the pixels of its first frame. It skips comments of any length without holding them. Errors
// are those of package codec.
func Open(r io.Reader) (*File, error) {
	f := &File{Loops: 1, check: func() error { return nil }, blocks: blockReader{r: r}}
	if err := f.readScreen(); err != nil {
		return nil, err
	}
	var err error
	if f.first, err = f.nextFrame(); err != nil {
		return nil, err
	}
	if f.first == nil {
		return nil, imgerr.Damaged(Name, "it has no frames")
	}
	if b := f.first.bounds; !b.Empty() {
		f.Width, f.Height = max(f.Width, b.Max.X), max(f.Height, b.Max.Y)
	}
	if f.Width == 0 || f.Height == 0 {
		return nil, imgerr.Damaged(Name, "its screen has %dx%d pixels, and its first frame none", f.Width, f.Height)
	}
	return f, nil
}

func (f *File) readScreen() error {
	header, err := f.blocks.read(headerLength)
	if err != nil {
		return err
	}
	if version := string(header[:6]); version != "GIF87a" && version != "GIF89a" {
		return imgerr.Damaged(Name, "its version is %q, expected 87a or 89a", version[3:])
	}
	f.Width, f.Height = int(binary.LittleEndian.Uint16(header[6:])), int(binary.LittleEndian.Uint16(header[8:]))
	f.globalColors, err = f.blocks.readColorTable(header[10])
	return err
}
