package inflate

import "encoding/binary"

// An adler is the sum of RFC 1950: of all bytes, and of that sum after each byte, modulo the largest prime of 16 bits.
type adler struct{ a, b uint32 }

var newAdler = adler{1, 0}

const (
	adlerModulus = 65521
	// group is for how many bytes sums of sums fit into 16 bits: of 20 words, 255 * 20 * 19 / 2 < 1<<16.
	blockSize = 8 * 20
	// groups is for how many groups all sums fit into 32 bits.
	maxBlocks = 30
)

func (a *adler) value() uint32 { return a.b<<16 | a.a }

func (a *adler) add(p []byte) {
	for len(p) > 0 {
		some := p[:min(len(p), blockSize*maxBlocks)]
		p = p[len(some):]
		bytes, sums := a.a, a.b
		for ; len(some) >= blockSize; some = some[blockSize:] {
			groupBytes, groupSums := sumBlock((*[blockSize]byte)(some))
			sums += bytes*blockSize + groupSums
			bytes += groupBytes
		}
		for _, b := range some {
			bytes += uint32(b)
			sums += bytes
		}
		a.a, a.b = bytes%adlerModulus, sums%adlerModulus
	}
}

// weigh sums up the bytes of a group, and these sums after each byte.
//
// Bytes in the same place of all words are summed up in lanes of 16 bits, and those sums are summed up before each
// word. How much a byte counts for in its own word follows from its place.
func sumBlock(p *[blockSize]byte) (bytes, sums uint32) {
	const lanes = 0x00ff00ff00ff00ff
	var even, odd, evens, odds uint64
	for i := 0; i < blockSize; i += 16 {
		first, second := binary.LittleEndian.Uint64(p[i:]), binary.LittleEndian.Uint64(p[i+8:])
		evenFirst, oddFirst := first&lanes, first>>8&lanes
		evens += 2*even + evenFirst
		odds += 2*odd + oddFirst
		even += evenFirst + second&lanes
		odd += oddFirst + second>>8&lanes
	}
	// A product's highest lane is the sum of all lanes, times 1 or times 4, 3, 2 and 1.
	const all, falling = 0x0001000100010001, 0x0004000300020001
	oddBytes := uint32(odd * all >> 48)
	bytes = uint32(even*all>>48) + oddBytes
	sums = 2*uint32(even*falling>>48) + 2*uint32(odd*falling>>48) - oddBytes
	const wide = 0x0000ffff0000ffff
	before := evens&wide + evens>>16&wide + odds&wide + odds>>16&wide
	return bytes, sums + 8*uint32(before+before>>32)
}
