//go:build linux

package png

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
)

// Filters touch nothing beside their rows.
func TestUnfilterAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(3, 4))
	for filter := range uint8(filterPaeth + 1) {
		for _, pixel := range []int{1, 2, 3, 4, 6, 8} {
			for n := range 80 { // each width at both edges
				row, above := make([]uint8, (1+n/2)*pixel), make([]uint8, (1+n/2)*pixel)
				for i := range row {
					row[i], above[i] = uint8(r.Uint32()), uint8(r.Uint32())
				}
				got, want := guard.Copy(m, row), reference(filter, row, above, pixel)
				if unfilter(filter, got, guard.Copy(m, above), pixel); !slices.Equal(got, want) {
					t.Fatalf("filter %d, pixels of %d bytes: got %v, want %v", filter, pixel, got, want)
				}
				m.Turn()
			}
		}
	}
}
