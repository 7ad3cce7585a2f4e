// Package heif reads HEIF (ISO/IEC 23008-12), the container of HEIC and AVIF: the primary item of a file, if that is a
// picture coded as HEVC, or a grid of such pictures, as phones write them.
//
// The type of the primary item decides what is decoded, not the brands of the file. Orientation is that of irot and imir
// properties only: readers that apply EXIF as well rotate twice. Not read are image sequences, overlays (iovl), pictures
// whose data is in another item or file, gain maps, pixel aspect ratios, and chroma positions. AV1 (AVIF) is recognized
// and refused.
//
// # Memory
//
// The meta box, of up to 4 MiB, is held; everything else comes from a window on the file, which is read forward: from the
// first byte that a picture still needs to the last that was read. Items whose data is in the order in which they are
// decoded cost as much as the largest of them; items in another order, and a file whose meta box comes last, cost as
// much as the file. Pixels are reduced as they come. Of a grid, one row of tiles is held; of alpha, one byte for each of
// its pixels. Everything else is decided from the meta box before it is allocated: see the limits in meta.go and
// picture.go.
//
// # Cost
//
// If a thumbnail item shows what a copy needs, it is decoded instead of the picture. The rest of the file is read all
// the same, so that a file cut short is an error.
package heif

import (
	"fmt"
	"io"
	"math"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
)

// Name is what the format is called in messages.
const Name = "HEIC"

// maxAhead is how much of a file may come before its meta box, in bytes, because all of it is held until it is known
// what is needed.
const maxAhead = 64 << 20

// maxBoxes is how many boxes may come before the meta box. It is usually the second.
const maxBoxes = 256

// A File is a HEIF file whose meta box has been read.
type File struct {
	// Width and Height are in pixels, as stored: before the orientation is applied, but without what clap crops.
	Width, Height int
	// Orientation is that of the irot and imir properties, numbered as in EXIF: 1 to 8.
	Orientation int
	// DecodedPixels is the size of the picture in pixels before it is cropped.
	DecodedPixels int64
	// HasAlpha reports whether there is an alpha picture.
	HasAlpha bool
	// Whole makes Decode decode the picture even if a thumbnail item would do.
	Whole bool

	check   func() error
	window  *window
	meta    *meta
	primary *picture
	alpha   *alpha // nil if there is none
	thumbs  []*picture
	codings map[string]coding   // by the type of the items
	streams map[*byte]bitstream // by the configuration that they share
}

// Open reads the file up to and including its meta box: all of it, if that comes last. The error is a *imgerr.Error, or
// that of r; io.EOF and io.ErrUnexpectedEOF mean a file cut short.
func Open(r io.Reader) (*File, error) { return open(r, codings) }

func open(r io.Reader, codings map[string]coding) (*File, error) {
	f := &File{check: func() error { return nil }, window: &window{r: r}, codings: codings, streams: map[*byte]bitstream{}}
	if err := f.readMeta(); err != nil {
		return nil, err
	}
	if of := f.meta.referred("thmb", f.meta.primary); len(of) > 0 { // as libheif: nobody wants to see a thumbnail
		f.meta.primary = of[0]
	}
	p, err := f.picture(f.meta.primary, 0)
	if err != nil {
		return nil, err
	}
	f.primary = p
	f.Width, f.Height, f.Orientation = p.crop.Dx(), p.crop.Dy(), p.orientation
	f.DecodedPixels = int64(p.width) * int64(p.height)
	if err := f.findAlpha(); err != nil {
		return nil, err
	}
	f.findThumbnails()
	f.window.forget(f.start())
	return f, nil
}

// Header implements codec.File.
func (f *File) Header() codec.Header {
	return codec.Header{
		Width: f.Width, Height: f.Height, Frames: 1, Orientation: f.Orientation, DecodedPixels: f.DecodedPixels,
	}
}

// readMeta reads the boxes of the file up to the meta box, and that.
func (f *File) readMeta() error {
	isSequence, at := false, int64(0)
	for range maxBoxes {
		kind, start, end, err := f.readHeader(at)
		switch {
		case err == io.EOF && isSequence:
			return unsupported("HEIC image sequence")
		case err == io.EOF && at > 0:
			return damaged("it has no meta box")
		case err != nil:
			return err
		case at == 0 && kind != "ftyp":
			return damaged("it does not start with an ftyp box")
		case kind == "meta":
			return f.readItems(start, end)
		case kind == "moov":
			isSequence = true
		}
		if err := f.pass(end); err != nil {
			return err
		}
		at = end
	}
	return tooMany("boxes in front of its meta box", maxBoxes)
}

// short is the error for a file that ends where more of it was expected.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readHeader reads the header of the box at a position. The end of one that goes to the end of the file is
// math.MaxInt64. The error is io.EOF if the file ends in front of it.
func (f *File) readHeader(at int64) (kind string, start, end int64, err error) {
	header := f.section(at, toEnd)
	var b [16]byte
	if _, err := io.ReadFull(header, b[:8]); err != nil {
		return "", 0, 0, err
	}
	c := &cursor{b: b[:]}
	size := uint64(c.uint32())
	kind, start = c.fourcc(), at+8
	switch size {
	case 0:
		return kind, start, math.MaxInt64, nil
	case 1:
		if _, err := io.ReadFull(header, b[8:]); err != nil {
			return "", 0, 0, short(err)
		}
		size, start = c.number(8), at+16
	}
	if size < uint64(start-at) || size > 1<<60 {
		return "", 0, 0, damaged("its %q box is said to have %d bytes", kind, size)
	}
	return kind, start, at + int64(size), nil
}

// pass reads on to the end of a box in front of the meta box.
func (f *File) pass(end int64) error {
	err := f.window.pass(min(end, maxAhead+1))
	switch {
	case err == io.EOF && end == math.MaxInt64:
		return nil // readHeader finds it out
	case err == nil && end > maxAhead:
		return unsupported(fmt.Sprintf("HEIC whose meta box comes after more than %d bytes", maxAhead))
	}
	return short(err)
}

// readItems reads the payload of the meta box.
func (f *File) readItems(start, end int64) error {
	if end-start > maxMeta {
		return tooMany("bytes in its meta box", maxMeta)
	}
	payload, err := io.ReadAll(f.section(start, end-start))
	if err != nil {
		return err
	}
	f.meta, err = parseMeta(payload)
	return err
}

// section reads a part of the file.
func (f *File) section(at, length int64) *extents {
	return &extents{from: f.window, left: []extent{{at, length}}, short: io.ErrUnexpectedEOF}
}

// data reads the data of an item.
func (f *File) data(i *item) (*extents, error) {
	l := i.location
	switch {
	case l == nil || len(l.extents) == 0:
		return nil, damaged("its iloc box does not say where item %d is", i.id)
	case l.reference != 0:
		return nil, unsupported("HEIC whose pictures are in another file")
	case l.construction != inFile && l.construction != inBox:
		return nil, unsupported("HEIC whose pictures are within other items")
	}
	data := &extents{from: f.window, left: slices.Clone(l.extents), short: io.ErrUnexpectedEOF}
	if l.construction == inBox {
		data.from, data.short = held(f.meta.idat), damaged("item %d is beyond the end of its idat box", i.id)
	}
	return data, nil
}

// start is the first position of the file that may still be needed.
func (f *File) start() int64 {
	low := f.primary.start()
	if f.alpha != nil {
		low = min(low, f.alpha.start())
	}
	for _, t := range f.thumbs {
		low = min(low, t.start())
	}
	return low
}

// start is the position of the file where the first data of a picture is.
func (p *picture) start() int64 {
	low := int64(math.MaxInt64)
	for _, t := range p.tiles {
		low = min(low, t.start())
	}
	return low
}

// start is the position of the file where the first data of a tile is.
func (t tile) start() int64 {
	low := int64(math.MaxInt64)
	if l := t.item.location; l != nil && l.construction == inFile {
		for _, e := range l.extents {
			low = min(low, e.at)
		}
	}
	return low
}

// end is the position of the file behind the last data of a tile, as far as that is known.
func (t tile) end() int64 {
	high := int64(0)
	if l := t.item.location; l != nil && l.construction == inFile {
		for _, e := range l.extents {
			if e.length != toEnd {
				high = max(high, e.at+e.length)
			}
		}
	}
	return high
}
