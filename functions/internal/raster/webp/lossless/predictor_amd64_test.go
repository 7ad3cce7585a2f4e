package lossless

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The vectors give the pixels of Go.
func TestAddSelected(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 400; n++ {
		row, above := make([]uint32, n), make([]uint32, n+1)
		for i := range above {
			if above[i] = r.Uint32(); i > 0 && r.IntN(3) > 0 {
				above[i] = above[i-1] + r.Uint32N(3) // distances are often the same
			}
		}
		for i := range row {
			row[i] = r.Uint32() & [...]uint32{0, 0x01010101, 0xffffffff}[r.IntN(3)]
		}
		got, want := slices.Clone(row), slices.Clone(row)
		addSelect(want, above)
		if !addSelected(got, above) || !slices.Equal(got, want) {
			t.Fatalf("%08x above %08x: got %08x, want %08x", above, row, got, want)
		}
	}
}
