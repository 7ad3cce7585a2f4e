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
type Animation struct{ frames []animationFrame }

// Add appends a frame as it is shown, all of whose planes are of its size. One that is like the one before makes that
// one longer.
func (a *Animation) Add(f plane.Frame) error {
	s := animationFrame{full: f.NRGBA(), delay: f.Delay.Round(hundredth)}
	thresholdAlpha(s.full)
	if n := len(a.frames); n > 0 && slices.Equal(a.frames[n-1].full.Pix, s.full.Pix) {
		last := &a.frames[n-1]
		if both := displayTime(last.delay) + displayTime(s.delay); both < 1<<16*hundredth {
			last.delay = both
			return nil
		}
	}
	a.frames = append(a.frames, s)
	return nil
}

// Frames is how many there are in the file.
func (a *Animation) Frames() int { return len(a.frames) }

// Encode writes a GIF of one frame at least that is to be shown so often, or without end if loops is 0.
func (a *Animation) Encode(w io.Writer, loops int) error {
	shots, disposal := computeDeltas(a.frames)
	var images []*image.NRGBA
	for _, s := range shots {
		images = append(images, s.delta)
	}
	common := palette.New(images...)
	var e *encoder
	if isCloseEnough(common, images) {
		e = newEncoder(shots[0].full.Rect, common.Reduce(images[0]).Palette)
	} else {
		e = newEncoder(shots[0].full.Rect, nil)
	}
	if len(shots) > 1 {
		e.writeLoops(loops)
	}
	for _, s := range shots {
		if e.colors == nil {
			e.writeFrame(palette.Reduce(s.delta), disposal, s.delay)
			continue
		}
		e.appendSmaller(common, s, disposal)
	}
	return e.finish(w)
}

// A shot is a frame as it is shown, and what is drawn of it: in its place, and transparent where nothing is.
type animationFrame struct {
	full, delta *image.NRGBA
	delay       time.Duration
}

// shown is how long a frame is shown: what is shorter than 20 ms, the browsers take for 100.
func displayTime(delay time.Duration) time.Duration {
	if delay < 2*hundredth {
		return 10 * hundredth
	}
	return delay
}

// sharpen leaves nothing between opaque and transparent, as palette does.
func thresholdAlpha(m *image.NRGBA) {
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
func computeDeltas(shots []animationFrame) ([]animationFrame, byte) {
	disposal := byte(disposeKeep)
	for i := range shots[1:] {
		if becomesTransparent(shots[i].full, shots[i+1].full) {
			disposal = disposeBackground
		}
	}
	shots[0].delta = shots[0].full
	before := image.NewNRGBA(shots[0].full.Rect)
	for i := range shots[1:] {
		if disposal == disposeKeep {
			before = shots[i].full
		}
		shots[i+1].delta = deltaRegion(before, shots[i+1].full)
	}
	return shots, disposal
}

// vanishes tells whether something becomes transparent.
func becomesTransparent(before, m *image.NRGBA) bool {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] < before.Pix[i] {
			return true
		}
	}
	return false
}

// difference is the part of an image that differs from the one before, one pixel at least, and transparent where it
// does not.
func deltaRegion(before, m *image.NRGBA) *image.NRGBA {
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
const maxMeanSquaredError = 20

func isCloseEnough(common *palette.Reducer, images []*image.NRGBA) bool {
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
	return sum <= maxMeanSquaredError*n
}

// smaller appends a shot, with what is not drawn transparent or as it was before, whichever is smaller.
func (e *encoder) appendSmaller(common *palette.Reducer, s animationFrame, disposal byte) {
	start := len(e.file)
	e.writeFrame(common.Reduce(s.delta), disposal, s.delay)
	if disposal != disposeKeep {
		return
	}
	other := &encoder{colors: e.colors}
	other.writeFrame(common.Reduce(s.full.SubImage(s.delta.Rect).(*image.NRGBA)), disposal, s.delay)
	if len(other.file) < len(e.file)-start {
		e.file = append(e.file[:start], other.file...)
	}
}
