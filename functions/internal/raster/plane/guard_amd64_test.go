//go:build linux

package plane

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
)

// Resampling touches nothing beside samples, kernels and the row between.
func TestResampleAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(9, 10))
	for range 200 {
		p := New(vectorWidth+r.IntN(120), 1+r.IntN(60), 1, 1)
		for i := range p.Pix {
			p.Pix[i] = uint8(r.Uint32())
		}
		x, y := 1+r.IntN(p.Width), 1+r.IntN(p.Height)
		across := newKernel(kernelKey{p.Width, x, float64(r.IntN(9)), float64(p.Width-2) / float64(x)})
		down := newKernel(kernelKey{p.Height, y, 0, float64(p.Height) / float64(y)})
		want := New(x, y, 1, 1)
		p.resample(want, across, down)

		got, guarded := want, p
		got.Pix, guarded.Pix = guard.Copy(m, make([]uint8, x*y)), guard.Copy(m, p.Pix)
		row := guard.Copy(m, make([]int16, p.Width+across.stride))
		guarded.resampleThrough(row, got, copyKernel(m, across), copyKernel(m, down))
		if !slices.Equal(got.Pix, want.Pix) {
			t.Fatalf("%dx%d to %dx%d: got %d, want %d", p.Width, p.Height, x, y, got.Pix, want.Pix)
		}
		m.Turn()
	}
}

func copyKernel(m *guard.Memory, k *kernel) *kernel {
	guarded := *k
	guarded.firsts, guarded.weights = guard.Copy(m, k.firsts), guard.Copy(m, k.weights)
	return &guarded
}

// Premultiplication and sums touch nothing beside their rows, and give what is computed sample by sample.
func TestRowsAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(11, 12))
	for n := range 200 {
		row := make([]uint8, 4*(1+n/2))
		sums := columnSums{sums: make([]uint16, len(row))}
		for i := range row {
			row[i], sums.sums[i] = uint8(r.Uint32()), uint16(r.IntN(1<<15))
		}
		guarded := columnSums{sums: guard.Copy(m, sums.sums)}
		guarded.add(guard.Copy(m, row), 1)
		for i, v := range row {
			if want := sums.sums[i] + uint16(v); guarded.sums[i] != want {
				t.Fatalf("the sum of column %d of %d is %d, want %d", i, len(row), guarded.sums[i], want)
			}
		}
		premultiplied := guard.Copy(m, row)
		Premultiply(premultiplied)
		for i, v := range row {
			want := v
			if alpha := uint32(row[i|3]); i%4 < 3 {
				want = uint8((uint32(v)*alpha + 127) / 255)
			}
			if premultiplied[i] != want {
				t.Fatalf("byte %d of %v is %d, want %d", i, row, premultiplied[i], want)
			}
		}
		m.Turn()
	}
}
