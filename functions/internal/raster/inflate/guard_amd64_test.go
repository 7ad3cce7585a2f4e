//go:build linux

package inflate

import (
	"hash/adler32"
	"math/rand/v2"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
)

// The checksum touches nothing beside the bytes.
func TestAdlerAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(3, 4))
	all := make([]byte, 3*blockSize*maxBlocks)
	for i := range all {
		all[i] = uint8(r.Uint32() | r.Uint32())
	}
	for range 400 {
		p := all[:1+r.IntN(len(all))]
		a := newAdler
		if a.add(guard.Copy(m, p)); a.value() != adler32.Checksum(p) {
			t.Fatalf("%d bytes: got %08x, want %08x", len(p), a.value(), adler32.Checksum(p))
		}
		m.Turn()
	}
}
