package gif

import (
	"bufio"
	"cmp"
	"errors"
	"image"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Decode implements codec.File. Frames are shown as an animation shows them: composed on the logical screen.
func (f *File) Decode(o codec.Options) (codec.Result, error) {
	if o.Check != nil {
		f.check = o.Check
	}
	err := f.decodeFrames(o)
	return codec.Result{Orientation: exif.Upright, Loops: f.Loops}, err
}

func (f *File) decodeFrames(o codec.Options) error {
	d := decoders.Get().(*decoder)
	defer d.release()
	d.file.Reset(f.blocks.r)
	f.blocks.r = d.file
	d.File = f
	d.wanted = o
	if o.Frames > 1 {
		return d.decodeAnimation(o.Frames, o.Show)
	}
	m, err := d.decodeStill()
	if err != nil {
		return err
	}
	if err := o.Show(plane.Frame{Image: m, Delay: f.first.delay}); err != nil {
		return err
	}
	return d.skipRest()
}

// A decoder reads what follows the header of the first frame.
type decoder struct {
	*File
	wanted  codec.Options
	file    *bufio.Reader
	lzw     lzwDecoder
	indexes []byte
}

var decoders = sync.Pool{New: func() any { return &decoder{file: bufio.NewReaderSize(nil, 32<<10)} }}

func (d *decoder) release() {
	d.file.Reset(nil)
	d.File, d.lzw.blocks, d.wanted = nil, nil, codec.Options{}
	decoders.Put(d)
}

// decodeStill reduces the first frame as its rows come.
func (d *decoder) decodeStill() (*plane.Image, error) {
	bounds, channels, t := d.first.bounds, 4, newColorTable(d.first, d.globalColors)
	if bounds == image.Rect(0, 0, d.Width, d.Height) && t.isGray() {
		channels = 1
	}
	if bounds.Empty() {
		return d.transparent(t), d.blocks.skipSubBlocks()
	}
	r := d.newIndexSampler(t, channels)
	for range bounds.Min.Y {
		r.add(0, nil)
	}
	err := d.decodeRows(d.first, func(_ int, indexes []byte) { r.add(bounds.Min.X, indexes) })
	switch {
	case errors.Is(err, errNoPixels):
		return d.transparent(t), nil
	case err != nil:
		return nil, err
	}
	for range d.Height - bounds.Max.Y {
		r.add(0, nil)
	}
	return r.image(d.Width, d.Height), nil
}

// An indexSampler is an indexReducer or an indexPicker.
type indexSampler interface {
	// add takes the next row, which has indexes from column x on. The rest is transparent.
	add(x int, indexes []uint8)
	// image returns the reduced image.
	image(width, height int) *plane.Image
}

func (d *decoder) newIndexSampler(t *colorTable, channels int) indexSampler {
	if d.wanted.Nearest {
		return newIndexPicker(t, d.Width, d.Height, d.wanted.Width, d.wanted.Height)
	}
	factorX := plane.ReductionFactor(float64(d.Width) / float64(d.wanted.Width))
	factorY := plane.ReductionFactor(float64(d.Height) / float64(d.wanted.Height))
	return newIndexReducer(t, channels, d.Width, d.Height, factorX, factorY)
}

// transparent is an image without pixels.
func (d *decoder) transparent(t *colorTable) *plane.Image {
	r := d.newIndexSampler(t, 4)
	for range d.Height {
		r.add(0, nil)
	}
	return r.image(d.Width, d.Height)
}

// decodeRows decompresses a frame and passes its rows to add, from the top down. The error is errNoPixels if it has
// none.
func (d *decoder) decodeRows(f *frame, add func(y int, indexes []byte)) error {
	if err := d.lzw.reset(&d.blocks, f.codeSize); err != nil {
		return err
	}
	var err error
	if f.interlaced {
		err = d.interlacedRows(f.bounds.Dx(), f.bounds.Dy(), add)
	} else {
		err = d.sequentialRows(f.bounds.Dx(), f.bounds.Dy(), add)
	}
	if err != nil && !errors.Is(err, errNoPixels) {
		return err
	}
	return cmp.Or(d.lzw.skipRest(), err)
}

// noPixels turns the error of a frame that has count pixels into errNoPixels if the codes end and there are none.
func noPixels(err error, count int) error {
	if count == 0 && errors.Is(err, errFewerPixels) {
		return errNoPixels
	}
	return err
}

// indexChunk is how many indexes are decompressed at a time, or a row if that is more.
const indexChunk = 8 << 10

func (d *decoder) sequentialRows(width, height int, add func(y int, indexes []byte)) error {
	chunk := max(width, indexChunk)
	d.grow(chunk)
	have := 0
	for y := 0; y < height; {
		err := d.check()
		if err == nil {
			have, err = d.lzw.decode(d.indexes, have, min(chunk, width*(height-y)))
		}
		if err != nil {
			return noPixels(err, y*width+have)
		}
		at := 0
		for ; have-at >= width && y < height; at, y = at+width, y+1 {
			add(y, d.indexes[at:at+width])
		}
		have = copy(d.indexes, d.indexes[at:have])
	}
	return nil
}

// interlacedRows holds all indexes, because the rows come in four passes.
func (d *decoder) interlacedRows(width, height int, add func(y int, indexes []byte)) error {
	indexes := make([]byte, width*height+overshoot)
	if count, err := d.lzw.decode(indexes, 0, width*height); err != nil {
		return noPixels(err, count)
	}
	for y := range height {
		if err := d.check(); err != nil {
			return err
		}
		add(y, indexes[storedRow(y, height)*width:][:width])
	}
	return nil
}

// storedRow is the place in the file of row y of an interlaced frame. The passes are every eighth row; every eighth
// from 4 on; every fourth from 2 on; every second from 1 on.
func storedRow(y, height int) int {
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

// skipRest reads the rest of the file.
func (d *decoder) skipRest() error {
	for {
		frame, err := d.nextFrame()
		if errors.Is(err, io.EOF) || frame == nil && err == nil {
			return nil
		}
		if err == nil {
			err = d.blocks.skipSubBlocks()
		}
		if err != nil {
			return err
		}
	}
}
