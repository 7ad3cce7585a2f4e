package lossy

import (
	"math/rand/v2"
	"testing"
)

// The vectors give the pixels of Go, and refuse coefficients that would overflow.
func TestAddVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for range 20_000 {
		var b block
		limit := 1 << r.IntN(12)
		for i := range b {
			if r.IntN(3) > 0 {
				b[i] = int16(r.IntN(2*limit) - limit)
			}
			if r.IntN(50) == 0 {
				b[i] = -2048 + int16(r.IntN(2)*4095)
			}
		}
		var got, want [blockSpan]uint8
		for i := range got {
			got[i] = uint8(r.IntN(256))
		}
		want = got
		b.addIDCT(&want)
		if !addVectors(&b, &got) || got != want {
			t.Fatalf("coefficients %d: got %d, want %d", b, got, want)
		}
	}
	for _, v := range []int16{-32768, -2049, 2048, 32767} {
		for i := range 16 {
			var pix, before [blockSpan]uint8
			b := block{}
			b[i] = v
			if addVectors(&b, &pix) || pix != before {
				t.Errorf("coefficient %d was %d, and was taken", i, v)
			}
		}
	}
}
