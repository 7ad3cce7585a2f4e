package png

import (
	"image"
	"image/png"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
)

// Encode writes m as a PNG without metadata, gray if it is opaque and has no colours. It takes half of the time that
// packing it well would take, for a twentieth more bytes.
func Encode(w io.Writer, m *image.NRGBA) error {
	encoder := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: encoders}
	if gray, ok := palette.Gray(m); ok {
		return encoder.Encode(w, gray)
	}
	return encoder.Encode(w, m)
}

// encoderPool keeps what an encoder needs: more than a megabyte.
type encoderPool struct{ sync.Pool }

var encoders = new(encoderPool)

func (p *encoderPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *encoderPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }
