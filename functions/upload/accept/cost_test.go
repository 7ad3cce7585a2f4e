package accept

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// pngHeaderOf is a PNG up to its pixels.
func pngHeaderOf(width, height uint32, colorType byte) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	return append([]byte("\x89PNG\r\n\x1a\n"),
		append(chunkOf("IHDR", append(ihdr, 8, colorType, 0, 0, 0)), chunkOf("IDAT", nil)...)...)
}

func chunkOf(name string, payload []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), name...)
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// webpOf is a lossless WebP of 30 bytes.
func webpOf(width, height int) []byte {
	size := binary.LittleEndian.AppendUint32(nil, uint32(width-1|(height-1)<<14))
	file := append([]byte("RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f"), size...)
	return append(file, 0x88, 0x88, 0x08, 0, 0)
}

// What a photo costs is one request, and what costs thumbnail far more counts as many, whatever its size in bytes.
func TestUnits(t *testing.T) {
	for name, test := range map[string]struct {
		file        []byte
		least, most int64
	}{
		"PNG of 1 MP":            {pngHeaderOf(1200, 900, 2), 1, 1},
		"PNG of 12 MP":           {pngHeaderOf(4000, 3000, 2), 2, 2},
		"PNG of 200 MP":          {pngHeaderOf(16000, 12000, 6), 20, 40},
		"lossless WebP of 50 MP": {webpOf(16383, 3050), 10, 20},
		"lossless WebP of 1 MP":  {webpOf(1000, 1000), 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			header, err := raster.Probe(t.Context(), bytes.NewReader(test.file))
			if err != nil {
				t.Fatal(err)
			}
			if got := units(header.Cost); got < test.least || got > test.most {
				t.Errorf("got %d units, want %d to %d", got, test.least, test.most)
			}
		})
	}
}

// A slow reader has the start of a PNG, and then chunks without a meaning, one a second.
type slow struct{ start io.Reader }

func (s slow) Read(p []byte) (int, error) {
	if n, err := s.start.Read(p); err == nil {
		return n, nil
	}
	time.Sleep(time.Second)
	return copy(p, chunkOf("teXt", nil)[:min(len(p), 12)]), nil
}

// A header that takes too long is refused, however regularly its bytes arrive.
func TestSlowHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		body := pngHeaderOf(10, 10, 2)
		_, err := Limits{}.probe(t.Context(), slow{bytes.NewReader(body[:len(body)-12])})
		var refused *apierror.Error
		if !errors.As(err, &refused) || refused.Code != apierror.CodeTooSlow {
			t.Errorf("got %v, want too_slow", err)
		}
		if took := time.Since(began); took < probeTimeout || took > probeTimeout+2*time.Second {
			t.Errorf("it took %v, want %v", took, probeTimeout)
		}
	})
}
