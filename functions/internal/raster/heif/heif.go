// Package heif decodes HEIF (ISO/IEC 23008-12), the container of HEIC and AVIF: the primary item of a file, if it is
// a coded picture, a grid or an overlay of coded pictures, with its alpha, colour information and transformations. The
// pictures of a HEIC are HEVC, those of an AVIF are AV1; files with both are refused.
//
// HEVC pictures are decoded by package hevc, AV1 pictures by package av1.
//
// The orientation is that of the irot and imir properties only, because EXIF repeats it. Of an image sequence without a
// primary item, the first sync sample is decoded, which is an intra picture. Data in other items or files is refused;
// gain maps, pixel aspect ratios and chroma sample positions are ignored.
//
// If a thumbnail item is large enough for the copy that is wanted, it is decoded instead of the picture, unless
// codec.Options.IgnoreThumbnails is set.
//
// # Memory
//
// The reader is read forward, once. The package holds the meta box or moov box, of up to 4 MiB, and a window of the
// file: the bytes from the first that is still needed to the last read. For items that are stored in the order in which
// they are decoded that is one item; for items in another order, and for a meta box after the pixels, up to the whole
// file. Pixels are reduced as they are decoded: a grid holds one row of tiles, alpha one byte for each of its pixels,
// an overlay 4 bytes for each pixel of its canvas. An AV1 item is held as a whole, and its samples as package av1 says.
// Limits on items, properties, extents and pixels are checked in the meta box before anything is allocated by them.
package heif

import (
	"errors"
	"io"
	"math"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
)

// The names of the formats in messages.
const (
	Name     = "HEIC"
	NameAVIF = "AVIF"
)

// maxAhead is the largest number of bytes before the meta box. They are all held, because items may be among them.
const maxAhead = 64 << 20

// maxBoxes is the largest number of boxes before the meta box, which usually is the second.
const maxBoxes = 256

// A File is a HEIF file whose meta box has been read.
type File struct {
	// Width and Height are in pixels, as stored: after cropping (clap), before Orientation is applied.
	Width, Height int
	// Orientation is that of the irot and imir properties, numbered as in EXIF: 1 to 8.
	Orientation int
	// DecodedPixels is the number of pixels before cropping.
	DecodedPixels int64
	// HasAlpha reports whether there is an alpha item. Its pixels may all be opaque.
	HasAlpha bool

	name       string // of the format
	check      func() error
	window     *window
	meta       *meta
	primary    *picture
	thumbs     []*picture
	itemCodecs map[string]itemCodec // by item type
	streams    map[streamKey]bitstream
}

// Open reads the file up to the end of its meta box, which may be the end of the file. The error is an
// *imgerr.Error, that of r, or io.EOF or io.ErrUnexpectedEOF for a file that is cut short.
func Open(r io.Reader) (*File, error) { return open(r, Name, itemCodecs) }

// OpenAVIF is Open for an AVIF.
func OpenAVIF(r io.Reader) (*File, error) { return open(r, NameAVIF, itemCodecs) }

func open(r io.Reader, name string, itemCodecs map[string]itemCodec) (*File, error) {
	f := &File{
		name: name, check: func() error { return nil }, window: &window{r: r},
		itemCodecs: itemCodecs, streams: map[streamKey]bitstream{},
	}
	if err := f.readHeaders(); err != nil {
		return nil, withName(err, name)
	}
	return f, nil
}

// readHeaders reads the meta box, and prepares the pictures that may be decoded.
func (f *File) readHeaders() error {
	if err := f.readMeta(); err != nil {
		return err
	}
	if of := f.meta.targets("thmb", f.meta.primary); len(of) > 0 { // libheif shows the picture, too
		f.meta.primary = of[0]
	}
	p, err := f.picture(f.meta.primary, 0)
	if err != nil {
		return err
	}
	f.primary = p
	f.Width, f.Height, f.Orientation = p.crop.Dx(), p.crop.Dy(), p.orientation
	f.DecodedPixels = int64(p.width) * int64(p.height)
	if p.alpha, err = f.findAlpha(f.meta.primary, p); err != nil {
		return err
	}
	f.HasAlpha = p.alpha != nil
	f.findThumbnails()
	f.window.discard(f.start())
	return nil
}

// Header implements codec.File.
func (f *File) Header() codec.Header {
	return codec.Header{
		Width: f.Width, Height: f.Height, Frames: 1, Orientation: f.Orientation, DecodedPixels: f.DecodedPixels,
		Buffered: true,
	}
}

// readMeta reads the boxes of the file up to its meta box, or up to the moov box of an image sequence, and parses it.
// In a file with both, the meta box has the still picture.
func (f *File) readMeta() error {
	var brands brands
	var sequence *meta
	refusal := damaged("it has neither a meta box nor a moov box")
	at := int64(0)
	for range maxBoxes {
		kind, start, end, err := f.readHeader(at)
		switch {
		case errors.Is(err, io.EOF) && sequence != nil:
			f.meta = sequence
			return nil
		case errors.Is(err, io.EOF) && at > 0:
			return refusal
		case err != nil:
			return err
		case at == 0 && kind != "ftyp":
			return damaged("it does not start with an ftyp box")
		case kind == "ftyp":
			err = f.readBrands(&brands, start, end)
		case kind == "meta":
			if f.meta, err = f.parse(parseMeta, kind, start, end); err == nil || !brands.sequence {
				return err
			}
		case kind == "moov" && sequence == nil:
			sequence, err = f.parse(parseMovie, kind, start, end)
			if !brands.still {
				f.meta = sequence
				return err
			}
		}
		if _, isRefusal := errors.AsType[fault](err); isRefusal {
			refusal = err
		} else if err != nil {
			return err
		}
		if err := f.pass(end); err != nil {
			return err
		}
		at = end
	}
	return tooMany("boxes before its meta box", maxBoxes)
}

// brands are what the ftyp box says that there is.
type brands struct{ still, sequence bool }

func (f *File) readBrands(b *brands, start, end int64) error {
	const most = 1 << 10 // bytes
	payload, err := io.ReadAll(io.LimitReader(f.section(start, min(end-start, most)), most))
	for brand := range slices.Chunk(payload, 4) {
		switch string(brand) {
		case "mif1", "mif2", "heic", "heix", "heim", "heis", "avif":
			b.still = true
		case "msf1", "hevc", "hevx", "hevm", "hevs", "avis":
			b.sequence = true
		}
	}
	return err
}

// short makes io.ErrUnexpectedEOF of io.EOF.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readHeader reads the header of the box at a position of the file: its type, and where its payload starts and ends.
// The end is math.MaxInt64 for a box that extends to the end of the file. The error is io.EOF if the file ends at
// the position.
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
		return "", 0, 0, damaged("its %q box has a size of %d bytes", kind, size)
	}
	return kind, start, at + int64(size), nil
}

// pass reads and holds a box before the meta box, up to its end.
func (f *File) pass(end int64) error {
	err := f.window.readTo(min(end, maxAhead+1))
	switch {
	case errors.Is(err, io.EOF) && end == math.MaxInt64:
		return nil // and readHeader returns io.EOF
	case err == nil && end > maxAhead:
		return unsupported("%s whose meta box comes after more than %d bytes", maxAhead)
	}
	return short(err)
}

// parse reads and parses the payload of a meta box or moov box.
func (f *File) parse(parse func([]byte) (*meta, error), kind string, start, end int64) (*meta, error) {
	limited := "bytes in its " + kind + " box"
	length := end - start
	if end == math.MaxInt64 {
		length = toEnd
	} else if length > maxMeta {
		return nil, tooMany(limited, maxMeta)
	}
	payload, err := io.ReadAll(io.LimitReader(f.section(start, length), maxMeta+1))
	if err != nil {
		return nil, err
	}
	if len(payload) > maxMeta {
		return nil, tooMany(limited, maxMeta)
	}
	return parse(payload)
}

// section returns a reader of a part of the file.
func (f *File) section(at, length int64) *extents {
	return &extents{from: f.window, left: []extent{{at, length}}, endErr: io.ErrUnexpectedEOF}
}

// data returns a reader of the data of an item.
func (f *File) data(i *item) (*extents, error) {
	l := i.location
	switch {
	case l == nil || len(l.extents) == 0:
		return nil, damaged("its iloc box does not say where item %d is", i.id)
	case l.reference != 0:
		return nil, unsupported("%s whose pictures are in another file")
	case l.construction != inFile && l.construction != inBox:
		return nil, unsupported("%s whose pictures are within other items")
	}
	data := &extents{from: f.window, left: slices.Clone(l.extents), endErr: io.ErrUnexpectedEOF}
	if l.construction == inBox {
		data.from, data.endErr = idat(f.meta.idat), damaged("item %d is beyond the end of its idat box", i.id)
	}
	return data, nil
}

// start is the lowest position of data that may be decoded.
func (f *File) start() int64 {
	low := f.primary.start()
	for _, t := range f.thumbs {
		low = min(low, t.start())
	}
	return low
}

// start is the lowest position of the data of the picture and its alpha, or math.MaxInt64 if all of it is in the
// meta box.
func (p *picture) start() int64 {
	low := int64(math.MaxInt64)
	for _, t := range p.allTiles() {
		low = min(low, t.start())
	}
	return low
}

// start is the lowest position of the data of the tile, or math.MaxInt64 if it is in the meta box.
func (t tile) start() int64 {
	low := int64(math.MaxInt64)
	if l := t.item.location; l != nil && l.construction == inFile {
		for _, e := range l.extents {
			low = min(low, e.at)
		}
	}
	return low
}

// end is the highest position after data of the tile, without that of extents whose length is not stated.
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
