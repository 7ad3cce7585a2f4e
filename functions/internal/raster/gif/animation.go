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

// An Animation encodes frames, one after the other, as an animated GIF. It holds the pixels of all of them.
type Animation struct{ frames []animationFrame }

// Add appends a frame as it is shown, with all planes at full size. A frame equal to the previous one extends
// that one's delay.
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

// Frames is the number of frames in the file.
func (a *Animation) Frames() int { return len(a.frames) }

// Encode writes a GIF of the frames added, which must be one or more. Loops is how often it is played; 0 means without
// end.
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

// An animationFrame is a frame as it is shown, and the part of it that is drawn: in its place, transparent where it
// does not change what is shown.
type animationFrame struct {
	full, delta *image.NRGBA
	delay       time.Duration
}

// displayTime is how long browsers show a frame: 100 ms if the delay is less than 20 ms.
func displayTime(delay time.Duration) time.Duration {
	if delay < 2*hundredth {
		return 10 * hundredth
	}
	return delay
}

// thresholdAlpha makes every pixel opaque or transparent, as package palette does.
func thresholdAlpha(m *image.NRGBA) {
	for pix := m.Pix; len(pix) >= 4; pix = pix[4:] {
		if pix[3] < 0x80 {
			clear(pix[:4])
		} else {
			pix[3] = 0xff
		}
	}
}

// computeDeltas sets what is drawn of each frame: all of the first, because some programs fill transparent parts that
// it leaves out, and of the others what differs from the previous one. But once a pixel becomes transparent again, each
// frame is drawn as a whole and disposed of.
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

// becomesTransparent reports whether a pixel becomes transparent.
func becomesTransparent(before, m *image.NRGBA) bool {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] < before.Pix[i] {
			return true
		}
	}
	return false
}

// deltaRegion is the part of an image, at least one pixel, that differs from the previous one; pixels that do not
// differ are transparent.
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

// maxMeanSquaredError bounds the error of a shared palette, per channel: 35 dB.
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

// appendSmaller appends a frame with its unchanged pixels either transparent or repeated, whichever is smaller.
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
