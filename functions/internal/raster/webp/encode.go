package webp

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"sync"

	// Its decoder is not used. It registers itself with package image, so nothing in raster may call image.Decode.
	"github.com/deepteams/webp"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Quality is what files are written with if nothing else is asked for, of 100: lossy, the alpha plane lossless.
const Quality = 80

// Encode writes m, all of whose planes are of its size, as a lossy WebP, without metadata but a profile that it may
// have. A quality of 0 is Quality.
func Encode(w io.Writer, m *plane.Image, quality int) error {
	file, err := encodeLossy(m, quality)
	if err == nil && len(m.Profile) > 0 {
		file, err = withProfile(file, m)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(file)
	return err
}

// prepare has the encoder fill its tables, which its first use does without a lock: another one at the same time would find
// them half empty, and write other colours.
var prepare = sync.OnceFunc(func() {
	_ = webp.Encode(io.Discard, image.NewNRGBA(image.Rect(0, 0, 1, 1)), webp.DefaultOptions()) // what comes of it is not wanted
})

func encodeLossy(m *plane.Image, quality int) ([]byte, error) {
	prepare()
	options := webp.DefaultOptions()
	options.Quality = float32(cmp.Or(quality, Quality))
	options.Segments = 1 // with more it writes none of the filter: 0.5 to 1.5 dB less, for 4 % of the bytes
	var file bytes.Buffer
	if err := webp.Encode(&file, m.NRGBA(), options); err != nil {
		return nil, err
	}
	repaired, err := repairAlpha(file.Bytes())
	if err != nil {
		return nil, fmt.Errorf("repair alpha plane: %w", err)
	}
	return repaired, nil
}

// withProfile puts the profile of m into a still, which has a VP8X chunk then.
func withProfile(file []byte, m *plane.Image) ([]byte, error) {
	pixels, err := imageChunks(file)
	if err != nil {
		return nil, fmt.Errorf("add profile: %w", err)
	}
	profiled := append(appendHeader(nil, m, m.HasAlpha(), 0), pixels...)
	binary.LittleEndian.PutUint32(profiled[4:], uint32(len(profiled)-8))
	return profiled, nil
}

// appendStart appends what is in front of pixels in a file with a VP8X chunk: the profile of m, too, if it has one. The
// length of the file is not in it yet.
func appendHeader(file []byte, m *plane.Image, hasAlpha bool, flags byte) []byte {
	const alpha, profile = 0x10, 0x20
	if hasAlpha {
		flags |= alpha
	}
	if len(m.Profile) > 0 {
		flags |= profile
	}
	file = append(file, "RIFF\x00\x00\x00\x00WEBP"...)
	file = appendChunk(file, "VP8X", appendSize([]byte{flags, 0, 0, 0}, m))
	if len(m.Profile) > 0 {
		file = appendChunk(file, "ICCP", m.Profile)
	}
	return file
}

// repairAlpha takes the header out of a compressed alpha plane, where RFC 9649, section 2.7.1.2, has none. Versions up
// to v1.2.2 of the encoder leave it in (https://github.com/deepteams/webp/issues/4), and nobody else can read the file.
func repairAlpha(file []byte) ([]byte, error) {
	const riffHeader, losslessHeader, compressed = 12, 5, 1
	list := &chunkReader{r: bytes.NewReader(file[riffHeader:]), left: int64(len(file) - riffHeader)}
	repaired := bytes.Clone(file[:riffHeader])
	var width, height int
	for {
		c, err := list.next()
		if err == io.EOF {
			binary.LittleEndian.PutUint32(repaired[4:], uint32(len(repaired)-8))
			return repaired, nil
		}
		if err != nil {
			return nil, err
		}
		payload, err := io.ReadAll(c.body)
		if err != nil {
			return nil, err
		}
		switch {
		case c.name == "VP8X":
			width, height = 1+int(uint24(payload[4:])), 1+int(uint24(payload[7:]))
		case c.name == "ALPH" && len(payload) > losslessHeader && payload[0]&0x03 == compressed:
			if w, h, err := losslessSize(payload[1:]); err == nil && w == width && h == height {
				payload = append(payload[:1], payload[1+losslessHeader:]...)
			}
		}
		repaired = appendChunk(repaired, c.name, payload)
	}
}
