package webp

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/webp/lossless"
)

func TestToRGBABytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 70; n++ {
		for _, opaque := range []bool{false, true} {
			pixels, isOpaque := make([]uint32, n), true
			var want []byte
			for i := range pixels {
				pixels[i] = r.Uint32() | 0xff<<24
				if r.IntN(2*n) == 0 {
					pixels[i] &^= 1 << (24 + r.IntN(8))
				}
				alpha := byte(pixels[i] >> 24)
				if opaque {
					alpha = 0xff
				}
				isOpaque = isOpaque && alpha == 0xff
				want = append(want, byte(pixels[i]>>16), byte(pixels[i]>>8), byte(pixels[i]), alpha)
			}
			got := make([]byte, 4*n)
			if is := toRGBABytes(got, lossless.Rows{Pixels: pixels, Opaque: opaque}); is != isOpaque || !bytes.Equal(got, want) {
				t.Fatalf("%08x: got %x, opaque %v; want %x, %v", pixels, got, is, want, isOpaque)
			}
		}
	}
}
