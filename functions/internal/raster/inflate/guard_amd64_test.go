//go:build linux

package inflate

import (
	"bytes"
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
	for i := range 400 {
		p := all[:1+r.IntN(len(all))]
		if i/2%2 == 0 && len(p) > blockSize { // no bytes are left to Go
			p = p[:len(p)/blockSize*blockSize]
		}
		a := newAdler
		if a.add(guard.Copy(m, p)); a.value() != adler32.Checksum(p) {
			t.Fatalf("%d bytes: got %08x, want %08x", len(p), a.value(), adler32.Checksum(p))
		}
		m.Turn()
	}
}

// From any bits, at any place, with any codes, the assembly comes to the same state as Go. It writes nothing behind the
// window, at which the decoder ends.
func TestSymbolsAtEdges(t *testing.T) {
	random, m := rand.New(rand.NewPCG(9, 10)), guard.New(t)
	state, slow := new(decoder), new(decoder)
	reached := map[string]int{}
	for range 800 {
		setRandomState(random, state)
		fast := guard.Value(m, *state)
		*slow = *state
		if state.codes == &state.dynamic {
			fast.codes, slow.codes = &fast.dynamic, &slow.dynamic
		}
		limit := state.in.limit()
		fast.decodeSymbols(limit)
		slow.decodeSymbolsPortably(limit)
		got, want := &fast.in, &slow.in
		if got.pos != want.pos || got.n&63 != want.n&63 || got.acc != want.acc || fast.written != slow.written {
			t.Fatalf("stopped at %d with %d bits and %d bytes written, want at %d with %d and %d",
				got.pos, got.n&63, fast.written, want.pos, want.n&63, slow.written)
		}
		if !bytes.Equal(fast.window[:fast.written], slow.window[:slow.written]) {
			t.Fatal("other bytes were decoded")
		}
		m.Turn()
		switch {
		case slow.written >= windowLimit:
			reached["end of the window"]++
		case slow.in.pos >= limit:
			reached["end of the input"]++
		default:
			reached["exception"]++
		}
	}
	if len(reached) != 3 {
		t.Errorf("decoding stopped at %v only", reached)
	}
}

// setRandomState makes a decoder in a block of random bits, which is often near the end of its input and of its window.
func setRandomState(random *rand.Rand, d *decoder) {
	d.codes = fixedTables
	if kind := random.IntN(8); kind > 0 {
		lengths := longLiterals()
		if kind > 1 {
			lengths = randomCode(random, maxLengths, endOfBlockSymbol, kind%2 == 0)
		}
		distances := randomCode(random, maxDistances, 0, random.IntN(2) == 0)
		if kind == 7 {
			distances = make([]uint8, maxDistances) // no symbol
			distances[random.IntN(maxDistances)] = uint8(random.IntN(2))
		}
		if d.dynamic.build(lengths, distances) != nil {
			panic("the codes are not complete")
		}
		d.codes = &d.dynamic
	}
	near := func(end, most int) int { return max(0, end-random.IntN([]int{4, 300, most}[random.IntN(3)])) }
	d.in.end = near(inputLimit, inputLimit-lookahead)
	d.in.pos = max(keptBehind, near(d.in.end, d.in.end))
	d.in.atEOF = random.IntN(2) == 0
	d.in.acc, d.in.n = 0, 0
	noise := rand.NewChaCha8([32]byte{byte(random.Uint32()), byte(random.Uint32())})
	noise.Read(d.in.buf[:])
	if d.in.atEOF {
		clear(d.in.buf[d.in.end:])
	}
	d.written = near(windowLimit, windowLimit)
	noise.Read(d.window[:])
}
