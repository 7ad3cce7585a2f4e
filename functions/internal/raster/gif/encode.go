package gif

import (
	"encoding/binary"
	"image"
	"image/color"
	"io"
	"math/bits"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Encode writes m, all of whose planes are of its size, as a GIF of one frame. Pixels less than half opaque become
// transparent.
func Encode(w io.Writer, m *plane.Image) error {
	reduced := palette.Reduce(m.NRGBA())
	e := newEncoder(reduced.Rect, reduced.Palette)
	e.frame(reduced, keepFrame, 0)
	return e.finish(w)
}

// keepFrame leaves a frame where it is.
const keepFrame = 1

// An encoder makes a file.
type encoder struct {
	file   []byte
	colors color.Palette // the global ones, or nil
}

func newEncoder(screen image.Rectangle, colors color.Palette) *encoder {
	e := &encoder{file: []byte("GIF89a"), colors: colors}
	e.sides(screen.Dx(), screen.Dy())
	const background, aspect, ofEightBits = 0, 0, 0x70
	e.file = append(e.file, ofEightBits|colorFields(colors), background, aspect)
	e.table(colors)
	return e
}

// finish writes the file.
func (e *encoder) finish(w io.Writer) error {
	_, err := w.Write(append(e.file, trailer))
	return err
}

// repeat says how often an animation is to be shown, 0 for without end. To say nothing is once.
func (e *encoder) repeat(loops int) {
	if loops != 1 {
		e.file = append(append(e.file, extension, application, 11), "NETSCAPE2.0\x03\x01"...)
		e.sides(min(max(loops-1, 0), 1<<16-1))
		e.file = append(e.file, 0)
	}
}

// frame appends a frame in its place on the screen, with its own colours unless they are the global ones.
func (e *encoder) frame(m *image.Paletted, disposal byte, delay time.Duration) {
	e.control(m.Palette, disposal, delay)
	e.file = append(e.file, separator)
	e.sides(m.Rect.Min.X, m.Rect.Min.Y, m.Rect.Dx(), m.Rect.Dy())
	if len(e.colors) > 0 {
		e.file = append(e.file, 0)
	} else {
		e.file = append(e.file, colorFields(m.Palette))
		e.table(m.Palette)
	}
	e.file = compress(e.file, m.Pix, uint(max(2, depth(m.Palette)))) // the format allows no less than 2
}

// control appends what there is to say of a frame, if there is something.
func (e *encoder) control(colors color.Palette, disposal byte, delay time.Duration) {
	key := keyOf(colors)
	if key == none && delay == 0 && disposal == keepFrame {
		return
	}
	fields := disposal << 2
	if key != none {
		fields |= 1
	}
	e.file = append(e.file, extension, graphicControl, 4, fields)
	e.sides(int(min(max(0, delay/hundredth), 1<<16-1)))
	e.file = append(e.file, byte(max(0, key)), 0)
}

// keyOf is the index of what is transparent, or none.
func keyOf(colors color.Palette) int {
	if last := len(colors) - 1; colors[last] == (color.NRGBA{}) {
		return last
	}
	return none
}

// sides appends numbers of 16 bits.
func (e *encoder) sides(pixels ...int) {
	for _, n := range pixels {
		e.file = binary.LittleEndian.AppendUint16(e.file, uint16(n))
	}
}

// depth is the bits of an index.
func depth(colors color.Palette) int { return max(1, bits.Len(uint(len(colors)-1))) }

// colorFields says in a descriptor that a table of colours follows, if there are some.
func colorFields(colors color.Palette) byte {
	if len(colors) == 0 {
		return 0
	}
	return hasColors | byte(depth(colors)-1)
}

// table appends colours, and as many more that they are a power of two.
func (e *encoder) table(colors color.Palette) {
	if len(colors) == 0 {
		return
	}
	for _, c := range colors {
		c := c.(color.NRGBA)
		e.file = append(e.file, c.R, c.G, c.B)
	}
	e.file = append(e.file, make([]byte, 3*(1<<depth(colors)-len(colors)))...)
}
