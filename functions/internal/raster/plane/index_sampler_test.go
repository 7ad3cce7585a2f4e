package plane

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// The planes of indexes are those of their colours.
func TestIndexSampler(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		width, height := 1+r.IntN(70), 1+r.IntN(70)
		toWidth, toHeight, nearest := 1+r.IntN(30), 1+r.IntN(30), r.IntN(2) == 0
		left := r.IntN(width)
		right, isOpaque := left+r.IntN(width-left+1), r.IntN(2) == 0
		if isOpaque {
			left, right = 0, width
		}
		var colors Colors
		for i := range colors {
			colors[i] = r.Uint32()
			if isOpaque {
				colors[i] |= 0xff << 24
			}
		}
		got := NewIndexSampler(&colors, width, height, toWidth, toHeight, nearest)
		want := NewSampler(width, height, 4, toWidth, toHeight, nearest)
		indexes := make([]uint8, right-left)
		for range height {
			row := make([]uint8, 4*width)
			for i := range indexes {
				indexes[i] = uint8(r.IntN(256))
				binary.LittleEndian.PutUint32(row[4*(left+i):], colors[indexes[i]])
			}
			got.AddAt(left, indexes)
			want.Add(row)
		}
		planes := got.Planes()
		if isOpaque != (len(planes) == 3) {
			t.Fatalf("there are %d planes; opaque: %v", len(planes), isOpaque)
		}
		for i, w := range want.Planes()[:len(planes)] {
			if g := planes[i]; g.StepX != w.StepX || g.StepY != w.StepY || !bytes.Equal(g.Pix, w.Pix) {
				t.Fatalf("%dx%d to %dx%d, nearest: %v, columns %d to %d: plane %d is %v, want %v", width, height, toWidth, toHeight,
					nearest, left, right, i, g, w)
			}
		}
	}
}

// Means of pairs are those of single sums, for all sums that there are.
func TestPairScale(t *testing.T) {
	for area := uint64(1); area <= maxPaired; area++ {
		packed := make([]uint64, 0xff*area+1)
		for sum := range packed {
			packed[sum] = uint64(sum) * 0x0001_0001_0001
		}
		red, green, blue := make([]uint8, len(packed)), make([]uint8, len(packed)), make([]uint8, len(packed))
		averagePairs(red, green, blue, packed, area)
		for sum := range packed {
			if want := mean(uint64(sum), meanScale(area)); red[sum] != want || green[sum] != want || blue[sum] != want {
				t.Fatalf("%d / %d: got %d, %d and %d, want %d", sum, area, red[sum], green[sum], blue[sum], want)
			}
		}
	}
}
