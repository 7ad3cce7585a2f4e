package png

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Encode writes m, with all planes at full size, as a PNG, without metadata. An opaque image without colours is written
// as gray. It compresses for speed: half of the time of the best compression, for a twentieth more bytes. A copy of an
// image with a palette gets one, too, if it is smaller with it.
func Encode(w io.Writer, m *plane.Image) error {
	pixels := m.NRGBA()
	var full image.Image = pixels
	if gray, ok := palette.AsGray(pixels); ok {
		full = gray
	}
	encoder := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: encoders}
	if !m.Indexed {
		return encoder.Encode(w, full)
	}
	var smallest bytes.Buffer
	if err := encoder.Encode(&smallest, full); err != nil {
		return err
	}
	if indexed := withPalette(pixels); indexed != nil {
		encoder.CompressionLevel = png.BestCompression
		var file bytes.Buffer
		if err := encoder.Encode(&file, indexed); err != nil {
			return err
		}
		if file.Len() < smallest.Len() {
			smallest = file
		}
	}
	if m.Source != nil && len(m.Source) < smallest.Len() {
		smallest = *bytes.NewBuffer(m.Source)
	}
	_, err := smallest.WriteTo(w)
	return err
}

// withPalette returns an image in its own colours if they are few enough for a palette, and otherwise in similar ones.
// It returns nil if there are too many colours that are partly transparent.
func withPalette(pixels *image.NRGBA) *image.Paletted {
	if exact := palette.Exact(pixels); exact != nil {
		return exact
	}
	for i := 3; i < len(pixels.Pix); i += 4 {
		if a := pixels.Pix[i]; a != 0 && a != 0xff {
			return nil
		}
	}
	return palette.Reduce(pixels)
}

// An encoderPool keeps the buffers of encoders: more than a megabyte each.
type encoderPool struct{ sync.Pool }

var encoders = new(encoderPool)

// Get implements png.EncoderBufferPool.
func (p *encoderPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

// Put implements png.EncoderBufferPool.
func (p *encoderPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }
