package webp

import (
	"cmp"
	"encoding/binary"
	"io"
	"math"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp/lossless"
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
		chunks = appendChunk(chunks, "ALPH", encodeAlpha(alpha, m.Width))
	}
	bitstream, err := lossy.Encode(planes, cmp.Or(quality, Quality))
	if err != nil {
		return nil, err
	}
	return appendChunk(chunks, "VP8 ", bitstream), nil
}

// encodeAlpha returns the payload of an ALPH chunk (RFC 9649, section 2.7.1.2): the shortest one of all filters.
func encodeAlpha(alpha []uint8, width int) []byte {
	var shortest []byte
	longest := math.MaxInt
	filtered := make([]uint8, len(alpha))
	for filter := filterNone; filter <= filterGradient; filter++ {
		filterAlpha(filtered, alpha, width, filter)
		if made := lossless.EncodeAlpha(filtered, width, longest); made != nil {
			const compressed = 1
			shortest = append([]byte{uint8(compressed | filter<<2)}, made...)
			longest = len(made) - 1
		}
	}
	return shortest
}
