package webp

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"sync"

	// Its decoder registers itself with package image, so nothing in raster may call image.Decode.
	"github.com/deepteams/webp"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp/lossy"
)

// Quality is the default quality, of 100: lossy, with a lossless alpha plane.
const Quality = 80

// Encode writes m, with all planes at full size, as a lossy WebP, without metadata. A quality
// of 0 means Quality.
func Encode(w io.Writer, m *plane.Image, quality int) error {
	chunks, err := encodeLossy(m, quality)
	if err != nil {
		return err
	}
	file := []byte("RIFF\x00\x00\x00\x00WEBP")
	if string(chunks[:4]) == "ALPH" {
		file = appendChunk(file, "VP8X", appendSize([]byte{flagAlpha, 0, 0, 0}, m))
	}
	file = append(file, chunks...)
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	_, err = w.Write(file)
	return err
}

// encodeLossy returns the chunks of the pixels: of an alpha plane, unless all of it is opaque, and of the bitstream.
func encodeLossy(m *plane.Image, quality int) (chunks []byte, err error) {
	planes, alpha := toVP8(m)
	if alpha != nil {
		payload, err := encodeAlpha(alpha, m.Width, m.Height)
		if err != nil {
			return nil, fmt.Errorf("encode alpha plane: %w", err)
		}
		chunks = appendChunk(chunks, "ALPH", payload)
	}
	bitstream, err := lossy.Encode(planes, cmp.Or(quality, Quality))
	if err != nil {
		return nil, err
	}
	return appendChunk(chunks, "VP8 ", bitstream), nil
}

// prepare makes the lossless encoder fill its tables. Its first use does that without a lock, so that a concurrent one
// would see half of them and write other levels.
var prepare = sync.OnceFunc(func() {
	// The error does not matter: encodeAlpha meets it again.
	_ = webp.Encode(io.Discard, image.NewNRGBA(image.Rect(0, 0, 1, 1)), losslessOptions())
})

func losslessOptions() *webp.EncoderOptions {
	options := webp.DefaultOptions()
	options.Lossless = true
	return options
}

// encodeAlpha returns the payload of an ALPH chunk (RFC 9649, section 2.7.1.2): a lossless image whose green channel is
// alpha, without its header.
func encodeAlpha(alpha []uint8, width, height int) ([]byte, error) {
	prepare()
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i, v := range alpha {
		m.Pix[4*i+1], m.Pix[4*i+3] = v, 0xff
	}
	var file bytes.Buffer
	if err := webp.Encode(&file, m, losslessOptions()); err != nil {
		return nil, err
	}
	const riffHeader, chunkHeader, losslessHeader, compressed = 12, 8, 5, 1
	start := file.Bytes()[riffHeader:]
	if name := string(start[:4]); name != "VP8L" {
		return nil, fmt.Errorf("the lossless encoder made a chunk %q, expected VP8L", name)
	}
	length := binary.LittleEndian.Uint32(start[4:])
	return append([]byte{compressed}, start[chunkHeader:][losslessHeader:length]...), nil
}
