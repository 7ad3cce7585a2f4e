//go:build linux

package lossy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
)

// partitionAtEdge is a partition whose data ends so late that a decoder of one macroblock may just read up to the end
// of the buffer.
func partitionAtEdge(r *rand.Rand) *partition {
	p := &partition{end: len(buffer{}) - maxMacroblockBytes - slack}
	p.rangeLess1, p.pos = 254, p.end+7-r.IntN(8)
	if r.IntN(2) == 0 {
		p.pos = p.end - r.IntN(maxMacroblockBytes)
	}
	var data [251]byte
	ones := uint8(0xff * r.IntN(2)) // take most bits, if they are improbable
	for i := range data {
		data[i] = ones | uint8(r.Uint32()>>r.IntN(8))
	}
	for i := p.pos; i < p.end; {
		i += copy(p.buf[i:p.end], data[:])
	}
	for i := p.end; ones > 0 && i < len(p.buf); {
		i += copy(p.buf[i:], data[:])
	}
	return p
}

// The assembly touches nothing beside the data, probabilities, factors and results, and reads what Go reads.
func TestTokensAtEdges(t *testing.T) {
	if !hasBitOps {
		t.Log("the processor has no BMI2")
	}
	m, r := guard.New(t), rand.New(rand.NewPCG(41, 42))
	for round := range 300 {
		want := partitionAtEdge(r)
		got := guard.Value(m, *want)
		start := 8*got.pos - got.bitCount
		var probs [17]bandProbs
		improbable := r.IntN(2)
		for i := range probs {
			for j := range probs[i] {
				for k := range probs[i][j] {
					probs[i][j][k] = uint8(r.Uint32()) | uint8(0xff*improbable)
				}
			}
		}
		factors := dequantFactors{int32(4 + r.IntN(150)), int32(8 + r.IntN(280))}
		for _, size := range []int{1, 4, 2, 2} {
			n := r.IntN(2)
			blocks, counts := make([]block, size*size), make([]uint8, size*size)
			above, left := make([]uint8, size), make([]uint8, size)
			for i := range size {
				above[i], left[i] = uint8(r.IntN(2)), uint8(r.IntN(2))
			}
			gotBlocks, gotCounts := guard.Copy(m, blocks), guard.Copy(m, counts)
			gotAbove, gotLeft := guard.Copy(m, above), guard.Copy(m, left)
			got.readBlocks(guard.Value(m, probs), n, guard.Value(m, factors), gotBlocks, gotCounts, gotAbove, gotLeft)
			want.readBlocksPortably(&probs, n, &factors, blocks, counts, above, left)
			if !slices.Equal(gotBlocks, blocks) || !slices.Equal(gotCounts, counts) || !slices.Equal(gotAbove, above) ||
				!slices.Equal(gotLeft, left) {
				t.Fatalf("round %d, %d blocks: got %v, want %v", round, size*size, gotBlocks, blocks)
			}
		}
		used := 8*got.pos - got.bitCount - start
		if wanted := 8*want.pos - want.bitCount - start; used != wanted || used > 8*maxMacroblockBytes {
			t.Fatalf("round %d: %d bits were read, want %d, and %d at most", round, used, wanted, 8*maxMacroblockBytes)
		}
		m.Turn()
	}
}

// The modes of subblocks are read so, too.
func TestSubblocksAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(43, 44))
	for round := range 300 {
		want := partitionAtEdge(r)
		got := guard.Value(m, *want)
		var gotHeader, wantHeader macroblock
		var above, left [4]uint8
		for i := range above {
			above[i], left[i] = uint8(r.IntN(submodes)), uint8(r.IntN(submodes))
		}
		guarded, gotAbove, gotLeft := guard.Value(m, gotHeader), guard.Value(m, above), guard.Value(m, left)
		guarded.readSubblocks(got, gotAbove, gotLeft)
		wantHeader.readSubblocksPortably(want, &above, &left)
		if *guarded != wantHeader || *gotAbove != above || *gotLeft != left ||
			8*got.pos-got.bitCount != 8*want.pos-want.bitCount {
			t.Fatalf("round %d: got %v, want %v", round, guarded.subblocks, wantHeader.subblocks)
		}
		m.Turn()
	}
}

// Transforms touch nothing beside coefficients and pixels.
func TestTransformsAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(45, 46))
	for range 400 {
		var b block
		for i := range b {
			b[i] = int16(r.IntN(3000) - 1500)
		}
		var source, predicted predictionBuffer
		for i := range source {
			source[i], predicted[i] = uint8(r.Uint32()), uint8(r.Uint32())
		}
		pix := [blockSpan]uint8(source[:])
		guarded := guard.Value(m, pix)
		isDone := addVectors(guard.Value(m, b), guarded)
		if b.addIDCT(&pix); !isDone || *guarded != pix {
			t.Fatalf("coefficients %d: got %d, want %d", b, *guarded, pix)
		}
		across, down := 1+r.IntN(4), 1+r.IntN(4)
		span := (4*down-1)*stride + 4*across
		got := hadamard(guard.Copy(m, source[:span]), guard.Copy(m, predicted[:span]), across, down)
		if want := hadamardBlocks(source[:], predicted[:], across, down); got != want {
			t.Fatalf("%dx%d blocks: got %d, want %d", across, down, got, want)
		}
		m.Turn()
	}
}
