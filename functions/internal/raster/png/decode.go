package png

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/inflate"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Decode implements codec.File. It reads up to and including the IEND chunk. Options.Check is not called, because every
// row costs some input and raster's reader is cancelled as well.
func (f *File) Decode(o codec.Options) (codec.Result, error) {
	m, err := f.decodeImage(o)
	if err == nil {
		err = codec.ShowStill(o, m)
	}
	return codec.Result{Orientation: f.Orientation}, err
}

// decodeImage returns an image that is reduced for the copies that will be made.
func (f *File) decodeImage(o codec.Options) (*plane.Image, error) {
	b := decodeBuffers.Get().(*decodeBuffer)
	defer b.release()
	b.file.Reset(f.r)
	f.r, f.firstIDAT.r = b.file, b.file
	d := &decoder{File: f, converter: newConverter(f), idat: &idatReader{file: f, chunk: f.firstIDAT}, rows: &b.inflate}
	if f.layout.colorType == indexed && !f.interlaced && o.Width >= f.Width && o.Height >= f.Height {
		d.idat.kept = new(keptStream)
	}
	d.rows.Reset(d.idat)
	if d.colors != nil {
		d.sampler = plane.NewIndexSampler(d.colors, f.Width, f.Height, o.Width, o.Height, o.Nearest)
	} else {
		d.sampler = plane.NewSampler(f.Width, f.Height, d.channels, o.Width, o.Height, o.Nearest)
	}
	if err := d.decode(); err != nil {
		return nil, err
	}
	return d.image(), nil
}

// A decodeBuffer is the part of a decoder that can be reused for any file.
type decodeBuffer struct {
	file    *bufio.Reader
	inflate inflate.Reader
}

var decodeBuffers = sync.Pool{New: func() any { return &decodeBuffer{file: bufio.NewReaderSize(nil, 32<<10)} }}

func (b *decodeBuffer) release() {
	b.file.Reset(nil)
	b.inflate.Reset(nil)
	decodeBuffers.Put(b)
}

// A decoder reads what follows the header of the first IDAT chunk.
type decoder struct {
	*File
	*converter
	idat    *idatReader
	rows    *inflate.Reader
	sampler plane.Sampler
}

func (d *decoder) decode() error {
	var err error
	if d.interlaced {
		err = d.interlacedRows()
	} else {
		err = d.decodePass(d.Width, d.Height, func(_ int, pixels []uint8) { d.sampler.Add(pixels) })
	}
	if err != nil {
		return err
	}
	return d.skipRest()
}

// decodePass reads an image of width x height pixels, the whole or an Adam7 pass, and passes the pixels of each row to
// add.
func (d *decoder) decodePass(width, height int, add func(y int, pixels []uint8)) error {
	row, above := newRow(d.layout.rowBytes(width)), newRow(d.layout.rowBytes(width))
	converted := make([]uint8, width*d.channels+overshoot)
	for y := range height {
		if err := d.readRow(row.stored); err != nil {
			return err
		}
		if !unfilter(row.stored[0], row.pixels, above.pixels, d.layout.bytesPerPixel()) {
			return imgerr.Damaged(Name, "a row has filter type %d, expected 0 to 4", row.stored[0])
		}
		if d.interlaced || !d.sampler.Skip() {
			add(y, d.convertRow(row.pixels, converted, width))
		}
		row, above = above, row
	}
	return nil
}

// A row is stored as its filter type followed by its pixels.
type row struct{ stored, pixels []uint8 }

func newRow(length int) row {
	stored := make([]uint8, 1+length)
	return row{stored, stored[1:]}
}

func (d *decoder) readRow(row []uint8) error {
	for len(row) > 0 {
		n, err := d.rows.Read(row)
		row = row[n:]
		if errors.Is(err, io.EOF) {
			return imgerr.Damaged(Name, "it has fewer pixels than its header says")
		}
		if err != nil {
			return d.classify(err)
		}
	}
	return nil
}

// skipRest reads what follows the last row: the checksums, and possibly an orientation. If there are more pixels than
// the image has, they are not decompressed; then only the CRCs of their chunks are verified.
func (d *decoder) skipRest() error {
	var more [1]uint8
	if n, err := d.rows.Read(more[:]); n == 0 && !errors.Is(err, io.EOF) {
		return d.classify(err)
	}
	return d.idat.skipRest()
}

func (d *decoder) classify(err error) error {
	var broken inflate.Error
	switch {
	case errors.As(err, &broken):
		return imgerr.Damaged(Name, "%s", broken)
	case errors.Is(err, io.ErrUnexpectedEOF) && errors.Is(d.idat.endErr, io.EOF):
		return imgerr.Damaged(Name, "it ends before its last pixels")
	case errors.Is(err, io.ErrUnexpectedEOF) && d.idat.endErr != nil:
		return d.idat.endErr
	default:
		return err
	}
}

// image has no alpha if no pixel is transparent.
func (d *decoder) image() *plane.Image {
	planes := d.sampler.Planes()
	if len(planes) == 4 && d.colors == nil && !d.transparent {
		planes = planes[:3]
	}
	m := &plane.Image{Width: d.Width, Height: d.Height, Model: plane.RGB, Planes: planes, Profile: d.profile}
	m.Indexed, m.Source = d.layout.colorType == indexed, d.source()
	if d.layout.colorType == gray || d.layout.colorType == grayAlpha {
		m.Model, m.Planes = plane.Gray, planes[:1]
		if len(planes) == 4 {
			m.Planes = append(m.Planes, planes[3])
		}
	}
	return m
}
