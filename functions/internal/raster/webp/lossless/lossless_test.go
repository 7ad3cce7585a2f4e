package lossless

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/vp8l"
)

// decode returns the pixels of a stream that has a header, and whether they have alpha.
func decode(stream []byte, width, height int) ([]uint32, bool, error) {
	var pixels []uint32
	hasAlpha, err := Decode(bytes.NewReader(stream), width, height, func(y int, argb []uint32) error {
		if len(pixels) != y*width || len(argb) != width {
			return fmt.Errorf("row %d of %d pixels after %d", y, len(argb), len(pixels))
		}
		pixels = append(pixels, argb...)
		return nil
	})
	return pixels, hasAlpha, err
}

// reference returns them as x/image has them.
func reference(t *testing.T, stream []byte) []uint32 {
	t.Helper()
	m, err := vp8l.Decode(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	var pixels []uint32
	for p := m.(*image.NRGBA).Pix; len(p) > 0; p = p[4:] {
		pixels = append(pixels, uint32(p[3])<<24|uint32(p[0])<<16|uint32(p[1])<<8|uint32(p[2]))
	}
	return pixels
}

func TestDecodeInvented(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(1, seed))
		width, height := 1+r.IntN([]int{4, 40, 300}[r.IntN(3)]), 1+r.IntN([]int{4, 40, 200}[r.IntN(3)])
		stream := withHeader(invent(r, width, height), width, height, true)
		got, hasAlpha, err := decode(stream, width, height)
		if err != nil || !hasAlpha {
			t.Fatalf("seed %d, %dx%d: alpha %v, %v", seed, width, height, hasAlpha, err)
		}
		for i, want := range reference(t, stream) {
			if got[i] != want {
				t.Fatalf("seed %d, %dx%d: pixel %d,%d is %08x, want %08x", seed, width, height, i%width, i/width, got[i], want)
			}
		}
	}
}
