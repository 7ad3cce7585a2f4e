package deflate

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/lz/lztest"
)

func TestCompress(t *testing.T) {
	for name, text := range lztest.Texts() {
		for _, effort := range []Effort{Fast, Thorough} {
			t.Run(fmt.Sprintf("%s, effort %d", name, effort), func(t *testing.T) {
				packed := Compress(text, effort, math.MaxInt)
				got, err := unpack(packed)
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("got %d bytes and error %v, want the text of %d bytes", len(got), err, len(text))
				}
				if most := len(text) + len(text)/256 + 200; len(packed) > most {
					t.Errorf("it has %d bytes, more than %d", len(packed), most)
				}
				if same := Compress(text, effort, len(packed)); !bytes.Equal(same, packed) {
					t.Errorf("got %d bytes of %d at most, want the same stream", len(same), len(packed))
				}
				if got := Compress(text, effort, len(packed)-1); got != nil {
					t.Errorf("got %d bytes of %d at most, want nil", len(got), len(packed)-1)
				}
			})
		}
	}
}

func unpack(packed []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func FuzzCompress(f *testing.F) {
	for _, text := range lztest.Texts() {
		f.Add(text[:min(len(text), 1000)])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := unpack(Compress(text, Thorough, math.MaxInt))
		if err != nil || !slices.Equal(got, text) {
			t.Fatalf("got %v and error %v, want %v", got, err, text)
		}
	})
}
