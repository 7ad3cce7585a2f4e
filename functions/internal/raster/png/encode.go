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

// Encode writes m, all of whose planes are of its size, as a PNG, without metadata but a profile of RGB that it may have;
// without one it is gray if it is opaque and has no colours. It takes half of the time that packing it well would take,
// for a twentieth more bytes.
func Encode(w io.Writer, m *plane.Image) error {
	encoder := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: encoders}
	pixels := m.NRGBA()
	if len(m.Profile) > 0 {
		return withProfile(w, &encoder, pixels, m.Profile)
	}
	if gray, ok := palette.AsGray(pixels); ok {
		return encoder.Encode(w, gray)
	}
	return encoder.Encode(w, pixels)
}

// withProfile puts a profile behind the header, where image/png has none.
func withProfile(w io.Writer, encoder *png.Encoder, pixels image.Image, profile []byte) error {
	const header = len(signature) + chunkHeaderLength + ihdrLength + crcLength
	var file bytes.Buffer
	if err := encoder.Encode(&file, pixels); err != nil {
		return err
	}
	start, rest := file.Bytes()[:header:header], file.Bytes()[header:]
	_, err := w.Write(append(appendProfile(start, profile), rest...))
	return err
}

// encoderPool keeps what an encoder needs: more than a megabyte.
type encoderPool struct{ sync.Pool }

var encoders = new(encoderPool)

func (p *encoderPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *encoderPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }
