package jpeg

import (
	"math"
	"math/rand/v2"
	"testing"
)

// At every scale, samples are those of an inverse DCT in floating point of as many points, except for rounding.
func TestIDCT(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, scale := range scales[1:] {
		for range 300 {
			coefs := [64]float64{float64(r.IntN(2000) - 1000)}
			b := block{int32(coefs[0])}
			for range r.IntN(20) {
				if at := 1 + r.IntN(63); coefs[at] == 0 {
					v := r.IntN(400) - 200
					coefs[at] = float64(v)
					b[at] = int32(v)
				}
			}
			var pix [64]uint8
			b.idct(pix[:], 8, scale)
			for y := range scale {
				for x := range scale {
					want := 128.0
					for v := range scale {
						for u := range scale {
							want += coefs[8*v+u] * cosine(u, x, scale) * cosine(v, y, scale) / 8
						}
					}
					if got := float64(pix[8*y+x]); math.Abs(got-max(0, min(want, 255))) > 1 {
						t.Fatalf("scale %d: sample %d,%d is %g, want %.2f", scale, x, y, got, want)
					}
				}
			}
		}
	}
}

func cosine(frequency, at, points int) float64 {
	if frequency == 0 {
		return 1
	}
	return math.Sqrt2 * math.Cos(float64((2*at+1)*frequency)*math.Pi/float64(2*points))
}

// The shorter transform is the same as the whole one.
func TestIDCTHalf(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		var x [4]int64
		for i := range x {
			x[i] = int64(r.IntN(1<<16) - 1<<15)
		}
		var got, want [8]int64
		got[0], got[1], got[2], got[3], got[4], got[5], got[6], got[7] = idct1DHalf(x[0], x[1], x[2], x[3])
		want[0], want[1], want[2], want[3], want[4], want[5], want[6], want[7] = idct1D8(x[0], x[1], x[2], x[3], 0, 0, 0, 0)
		if got != want {
			t.Fatalf("%d: got %d, want %d", x, got, want)
		}
	}
}
