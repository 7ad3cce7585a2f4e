package inflate

import "encoding/binary"

// An adler is the checksum Adler-32 (RFC 1950): a is the sum of all bytes plus 1, b the sum of a after each byte, both
// modulo 65521.
type adler struct{ a, b uint32 }

var newAdler = adler{1, 0}

const (
	adlerModulus = 65521
	// blockSize is the number of bytes whose sums of sums fit into 16 bits: of 20 words, 255 * 20 * 19 / 2 < 1<<16.
	blockSize = 8 * 20
	// maxBlocks is the number of blocks whose sums fit into 32 bits.
	maxBlocks = 30
)

func (a *adler) value() uint32 { return a.b<<16 | a.a }

func (a *adler) add(p []byte) {
	for len(p) > 0 {
		some := p[:min(len(p), blockSize*maxBlocks)]
		p = p[len(some):]
		bytes, sums := a.a, a.b
		if whole := len(some) / blockSize * blockSize; whole > 0 {
			blockBytes, blockSums := sumBlocks(some[:whole])
			sums += bytes*uint32(whole) + blockSums
			bytes += blockBytes
			some = some[whole:]
		}
		for _, b := range some {
			bytes += uint32(b)
			sums += bytes
		}
		a.a, a.b = bytes%adlerModulus, sums%adlerModulus
	}
}

// sumBlocksPortably is sumBlocks, which returns the sum of the bytes of one to maxBlocks blocks, and the sum of those
// sums after each byte.
func sumBlocksPortably(p []byte) (bytes, sums uint32) {
	for ; len(p) >= blockSize; p = p[blockSize:] {
		blockBytes, blockSums := sumBlock((*[blockSize]byte)(p))
		sums += bytes*blockSize + blockSums
		bytes += blockBytes
	}
	return bytes, sums
}

// sumBlock returns the sum of the bytes of a block, and the sum of those sums after each byte.
//
// Bytes at the same offset of all words are summed in lanes of 16 bits, and so are these sums before each word. The
// weight of a byte within its word follows from its offset.
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
	// The highest lane of such a product is the sum of all lanes, weighted by 1 or by 4, 3, 2 and 1.
	const all, falling = 0x0001000100010001, 0x0004000300020001
	oddBytes := uint32(odd * all >> 48)
	bytes = uint32(even*all>>48) + oddBytes
	sums = 2*uint32(even*falling>>48) + 2*uint32(odd*falling>>48) - oddBytes
	const wide = 0x0000ffff0000ffff
	before := evens&wide + evens>>16&wide + odds&wide + odds>>16&wide
	return bytes, sums + 8*uint32(before+before>>32)
}
