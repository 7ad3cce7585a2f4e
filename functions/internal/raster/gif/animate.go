package gif

import (
	"image"
	"image/color"
	"io"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// An Animation is a GIF that is made of frames, one after the other. It holds the pixels of all.
type Animation struct{ shots []shot }

// Add appends a frame as it is shown, all of whose planes are of its size. One that is like the one before makes that
// one longer.
func (a *Animation) Add(f plane.Frame) error {
	s := shot{whole: f.NRGBA(), delay: f.Delay.Round(hundredth)}
	sharpen(s.whole)
	if n := len(a.shots); n > 0 && slices.Equal(a.shots[n-1].whole.Pix, s.whole.Pix) {
		last := &a.shots[n-1]
		if both := shown(last.delay) + shown(s.delay); both < 1<<16*hundredth {
			last.delay = both
			return nil
		}
	}
	a.shots = append(a.shots, s)
	return nil
}

// Frames is how many there are in the file.
func (a *Animation) Frames() int { return len(a.shots) }

// Encode writes a GIF of one frame at least that is to be shown so often, or without end if loops is 0.
func (a *Animation) Encode(w io.Writer, loops int) error {
	shots, disposal := drawn(a.shots)
	var images []*image.NRGBA
	for _, s := range shots {
		images = append(images, s.drawn)
	}
	common := palette.New(images...)
	var e *encoder
	if isGood(common, images) {
		e = newEncoder(shots[0].whole.Rect, common.Reduce(images[0]).Palette)
	} else {
		e = newEncoder(shots[0].whole.Rect, nil)
	}
	if len(shots) > 1 {
		e.repeat(loops)
	}
	for _, s := range shots {
		if e.colors == nil {
			e.frame(palette.Reduce(s.drawn), disposal, s.delay)
			continue
		}
		e.smaller(common, s, disposal)
	}
	return e.finish(w)
}

// A shot is a frame as it is shown, and what is drawn of it: in its place, and transparent where nothing is.
type shot struct {
	whole, drawn *image.NRGBA
	delay        time.Duration
}

// shown is how long a frame is shown: what is shorter than 20 ms, the browsers take for 100.
func shown(delay time.Duration) time.Duration {
	if delay < 2*hundredth {
		return 10 * hundredth
	}
	return delay
}

// sharpen leaves nothing between opaque and transparent, as palette does.
func sharpen(m *image.NRGBA) {
	for pix := m.Pix; len(pix) >= 4; pix = pix[4:] {
		if pix[3] < 0x80 {
			clear(pix[:4])
		} else {
			pix[3] = 0xff
		}
	}
}

// drawn finds out what has to be drawn of the shots: all of the first, whose transparent parts some programs fill if it
// leaves them out, and of the others what differs from the one before. But once something becomes transparent that was
// not, all of each is drawn, and taken away again.
func drawn(shots []shot) ([]shot, byte) {
	disposal := byte(keepFrame)
	for i := range shots[1:] {
		if vanishes(shots[i].whole, shots[i+1].whole) {
			disposal = clearFrame
		}
	}
	shots[0].drawn = shots[0].whole
	before := image.NewNRGBA(shots[0].whole.Rect)
	for i := range shots[1:] {
		if disposal == keepFrame {
			before = shots[i].whole
		}
		shots[i+1].drawn = difference(before, shots[i+1].whole)
	}
	return shots, disposal
}

// vanishes tells whether something becomes transparent.
func vanishes(before, m *image.NRGBA) bool {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] < before.Pix[i] {
			return true
		}
	}
	return false
}

// difference is the part of an image that differs from the one before, one pixel at least, and transparent where it
// does not.
func difference(before, m *image.NRGBA) *image.NRGBA {
	var bounds image.Rectangle
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			if m.NRGBAAt(x, y) != before.NRGBAAt(x, y) {
				bounds = bounds.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if bounds.Empty() {
		bounds = image.Rect(0, 0, 1, 1)
	}
	part := image.NewNRGBA(bounds)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if c := m.NRGBAAt(x, y); c != before.NRGBAAt(x, y) {
				part.SetNRGBA(x, y, c)
			}
		}
	}
	return part
}

// good is how far a palette that is shared may be from the images, as the mean of the squared differences of their
// channels: 35 dB.
const good = 20

func isGood(common *palette.Reducer, images []*image.NRGBA) bool {
	sum, n := 0, 0
	for _, m := range images {
		reduced := common.Reduce(m)
		for i, index := range reduced.Pix {
			got, want := reduced.Palette[index].(color.NRGBA), m.Pix[4*i:4*i+4]
			if want[3] == 0 {
				continue
			}
			red, green, blue := int(got.R)-int(want[0]), int(got.G)-int(want[1]), int(got.B)-int(want[2])
			sum += red*red + green*green + blue*blue
			n += 3
		}
	}
	return sum <= good*n
}

// smaller appends a shot, with what is not drawn transparent or as it was before, whichever is smaller.
func (e *encoder) smaller(common *palette.Reducer, s shot, disposal byte) {
	start := len(e.file)
	e.frame(common.Reduce(s.drawn), disposal, s.delay)
	if disposal != keepFrame {
		return
	}
	other := &encoder{colors: e.colors}
	other.frame(common.Reduce(s.whole.SubImage(s.drawn.Rect).(*image.NRGBA)), disposal, s.delay)
	if len(other.file) < len(e.file)-start {
		e.file = append(e.file[:start], other.file...)
	}
}
