package gif

import (
	"encoding/binary"
	"errors"
	"image"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// decodeAnimation shows the first frames, and skips the others.
func (d *decoder) decodeAnimation(frames int, show func(plane.Frame) error) error {
	s := newScreen(d.Width, d.Height)
	frame := d.first
	for range frames {
		if frame.bounds.Dx()*frame.bounds.Dy() > d.Width*d.Height+maxExtraPixels {
			return imgerr.Damaged(Name, "a frame is %dx%d pixels, far more than its screen of %dx%d",
				frame.bounds.Dx(), frame.bounds.Dy(), d.Width, d.Height)
		}
		if err := d.draw(s, frame); err != nil {
			return err
		}
		if err := show(plane.Frame{Image: s.reduce(d.wanted), Delay: frame.delay}); err != nil {
			return err
		}
		s.dispose(frame)
		var err error
		if frame, err = d.nextFrame(); errors.Is(err, io.EOF) || frame == nil && err == nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
	if err := d.blocks.skipSubBlocks(); err != nil {
		return err
	}
	return d.skipRest()
}

// maxExtraPixels is how many pixels a frame may have more than the screen. Only a part of such a frame is shown, but
// all of it costs time.
const maxExtraPixels = 1 << 20

// draw decompresses a frame onto the screen.
func (d *decoder) draw(s *screen, f *frame) error {
	if f.bounds.Empty() {
		return d.blocks.skipSubBlocks()
	}
	s.save(f)
	p, shown := newColorTable(f, d.globalColors), f.bounds.Intersect(s.bounds)
	err := d.decodeRows(f, func(y int, indexes []byte) {
		if y += f.bounds.Min.Y; y < shown.Max.Y && shown.Dx() > 0 {
			s.draw(shown.Min.X, y, p, f.transparent, indexes[:shown.Dx()])
		}
	})
	if errors.Is(err, errNoPixels) {
		err = nil // it leaves the screen as it is
	}
	return err
}

// A screen is the logical screen that frames are drawn on: premultiplied RGBA.
type screen struct {
	bounds image.Rectangle
	pixels []byte
	saved  []byte // the rows under the current frame, if they have to be restored
}

func newScreen(width, height int) *screen {
	return &screen{bounds: image.Rect(0, 0, width, height), pixels: make([]byte, 4*width*height)}
}

func (s *screen) draw(x, y int, p *plane.Colors, transparent int, indexes []byte) {
	to := s.pixels[4*(y*s.bounds.Dx()+x):][:4*len(indexes)]
	for i, index := range indexes {
		if int(index) != transparent {
			binary.LittleEndian.PutUint32(to[4*i:4*i+4], p[index])
		}
	}
}

// rows are the rows of the screen that a frame covers; empty for a frame beside the screen.
func (s *screen) rows(f *frame) []byte {
	shown := f.bounds.Intersect(s.bounds)
	return s.pixels[4*s.bounds.Dx()*shown.Min.Y : 4*s.bounds.Dx()*shown.Max.Y]
}

// save keeps the rows under a frame if they have to be restored.
func (s *screen) save(f *frame) {
	if f.disposal == disposePrevious || f.disposal == disposePreviousAlias {
		s.saved = append(s.saved[:0], s.rows(f)...)
	}
}

// dispose applies the disposal method of a frame that was shown.
func (s *screen) dispose(f *frame) {
	switch shown := f.bounds.Intersect(s.bounds); {
	case shown.Empty():
	case f.disposal == disposePrevious, f.disposal == disposePreviousAlias:
		copy(s.rows(f), s.saved)
	case f.disposal == disposeBackground:
		for y := shown.Min.Y; y < shown.Max.Y; y++ {
			at := 4 * (y*s.bounds.Dx() + shown.Min.X)
			clear(s.pixels[at : at+4*shown.Dx()])
		}
	}
}

// reduce returns a copy of the screen for the copies that will be made.
func (s *screen) reduce(o codec.Options) *plane.Image {
	r := plane.NewSampler(s.bounds.Dx(), s.bounds.Dy(), 4, o.Width, o.Height, o.Nearest)
	transparent := false
	for y := range s.bounds.Dy() {
		row := s.pixels[4*y*s.bounds.Dx():][:4*s.bounds.Dx()]
		transparent = transparent || !isOpaque(row)
		r.Add(row)
	}
	planes := r.Planes()
	if !transparent {
		planes = planes[:3]
	}
	return &plane.Image{Width: s.bounds.Dx(), Height: s.bounds.Dy(), Model: plane.RGB, Planes: planes}
}

func isOpaque(row []byte) bool {
	const alphas = 0xff000000_ff000000
	all := uint64(alphas)
	for ; len(row) >= 8; row = row[8:] {
		all &= binary.LittleEndian.Uint64(row)
	}
	return all&alphas == alphas && (len(row) == 0 || row[3] == 0xff)
}
