package plane

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The vectors give the same samples as Go, however wide a plane is and wherever its kernels are cut off.
func TestResampleVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		width, height := vectorWidth+r.IntN(120), 1+r.IntN(60)
		p := New(width+r.IntN(9), height, 1, 1)
		p.Width = width
		for i := range p.Pix {
			p.Pix[i] = uint8(r.IntN(256))
			if r.IntN(4) > 0 {
				p.Pix[i] = uint8(255 * r.IntN(2)) // the sums are largest for hard edges
			}
		}
		x, y := 1+r.IntN(width), 1+r.IntN(height)
		across := newKernel(kernelKey{width, x, float64(r.IntN(3)), float64(width-2) / float64(x)})
		down := newKernel(kernelKey{height, y, 0, float64(height) / float64(y)})
		got, want := New(x, y, 1, 1), New(x, y, 1, 1)
		p.resample(want, across, down)
		if !p.resampleVectors(got, across, down) || !slices.Equal(got.Pix, want.Pix) {
			t.Fatalf("%dx%d to %dx%d: got %d, want %d", width, height, x, y, got.Pix, want.Pix)
		}
	}
	if narrow := New(vectorWidth-1, 1, 1, 1); narrow.resampleVectors(narrow, nil, nil) {
		t.Error("a narrow plane was resampled")
	}
}
