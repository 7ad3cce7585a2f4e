package png

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/inflate"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// Decode reads the rest of the file, once, up to and including its IEND chunk, and reduces it: as far as a copy of
// width x height pixels, or larger, does not show. The orientation of the file follows. Errors are those of Open.
func (f *File) Decode(width, height int) (*plane.Image, int, error) {
	b := buffers.Get().(*buffer)
	defer b.release()
	b.file.Reset(f.r)
	f.r, f.first.r = b.file, b.file
	d := &decoder{File: f, converter: newConverter(f), pixels: &pixels{file: f, chunk: f.first}, rows: &b.rows}
	d.rows.Reset(d.pixels)
	factorX, factorY := plane.Factor(float64(f.Width)/float64(width)), plane.Factor(float64(f.Height)/float64(height))
	d.reducer = plane.NewReducer(f.Width, f.Height, d.channels, factorX, factorY)
	if err := d.decode(); err != nil {
		return nil, 0, err
	}
	return d.image(), f.Orientation, nil
}

// A buffer is what a decoder needs of whatever file.
type buffer struct {
	file *bufio.Reader
	rows inflate.Reader
}

var buffers = sync.Pool{New: func() any { return &buffer{file: bufio.NewReaderSize(nil, 32<<10)} }}

func (b *buffer) release() {
	b.file.Reset(nil)
	b.rows.Reset(nil)
	buffers.Put(b)
}

// A decoder reads what is behind the header of the first IDAT chunk.
type decoder struct {
	*File
	*converter
	pixels  *pixels
	rows    *inflate.Reader
	reducer *plane.Reducer
}

func (d *decoder) decode() error {
	var err error
	if d.interlaced {
		err = d.interlacedRows()
	} else {
		err = d.pass(d.Width, d.Height, func(_ int, pixels []uint8) { d.reducer.Add(pixels) })
	}
	if err != nil {
		return err
	}
	return d.finish()
}

// pass reads an image of so many pixels, and hands on the pixels of each row.
func (d *decoder) pass(width, height int, add func(y int, pixels []uint8)) error {
	row, above := newRow(d.layout.row(width)), newRow(d.layout.row(width))
	converted := make([]uint8, width*d.channels+excess)
	for y := range height {
		if err := d.read(row.stored); err != nil {
			return err
		}
		if !unfilter(row.stored[0], row.pixels, above.pixels, d.layout.pixel()) {
			return refuse.AsDamaged(Name, "a row has filter %d", row.stored[0])
		}
		add(y, d.pixelsOf(row.pixels, converted, width))
		row, above = above, row
	}
	return nil
}

// A row is one as it is stored: its filter, and its pixels.
type row struct{ stored, pixels []uint8 }

func newRow(length int) row {
	stored := make([]uint8, 1+length)
	return row{stored, stored[1:]}
}

func (d *decoder) read(row []uint8) error {
	for len(row) > 0 {
		n, err := d.rows.Read(row)
		row = row[n:]
		if err == io.EOF {
			return refuse.AsDamaged(Name, "it has fewer pixels than its header says")
		}
		if err != nil {
			return d.refusal(err)
		}
	}
	return nil
}

// finish reads what is behind the last row: the check sums, and an orientation. There may be more data, which nobody
// shows; then that is not unpacked to its sum, but only the sums of the chunks are checked.
func (d *decoder) finish() error {
	var more [1]uint8
	if n, err := d.rows.Read(more[:]); n == 0 && err != io.EOF {
		return d.refusal(err)
	}
	return d.pixels.finish()
}

func (d *decoder) refusal(err error) error {
	var broken inflate.Error
	switch {
	case errors.As(err, &broken):
		return refuse.AsDamaged(Name, "%s", broken)
	case err == io.ErrUnexpectedEOF && d.pixels.end == io.EOF:
		return refuse.AsDamaged(Name, "it ends before its last pixels")
	case err == io.ErrUnexpectedEOF && d.pixels.end != nil:
		return d.pixels.end
	default:
		return err
	}
}

// image is without alpha if nothing is transparent.
func (d *decoder) image() *plane.Image {
	m := &plane.Image{Width: d.Width, Height: d.Height, Model: plane.RGB, Planes: d.reducer.Planes(), Profile: d.profile}
	isGray := d.layout.colors == gray || d.layout.colors == grayAlpha
	switch {
	case isGray && !d.transparent:
		m.Model, m.Planes = plane.Gray, m.Planes[:1]
	case isGray:
		m.Model, m.Planes = plane.Gray, []plane.Plane{m.Planes[0], m.Planes[3]}
	case !d.transparent:
		m.Planes = m.Planes[:3]
	}
	return m
}
