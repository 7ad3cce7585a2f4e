package webp

import (
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// A decoder reads what is behind a header.
type decoder struct {
	*File
	width, height int // of the copy that is wanted
	frames        int // that are wanted
	show          func(plane.Frame) error

	shown   int
	profile []byte
	canvas  *canvas // of an animation of which more than one frame is wanted
}

// Decode reads the rest of the file, once, to the end of its last chunk, and shows its first frames, so many at most:
// each as it is shown, on a transparent canvas, reduced as far as a copy of width x height pixels does not show. Errors
// are those of Open, and of show.
func (f *File) Decode(width, height, frames int, show func(plane.Frame) error) error {
	d := &decoder{File: f, width: width, height: height, frames: frames, show: show}
	if f.first.body != nil {
		if err := d.still(f.first); err != nil {
			return err
		}
	}
	for {
		c, err := f.chunks.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = d.chunk(c)
		}
		if err != nil {
			return err
		}
	}
	if d.shown == 0 {
		return refuse.AsDamaged(Name, "it has no image")
	}
	return nil
}

func (d *decoder) chunk(c chunk) (err error) {
	animated := d.flags&flagAnimation != 0
	switch {
	case c.name == "EXIF" && d.Orientation == exif.Upright:
		d.Orientation, err = d.orientation(c)
	case c.name == "ICCP" && d.flags&flagProfile != 0 && c.length <= icc.MaxSize:
		d.profile, err = c.read()
	case c.name == "ANIM" && animated:
		err = d.readLoops(c)
	case c.name == "ANMF" && animated && d.shown < d.frames:
		err = d.frame(c)
	case isBitstream(c.name) && !animated && d.shown == 0:
		err = d.still(c)
	}
	return err
}

func (d *decoder) readLoops(c chunk) error {
	var b [6]byte // the colour of the background, which nobody shows, and the number of times
	if c.length < int64(len(b)) {
		return nil
	}
	_, err := io.ReadFull(c.body, b[:])
	d.Loops = int(binary.LittleEndian.Uint16(b[4:]))
	return short(err)
}

// still shows an image that starts with a chunk.
func (d *decoder) still(c chunk) error {
	p, err := readPicture(d.chunks, c, d.Width, d.Height)
	if err != nil {
		return err
	}
	m, err := d.decode(p, 0, 0)
	if err != nil {
		return err
	}
	return d.send(plane.Frame{Image: m})
}

func (d *decoder) send(frame plane.Frame) error {
	d.shown++
	frame.Profile = d.profile
	return d.show(frame)
}

// isFarReduced tells whether so little is left of the pixels that the last filter of the lossy bitstream, which smooths
// the edges of its blocks, does not show: what is different is 45 dB below.
func (d *decoder) isFarReduced() bool { return d.Width >= 4*d.width && d.Height >= 4*d.height }

// reducer is for rows of the canvas.
func (d *decoder) reducer() *plane.Reducer {
	factorX, factorY := plane.Factor(float64(d.Width)/float64(d.width)), plane.Factor(float64(d.Height)/float64(d.height))
	return plane.NewReducer(d.Width, d.Height, 4, factorX, factorY)
}
