package webp

import (
	"encoding/binary"
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A decoder reads what follows a header.
type decoder struct {
	*File
	width, height int // of the copy wanted
	frames        int // number of frames wanted
	show          func(plane.Frame) error

	frameCount int
	profile    []byte
	canvas     *canvas // of an animation, if more than one frame is wanted
}

// Decode implements codec.File. It reads to the end of the last chunk. Frames are shown as an animation shows them:
// composed on a transparent canvas.
func (f *File) Decode(o codec.Options) (codec.Result, error) {
	if o.Check != nil {
		f.check = o.Check
	}
	err := f.decodeFrames(o)
	return codec.Result{Orientation: f.Orientation, Loops: f.Loops}, err
}

func (f *File) decodeFrames(o codec.Options) error {
	d := &decoder{File: f, width: o.Width, height: o.Height, frames: o.Frames, show: o.Show}
	if f.first.body != nil {
		if err := d.decodeStill(f.first); err != nil {
			return err
		}
	}
	for {
		c, err := f.riff.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = d.readChunk(c)
		}
		if err != nil {
			return err
		}
	}
	if d.frameCount == 0 {
		return imgerr.Damaged(Name, "it has no image")
	}
	return nil
}

func (d *decoder) readChunk(c chunk) (err error) {
	animated := d.flags&flagAnimation != 0
	switch {
	case c.name == "EXIF":
		d.Orientation, err = d.readOrientation(c)
	case c.name == "ICCP" && d.flags&flagProfile != 0 && d.profile == nil && c.length <= icc.MaxSize:
		d.profile, err = c.read()
	case c.name == "ANIM" && animated:
		err = d.readLoops(c)
	case c.name == "ANMF" && animated && d.frameCount < d.frames:
		err = d.decodeFrame(c)
	case isBitstream(c.name) && !animated && d.frameCount == 0:
		err = d.decodeStill(c)
	}
	return err
}

func (d *decoder) readLoops(c chunk) error {
	var b [6]byte // background colour, which is not used, and loop count
	if c.length < int64(len(b)) {
		return nil
	}
	_, err := io.ReadFull(c.body, b[:])
	d.Loops = int(binary.LittleEndian.Uint16(b[4:]))
	return noEOF(err)
}

// decodeStill shows an image that starts with a chunk.
func (d *decoder) decodeStill(c chunk) error {
	p, err := readImageData(d.riff, c, d.Width, d.Height)
	if err != nil {
		return err
	}
	m, err := d.decodeImage(p, 0, 0)
	if err != nil {
		return err
	}
	return d.emit(plane.Frame{Image: m})
}

func (d *decoder) emit(frame plane.Frame) error {
	d.frameCount++
	frame.Profile = d.profile
	return d.show(frame)
}

// skipsLoopFilter reports whether the reduction is so large that the loop filter of the lossy bitstream makes no
// visible difference: 45 dB.
func (d *decoder) skipsLoopFilter() bool { return d.Width >= 4*d.width && d.Height >= 4*d.height }

// reducer returns a Reducer for rows of the canvas.
func (d *decoder) reducer() *plane.Reducer {
	factorX := plane.ReductionFactor(float64(d.Width) / float64(d.width))
	factorY := plane.ReductionFactor(float64(d.Height) / float64(d.height))
	return plane.NewReducer(d.Width, d.Height, 4, factorX, factorY)
}
