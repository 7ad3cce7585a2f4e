package jpeg

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Vectors are the same samples as Go, and nothing else is written.
func TestIDCTVectors(t *testing.T) {
	if !hasVectors {
		return // as in TestIDCT
	}
	defer func() { hasVectors = true }()
	r := rand.New(rand.NewPCG(5, 6))
	for _, scale := range []int{4, 8} {
		for range 3000 {
			b := block{int32(r.IntN(4096) - 2048)}
			for range r.IntN(1 << r.IntN(7)) {
				b[r.IntN(64)] = int32(r.IntN(1<<(1+r.IntN(12))) - 1<<r.IntN(11))
			}
			const stride = 12
			got := bytes.Repeat([]byte{7}, 9*stride)
			want := bytes.Clone(got)
			hasVectors = true
			b.idct(got[2:], stride, scale)
			hasVectors = false
			b.idct(want[2:], stride, scale)
			if !bytes.Equal(got, want) {
				t.Fatalf("scale %d, %d: %d, want %d", scale, b, got, want)
			}
		}
	}
}

// Go transforms as the vectors do.
func TestIDCTInGo(t *testing.T) {
	if !hasVectors {
		return // as in TestIDCT
	}
	hasVectors = false
	defer func() { hasVectors = true }()
	TestIDCT(t)
}

// Vectors find the coefficients that Go finds.
func TestQuantizeVectors(t *testing.T) {
	if !hasVectors {
		return // as in TestEncodeLikeImageJPEG
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		q := newQuantTable(lumaQuant, 1+r.IntN(100))
		const stride = 11
		pix := make([]uint8, 8*stride)
		base, noise := r.IntN(256), 1+r.IntN(1<<r.IntN(9))
		for i := range pix {
			pix[i] = uint8(max(0, min(base+r.IntN(noise)-noise/2, 255)))
		}
		var got, want [64]int32
		gotBits, _ := q.quantizeVectors(pix, stride, &got)
		if wantBits := q.quantizeSamples(pix, stride, &want); got != want || gotBits != wantBits {
			t.Fatalf("%d: got %d and %b, want %d and %b", pix, got, gotBits, want, wantBits)
		}
	}
}
