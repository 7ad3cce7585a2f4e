package gif

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
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
	bounds, sampler := d.first.bounds, d.newSampler()
	if bounds.Empty() {
		return d.transparent(), d.blocks.skipSubBlocks()
	}
	for range bounds.Min.Y {
		sampler.Add(nil)
	}
	err := d.decodeRows(d.first, func(_ int, indexes []byte) { sampler.AddAt(bounds.Min.X, indexes) })
	switch {
	case errors.Is(err, errNoPixels):
		return d.transparent(), nil
	case err != nil:
		return nil, err
	}
	for range d.Height - bounds.Max.Y {
		sampler.Add(nil)
	}
	return d.image(sampler.Planes()), nil
}

func (d *decoder) newSampler() plane.IndexSampler {
	colors := newColorTable(d.first, d.globalColors)
	return plane.NewIndexSampler(colors, d.Width, d.Height, d.wanted.Width, d.wanted.Height, d.wanted.Nearest)
}

// transparent is an image without pixels.
func (d *decoder) transparent() *plane.Image { return d.image(d.newSampler().Planes()) }

// image is gray if it is opaque and has no other colours.
func (d *decoder) image(planes []plane.Plane) *plane.Image {
	m := &plane.Image{Width: d.Width, Height: d.Height, Model: plane.RGB, Planes: planes}
	red, green, blue := planes[0].Pix, planes[1].Pix, planes[2].Pix
	if len(planes) == 3 && bytes.Equal(red, green) && bytes.Equal(red, blue) {
		m.Model, m.Planes = plane.Gray, planes[:1]
	}
	return m
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
