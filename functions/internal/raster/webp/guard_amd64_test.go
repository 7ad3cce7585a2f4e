//go:build linux

package webp

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp/lossless"
)

// The conversion touches nothing beside its pixels.
func TestToRGBABytesAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(3, 4))
	for n := range 200 {
		pixels := make([]uint32, 1+n/2)
		var want []byte
		for i := range pixels {
			pixels[i] = r.Uint32()
			want = binary.BigEndian.AppendUint32(want, pixels[i]<<8|pixels[i]>>24)
		}
		got := guard.Copy(m, make([]byte, len(want)))
		toRGBABytes(got, lossless.Rows{Pixels: guard.Copy(m, pixels)})
		if !slices.Equal(got, want) {
			t.Fatalf("%08x: got %x, want %x", pixels, got, want)
		}
		m.Turn()
	}
}
