package av1

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The vectors give the samples of Go, also where samples are absent.
func TestConstrainVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	const toStride = 11
	for range 3_000 {
		b, width, height, depth := randomCDEFBlock(r)
		want, got := make([]uint16, 8*toStride), make([]uint16, 8*toStride)
		b.filterAny(want, toStride, width, height)
		b.filter(got, toStride, width, height)
		if !slices.Equal(got, want) {
			t.Fatalf("%dx%d samples of %d bits, %+v: got %d, want %d", width, height, depth, b, got, want)
		}
	}
}

// randomCDEFBlock returns a block, around which samples may be absent.
func randomCDEFBlock(r *rand.Rand) (b cdefBlock, width, height int, depth uint) {
	const stride = 24
	depth = uint(8 + 2*r.IntN(3))
	b = cdefBlock{source: make([]uint16, 13*stride), at: 2*stride + cdefMargin, stride: stride}
	middle, spread, absentToo := r.IntN(1<<depth), 1<<r.IntN(int(depth)+1), r.IntN(4) == 0
	for i := range b.source {
		b.source[i] = uint16(clip3(0, 1<<depth-1, middle+r.IntN(2*spread)-spread))
		if absentToo && (i%stride < cdefMargin || i/stride < 2 || r.IntN(20) == 0) && i != b.at {
			b.source[i] = absent
		}
	}
	width, height = 4<<r.IntN(2), 4<<r.IntN(2)
	for y := range height {
		for x := range width {
			at := b.at + y*stride + x
			b.source[at] = min(b.source[at], 1<<depth-1)
		}
	}
	b.primary, b.secondary = int32(r.IntN(16))<<(depth-8), []int32{0, 1, 2, 4}[r.IntN(4)]<<(depth-8)
	b.primaryShift, b.secondaryShift = uint(r.IntN(7)), uint(r.IntN(7))
	b.taps = [][2]int32{{4, 2}, {3, 3}}[r.IntN(2)]
	direction := r.IntN(8)
	for i, turn := range []int{0, 2, -2} {
		for k := range 2 {
			d := cdefDirections[(direction+turn)&7][k]
			b.offsets[i][k] = int(d[0])*stride + int(d[1])
		}
	}
	return b, width, height, depth
}
