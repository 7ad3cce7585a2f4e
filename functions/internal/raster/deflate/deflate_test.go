package deflate

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// texts have different statistics: well compressible, incompressible, and with matches at all distances.
func texts() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	made := func(n int, next func(made []byte) byte) []byte {
		var b []byte
		for range n {
			b = append(b, next(b))
		}
		return b
	}
	all := map[string][]byte{
		"empty": nil,
		"byte":  {7},
		"zeros": make([]byte, 50_000),
		"noise": made(50_000, func([]byte) byte { return byte(random.Uint32()) }),
		"few":   made(50_000, func([]byte) byte { return byte(random.Uint32() & 3) }),
		"words": []byte(strings.Repeat("the quick brown fox jumps over the lazy dog ", 1000)),
	}
	// The codes of rare bytes are too long: each is half as frequent as the one before.
	var skewed []byte
	for symbol := range 17 {
		skewed = append(skewed, bytes.Repeat([]byte{byte(symbol)}, 1<<symbol)...)
	}
	random.Shuffle(len(skewed), func(i, j int) { skewed[i], skewed[j] = skewed[j], skewed[i] })
	all["skewed"] = skewed
	for n := range 40 {
		all[fmt.Sprintf("%d bytes", n)] = made(n, func([]byte) byte { return byte(random.Uint32() & 1) })
	}
	for _, period := range []int{1, 2, 3, 4, 5, 7, 8, 9, 31, 257, 258, 259, 4095, 4096, 4097, 32767, 32768, 32769} {
		all[fmt.Sprintf("period %d", period)] = made(40_000, func(b []byte) byte {
			if len(b) < period || random.IntN(500) == 0 {
				return byte(random.Uint32())
			}
			return b[len(b)-period]
		})
	}
	return all
}

func TestCompress(t *testing.T) {
	for name, text := range texts() {
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
	for _, text := range texts() {
		f.Add(text[:min(len(text), 1000)])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := unpack(Compress(text, Thorough, math.MaxInt))
		if err != nil || !slices.Equal(got, text) {
			t.Fatalf("got %v and error %v, want %v", got, err, text)
		}
	})
}
