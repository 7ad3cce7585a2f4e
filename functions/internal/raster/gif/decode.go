package gif

import (
	"bufio"
	"image"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Decode reads the rest of the file, once, and shows so many of its first frames, as an animation shows them, reduced as
// far as a copy of width x height pixels, or larger, does not show. Errors are those of Open, and of show.
func (f *File) Decode(width, height, frames int, show func(plane.Frame) error) error {
	d := decoders.Get().(*decoder)
	defer d.release()
	d.file.Reset(f.blocks.r)
	f.blocks.r = d.file
	d.File = f
	d.factorX, d.factorY = plane.Factor(float64(f.Width)/float64(width)), plane.Factor(float64(f.Height)/float64(height))
	if frames > 1 {
		return d.film(frames, show)
	}
	m, err := d.still()
	if err != nil {
		return err
	}
	if err := show(plane.Frame{Image: m, Delay: f.first.delay}); err != nil {
		return err
	}
	return d.finish()
}

// A decoder reads what is behind the header of the first frame.
type decoder struct {
	*File
	factorX, factorY int
	file             *bufio.Reader
	pixels           expander
	indexes          []byte
}

var decoders = sync.Pool{New: func() any { return &decoder{file: bufio.NewReaderSize(nil, 32<<10)} }}

func (d *decoder) release() {
	d.file.Reset(nil)
	d.File, d.pixels.blocks = nil, nil
	decoders.Put(d)
}

// still reduces the first frame as its rows come.
func (d *decoder) still() (*plane.Image, error) {
	bounds, channels, t := d.first.bounds, 4, newTable(d.first, d.colors)
	if bounds == image.Rect(0, 0, d.Width, d.Height) && t.isGray() {
		channels = 1
	}
	r := newReducer(t, channels, d.Width, d.Height, d.factorX, d.factorY)
	for range bounds.Min.Y {
		r.add(0, nil)
	}
	if err := d.rows(d.first, func(_ int, indexes []byte) { r.add(bounds.Min.X, indexes) }); err != nil {
		return nil, err
	}
	for range d.Height - bounds.Max.Y {
		r.add(0, nil)
	}
	return r.image(d.Width, d.Height), nil
}

// rows unpacks a frame and hands on its rows, from the top down.
func (d *decoder) rows(f *frame, add func(y int, indexes []byte)) error {
	if err := d.pixels.reset(&d.blocks, f.codeSize); err != nil {
		return err
	}
	var err error
	if f.interlaced {
		err = d.interlacedRows(f.bounds.Dx(), f.bounds.Dy(), add)
	} else {
		err = d.plainRows(f.bounds.Dx(), f.bounds.Dy(), add)
	}
	if err != nil {
		return err
	}
	return d.pixels.finish()
}

// someIndexes is how many are unpacked at a time, or a row if that is more.
const someIndexes = 8 << 10

func (d *decoder) plainRows(width, height int, add func(y int, indexes []byte)) error {
	chunk := max(width, someIndexes)
	d.grow(chunk)
	have := 0
	for y := 0; y < height; {
		err := d.Check()
		if err == nil {
			have, err = d.pixels.expand(d.indexes, have, min(chunk, width*(height-y)))
		}
		if err != nil {
			return err
		}
		at := 0
		for ; have-at >= width && y < height; at, y = at+width, y+1 {
			add(y, d.indexes[at:at+width])
		}
		have = copy(d.indexes, d.indexes[at:have])
	}
	return nil
}

// interlacedRows holds all indexes: the rows come in four passes.
func (d *decoder) interlacedRows(width, height int, add func(y int, indexes []byte)) error {
	indexes := make([]byte, width*height+overshoot)
	if _, err := d.pixels.expand(indexes, 0, width*height); err != nil {
		return err
	}
	for y := range height {
		if err := d.Check(); err != nil {
			return err
		}
		add(y, indexes[stored(y, height)*width:][:width])
	}
	return nil
}

// stored is which of the rows of an interlaced frame is shown at y: first come every eighth row, then every eighth from
// the fourth on, every fourth from the second on, and every other from the first on.
func stored(y, height int) int {
	eighths, fourths, halves := (height+7)/8, (height+3)/4, (height+1)/2
	switch {
	case y%8 == 0:
		return y / 8
	case y%8 == 4:
		return eighths + y/8
	case y%4 == 2:
		return fourths + y/4
	default:
		return halves + y/2
	}
}

func (d *decoder) grow(n int) {
	if len(d.indexes) < n+overshoot {
		d.indexes = make([]byte, n+overshoot)
	}
}

// finish reads the rest of the file.
func (d *decoder) finish() error {
	for {
		frame, err := d.next()
		if err == io.EOF || frame == nil && err == nil {
			return nil
		}
		if err == nil {
			err = d.blocks.skip()
		}
		if err != nil {
			return err
		}
	}
}
