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

// Encode writes m, with all planes at full size, as a GIF of one frame. Pixels less than half opaque become
// transparent.
func Encode(w io.Writer, m *plane.Image) error {
	reduced := palette.Reduce(m.NRGBA())
	e := newEncoder(reduced.Rect, reduced.Palette)
	e.writeFrame(reduced, disposeKeep, 0)
	return e.finish(w)
}

// disposeKeep leaves a frame in place.
const disposeKeep = 1

// An encoder builds a file.
type encoder struct {
	file   []byte
	colors color.Palette // the global colour table, or nil
}

func newEncoder(screen image.Rectangle, colors color.Palette) *encoder {
	e := &encoder{file: []byte("GIF89a"), colors: colors}
	e.writeUint16s(screen.Dx(), screen.Dy())
	const background, aspect, ofEightBits = 0, 0, 0x70
	e.file = append(e.file, ofEightBits|colorTableFields(colors), background, aspect)
	e.writeColorTable(colors)
	return e
}

// finish writes the file.
func (e *encoder) finish(w io.Writer) error {
	_, err := w.Write(append(e.file, trailer))
	return err
}

// writeLoops states how often an animation is played; 0 means without end. A file that states nothing is played once.
func (e *encoder) writeLoops(loops int) {
	if loops != 1 {
		e.file = append(append(e.file, extensionIntroducer, applicationLabel, 11), "NETSCAPE2.0\x03\x01"...)
		e.writeUint16s(min(max(loops-1, 0), 1<<16-1))
		e.file = append(e.file, 0)
	}
}

// writeFrame appends a frame in its place on the screen, with a local colour table unless there is a global one.
func (e *encoder) writeFrame(m *image.Paletted, disposal byte, delay time.Duration) {
	e.writeGraphicControl(m.Palette, disposal, delay)
	e.file = append(e.file, imageSeparator)
	e.writeUint16s(m.Rect.Min.X, m.Rect.Min.Y, m.Rect.Dx(), m.Rect.Dy())
	if len(e.colors) > 0 {
		e.file = append(e.file, 0)
	} else {
		e.file = append(e.file, colorTableFields(m.Palette))
		e.writeColorTable(m.Palette)
	}
	e.file = appendLZW(e.file, m.Pix, uint(max(2, bitDepth(m.Palette)))) // the format allows no less than 2
}

// writeGraphicControl appends a graphic control extension if the frame needs one.
func (e *encoder) writeGraphicControl(colors color.Palette, disposal byte, delay time.Duration) {
	key := transparentIndex(colors)
	if key == noTransparency && delay == 0 && disposal == disposeKeep {
		return
	}
	fields := disposal << 2
	if key != noTransparency {
		fields |= 1
	}
	e.file = append(e.file, extensionIntroducer, graphicControlLabel, 4, fields)
	e.writeUint16s(int(min(max(0, delay/hundredth), 1<<16-1)))
	e.file = append(e.file, byte(max(0, key)), 0)
}

// transparentIndex is the index of the transparent colour, or noTransparency.
func transparentIndex(colors color.Palette) int {
	if last := len(colors) - 1; colors[last] == (color.NRGBA{}) {
		return last
	}
	return noTransparency
}

func (e *encoder) writeUint16s(pixels ...int) {
	for _, n := range pixels {
		e.file = binary.LittleEndian.AppendUint16(e.file, uint16(n))
	}
}

// bitDepth is the number of bits of an index.
func bitDepth(colors color.Palette) int { return max(1, bits.Len(uint(len(colors)-1))) }

// colorTableFields are the packed fields of a descriptor that announce a colour table, or 0.
func colorTableFields(colors color.Palette) byte {
	if len(colors) == 0 {
		return 0
	}
	return colorTableFlag | byte(bitDepth(colors)-1)
}

// writeColorTable appends the colours, padded to a power of two.
func (e *encoder) writeColorTable(colors color.Palette) {
	if len(colors) == 0 {
		return
	}
	for _, c := range colors {
		c := c.(color.NRGBA)
		e.file = append(e.file, c.R, c.G, c.B)
	}
	e.file = append(e.file, make([]byte, 3*(1<<bitDepth(colors)-len(colors)))...)
}
