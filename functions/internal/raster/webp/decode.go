package webp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"
	"math"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
	"golang.org/x/image/webp"
)

// Decode reads the rest of the file, once, to the end of its last chunk, and shows its first frame. Errors are those of
// Open, and of show.
func (f *File) Decode(width, height, frames int, show func(plane.Frame) error) error {
	m, err := f.decode()
	if err != nil {
		return err
	}
	return show(plane.Frame{Image: plane.Of(m, width, height)})
}

// decode returns an *image.YCbCr or *image.NRGBA of the size that Open found, as stored.
func (f *File) decode() (m image.Image, err error) {
	if f.first.body != nil {
		m, err = decodeBitstream(f.first, nil, f.Width, f.Height)
	}
	animated := f.flags&flagAnimation != 0
	for err == nil {
		var c chunk
		c, err = f.chunks.next()
		switch {
		case err == io.EOF && m == nil:
			return nil, refuse.AsDamaged(Name, "it has no image")
		case err == io.EOF:
			return straight(m), nil
		case err != nil:
		case c.name == "EXIF" && f.Orientation == exif.Upright:
			f.Orientation, err = f.orientation(c)
		case c.name == "ANMF" && animated && m == nil:
			m, err = f.decodeFrame(c)
		case isBitstream(c.name) && !animated && m == nil:
			m, err = decodeImage(f.chunks, c, f.Width, f.Height)
		}
	}
	return nil, err
}

// straight turns lossy pixels with an alpha plane into the type that others know, too.
func straight(m image.Image) image.Image {
	if planes, ok := m.(*image.NYCbCrA); ok {
		return compose(planes, planes.Bounds(), image.Point{})
	}
	return m
}

func isBitstream(name string) bool { return name == "ALPH" || name == "VP8 " || name == "VP8L" }

// decodeFrame decodes a frame of an animation onto the canvas.
func (f *File) decodeFrame(frame chunk) (image.Image, error) {
	var b [16]byte // position, size, duration, flags
	if _, err := io.ReadFull(frame.body, b[:]); err != nil {
		return nil, err
	}
	origin := image.Pt(2*int(uint24(b[0:])), 2*int(uint24(b[3:])))
	place := image.Rectangle{origin, origin.Add(image.Pt(1+int(uint24(b[6:])), 1+int(uint24(b[9:]))))}
	canvas := image.Rect(0, 0, f.Width, f.Height)
	if !place.In(canvas) {
		return nil, refuse.AsDamaged(Name, "its first frame is not within its canvas")
	}
	list := &chunks{r: frame.body, left: frame.length - int64(len(b))}
	for {
		c, err := list.next()
		switch {
		case err == io.EOF:
			return nil, refuse.AsDamaged(Name, "its first frame has no image")
		case err != nil:
			return nil, err
		case isBitstream(c.name):
			m, err := decodeImage(list, c, place.Dx(), place.Dy())
			if err != nil || place == canvas {
				return m, err
			}
			return compose(m, canvas, origin), nil
		}
	}
}

// decodeImage decodes an image that starts with c: an alpha plane and a bitstream, or a bitstream alone.
func decodeImage(list *chunks, c chunk, width, height int) (image.Image, error) {
	if c.name != "ALPH" {
		return decodeBitstream(c, nil, width, height)
	}
	// Compressed alpha may be larger than the plane, but not by more than its tables.
	if limit := int64(width)*int64(height) + 1<<16; c.length > limit {
		return nil, refuse.AsDamaged(Name, "its alpha plane has %d bytes, more than %d", c.length, limit)
	}
	var alpha bytes.Buffer
	if _, err := io.CopyN(&alpha, c.body, c.length); err != nil {
		return nil, short(err)
	}
	for {
		c, err := list.next()
		switch {
		case err == io.EOF:
			return nil, refuse.AsDamaged(Name, "it has an alpha plane, but no image")
		case err != nil:
			return nil, err
		case c.name == "VP8 ":
			return decodeBitstream(c, alpha.Bytes(), width, height)
		case c.name == "VP8L": // which has its own alpha
			return decodeBitstream(c, nil, width, height)
		}
	}
}

// decodeBitstream has x/image decode a bitstream as a still of the size that is expected: x/image checks that it is the
// size of the bitstream, too, before it makes an image.
func decodeBitstream(c chunk, alpha []byte, width, height int) (image.Image, error) {
	const flagAlpha = 0x10
	still := []byte("RIFF\xff\xff\xff\xffWEBPVP8X\x0a\x00\x00\x00")
	size := [10]byte{
		4: byte(width - 1), byte((width - 1) >> 8), byte((width - 1) >> 16),
		7: byte(height - 1), byte((height - 1) >> 8), byte((height - 1) >> 16),
	}
	if alpha != nil {
		size[0] = flagAlpha
	}
	still = append(still, size[:]...)
	if alpha != nil {
		still = appendChunk(still, "ALPH", alpha)
	}
	still = appendHeader(still, c.name, c.length)
	m, err := webp.Decode(io.MultiReader(bytes.NewReader(still), c.body))
	if err != nil {
		return nil, refusal(err)
	}
	switch m := m.(type) {
	case *image.YCbCr:
		widen(m)
	case *image.NYCbCrA:
		widen(&m.YCbCr)
	}
	return m, nil
}

func appendChunk(b []byte, name string, payload []byte) []byte {
	b = append(appendHeader(b, name, int64(len(payload))), payload...)
	return append(b, make([]byte, len(payload)&1)...)
}

func appendHeader(b []byte, name string, length int64) []byte {
	return binary.LittleEndian.AppendUint32(append(b, name...), uint32(min(length, math.MaxUint32)))
}

// refusal is for the errors of x/image, which have no types but start with the name of a package.
func refusal(err error) error {
	var refused *refuse.Refusal
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &refused) {
		return short(err)
	}
	_, detail, _ := strings.Cut(err.Error(), ": ")
	return refuse.AsDamaged(Name, "%s", detail)
}

// compose draws an image onto a transparent canvas.
func compose(m image.Image, canvas image.Rectangle, origin image.Point) *image.NRGBA {
	composed := image.NewNRGBA(canvas)
	bounds := m.Bounds()
	for y := range bounds.Dy() {
		row := composed.Pix[composed.PixOffset(origin.X, origin.Y+y):][:4*bounds.Dx()]
		switch m := m.(type) {
		case *image.NRGBA:
			copy(row, m.Pix[y*m.Stride:])
		case *image.YCbCr:
			drawRow(row, m, y)
		case *image.NYCbCrA:
			drawRow(row, &m.YCbCr, y)
			for x, alpha := range m.A[y*m.AStride:][:bounds.Dx()] {
				row[4*x+3] = alpha
			}
		}
	}
	return composed
}

func drawRow(row []byte, m *image.YCbCr, y int) {
	for x := range m.Rect.Dx() {
		luma, chroma := m.YOffset(m.Rect.Min.X+x, m.Rect.Min.Y+y), m.COffset(m.Rect.Min.X+x, m.Rect.Min.Y+y)
		pixel := row[4*x : 4*x+4 : 4*x+4]
		pixel[0], pixel[1], pixel[2] = color.YCbCrToRGB(m.Y[luma], m.Cb[chroma], m.Cr[chroma])
		pixel[3] = 0xff
	}
}

// widen turns the levels of VP8 (luma from 16 to 235, chroma from 16 to 240) into those of JPEG (0 to 255), which is
// how Go reads an image.YCbCr. x/image does not do it; without it, thumbnails are pale.
func widen(m *image.YCbCr) {
	for i, v := range m.Y {
		m.Y[i] = wideLuma[v]
	}
	for i, v := range m.Cb {
		m.Cb[i] = wideChroma[v]
	}
	for i, v := range m.Cr {
		m.Cr[i] = wideChroma[v]
	}
}

var wideLuma, wideChroma = levels(16, 219, 0), levels(128, 224, 128)

func levels(zero, width, wideZero float64) (wide [256]uint8) {
	for i := range wide {
		level := (float64(i)-zero)*255/width + wideZero
		wide[i] = uint8(math.Round(max(0, min(level, 255))))
	}
	return wide
}
