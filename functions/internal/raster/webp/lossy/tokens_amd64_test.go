package lossy

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// Coefficients are those of Go, whatever the probabilities and the bits are.
func TestReadBlocks(t *testing.T) {
	if !hasBitOps {
		t.Log("the processor has no BMI2")
	}
	r := rand.New(rand.NewPCG(9, 10))
	for round := range 300 {
		data := make([]byte, 20_000)
		for i := range data {
			data[i] = uint8(r.Uint32() >> (round % 8)) // many values are large only if few bits are set
		}
		var probs [17]bandProbs
		for i := range probs {
			for j := range probs[i] {
				for k := range probs[i][j] {
					probs[i][j][k] = uint8(r.IntN(256) >> r.IntN(2+round%7))
				}
			}
		}
		by := dequantFactors{int32(4 + r.IntN(150)), int32(8 + r.IntN(280))}
		got, want := newPartition(t, data), newPartition(t, data)
		var gotAbove, gotLeft, wantAbove, wantLeft context
		for range 3 {
			for _, p := range []*partition{got, want} {
				if err := p.ensureMacroblock(); err != nil {
					t.Fatal(err)
				}
			}
			for _, size := range []int{1, 4, 2, 2} {
				n := r.IntN(2)
				var gotBlocks, wantBlocks [16]block
				var gotCounts, wantCounts [16]uint8
				got.readBlocks(&probs, n, &by, gotBlocks[:], gotCounts[:], gotAbove[:size], gotLeft[:size])
				want.readBlocksPortably(&probs, n, &by, wantBlocks[:], wantCounts[:], wantAbove[:size], wantLeft[:size])
				if gotBlocks != wantBlocks || gotCounts != wantCounts || gotAbove != wantAbove || gotLeft != wantLeft {
					t.Fatalf("round %d, %d blocks from coefficient %d: got %v, want %v", round, size*size, n, gotBlocks, wantBlocks)
				}
			}
		}
		for range 100 {
			if g, w := got.readUint(1), want.readUint(1); g != w {
				t.Fatalf("round %d: the bool after the blocks is %d, want %d", round, g, w)
			}
		}
	}
}

// The modes of subblocks are those of Go.
func TestReadSubblocks(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for round := range 300 {
		data := make([]byte, 2000)
		for i := range data {
			data[i] = uint8(r.Uint32() >> (round % 8))
		}
		got, want := newPartition(t, data), newPartition(t, data)
		var gotAbove, gotLeft, wantAbove, wantLeft [4]uint8
		for range 20 {
			var g, w macroblock
			g.readSubblocks(got, &gotAbove, &gotLeft)
			w.readSubblocksPortably(want, &wantAbove, &wantLeft)
			if g != w || gotAbove != wantAbove || gotLeft != wantLeft {
				t.Fatalf("round %d: got %v, want %v", round, g.subblocks, w.subblocks)
			}
			if g, w := got.readUint(3), want.readUint(3); g != w {
				t.Fatalf("round %d: the bits after the modes are %d, want %d", round, g, w)
			}
		}
	}
}

func newPartition(t *testing.T, data []byte) *partition {
	t.Helper()
	p, err := openPartition(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The table of categories is that of Go.
func TestCategoryProbs(t *testing.T) {
	for i, c := range categories {
		end := slices.Index(categoryProbs[i].probs[:], 0)
		if got := categoryProbs[i]; !slices.Equal(got.probs[:end], c.probs) || int64(got.base) != c.base {
			t.Errorf("category %d: got %v, want %v", i, got, c)
		}
	}
}
