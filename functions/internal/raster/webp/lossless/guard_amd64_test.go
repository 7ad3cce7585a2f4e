//go:build linux

package lossless

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
)

// Transforms touch nothing beside their rows, and give the pixels of Go.
func TestTransformsAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(3, 4))
	pixels := func(n int) []uint32 {
		made := make([]uint32, n)
		for i := range made {
			made[i] = r.Uint32()
		}
		return made
	}
	for n := range 200 {
		row, above, factors := pixels(1+n/2), pixels(1+n/2), r.Uint32()
		for name, transform := range map[string]struct{ vectors, plain func(row, above []uint32) }{
			"subtract green": {
				func(row, _ []uint32) { undoSubtractGreen(addGreen(row)) },
				func(row, _ []uint32) { undoSubtractGreen(row) },
			},
			"color": {
				func(row, _ []uint32) { undoCrossColor(undoCrossColors(row, factors), factors) },
				func(row, _ []uint32) { undoCrossColor(row, factors) },
			},
			"select": {func(row, above []uint32) { addSelected(row, above) }, addSelect},
		} {
			got, want := guard.Copy(m, row), slices.Clone(row)
			transform.vectors(got, guard.Copy(m, above))
			transform.plain(want, above)
			if !slices.Equal(got, want) {
				t.Fatalf("%s, %08x above %08x: got %08x, want %08x", name, above, row, got, want)
			}
		}
		m.Turn()
	}
}
