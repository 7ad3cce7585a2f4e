package deflate

import (
	"math/bits"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/lz"
)

const (
	lengthSymbols     = 286 // literals, the end of the block, and lengths
	distanceSymbols   = 30
	endOfBlock        = 256
	firstLengthSymbol = 257
)

// A token is a literal, or a match: its length in the lowest 9 bits, and above them its distance, which is 0 for a
// literal.
type token uint32

const tokenDistanceShift = 9

// A block is what is between two Huffman codes.
type block struct {
	out       lz.BitWriter
	tokens    []token
	lengths   [lengthSymbols]int // how often each symbol occurs
	distances [distanceSymbols]int
}

func (b *block) reset() {
	b.tokens = b.tokens[:0]
	clear(b.lengths[:])
	clear(b.distances[:])
}

func (b *block) addLiteral(literal byte) {
	b.tokens = append(b.tokens, token(literal))
	b.lengths[literal]++
}

func (b *block) addMatch(m lz.Match) {
	b.tokens = append(b.tokens, token(m.Length|m.Distance<<tokenDistanceShift))
	length, _, _ := lengthSymbol(m.Length)
	distance, _, _ := distanceSymbol(m.Distance)
	b.lengths[length]++
	b.distances[distance]++
}

// lengthSymbol returns the symbol of a length and its extra bits (RFC 1951, section 3.2.5).
func lengthSymbol(length int) (symbol int, extra uint64, extraBits int) {
	v := length - minMatch
	switch {
	case v < 8:
		return firstLengthSymbol + v, 0, 0
	case length == maxMatch:
		return lengthSymbols - 1, 0, 0
	}
	n := bits.Len(uint(v)) - 3
	return firstLengthSymbol + 4*n + v>>n, uint64(v & (1<<n - 1)), n
}

// distanceSymbol returns the symbol of a distance and its extra bits.
func distanceSymbol(distance int) (symbol int, extra uint64, extraBits int) {
	v := distance - 1
	if v < 4 {
		return v, 0, 0
	}
	n := bits.Len(uint(v)) - 2
	return 2*n + v>>n, uint64(v & (1<<n - 1)), n
}

// flush writes the block with codes of its own, or with the fixed ones if that is shorter.
func (b *block) flush(final bool) {
	b.lengths[endOfBlock]++
	lengths, distances := lz.NewCode(b.lengths[:], lz.MaxCodeLength), lz.NewCode(b.distances[:], lz.MaxCodeLength)
	h := newHeader(lengths, distances)
	own := h.bits() + lengths.Bits(b.lengths[:]) + distances.Bits(b.distances[:])
	last := uint64(0)
	if final {
		last = 1
	}
	if fixedLengths.Bits(b.lengths[:])+fixedDistances.Bits(b.distances[:]) < own {
		b.out.Put(last|1<<1, 3)
		lengths, distances = fixedLengths, fixedDistances
	} else {
		b.out.Put(last|2<<1, 3)
		h.write(&b.out)
	}
	b.writeTokens(lengths, distances)
	if final {
		b.out.Align()
	}
	b.reset()
}

// writeTokens writes 48 bits for a match at most.
func (b *block) writeTokens(lengths, distances lz.Code) {
	for _, t := range b.tokens {
		distance := int(t >> tokenDistanceShift)
		if distance == 0 {
			b.out.Put(lengths.Of(int(t)))
			continue
		}
		symbol, extra, n := lengthSymbol(int(t & (1<<tokenDistanceShift - 1)))
		b.out.Put(lengths.Of(symbol))
		b.out.Put(extra, n)
		symbol, extra, n = distanceSymbol(distance)
		b.out.Put(distances.Of(symbol))
		b.out.Put(extra, n)
	}
	b.out.Put(lengths.Of(endOfBlock))
}

// codeLengthOrder is the order of the code length code's own lengths (RFC 1951, section 3.2.7).
var codeLengthOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// A header describes the codes of a block: their lengths, run by run, and the code that these have.
type header struct {
	lengths, distances int // number of lengths that are sent
	runs               []lz.Run
	counts             [len(codeLengthOrder)]int
	code               lz.Code
}

func newHeader(lengths, distances lz.Code) *header {
	h := &header{lengths: lengths.Count(firstLengthSymbol), distances: distances.Count(1)}
	all := make([]uint8, 0, lengthSymbols+distanceSymbols)
	all = append(append(all, lengths.Lengths[:h.lengths]...), distances.Lengths[:h.distances]...)
	for _, r := range lz.RunsOf(all) {
		h.runs = append(h.runs, r)
		h.counts[r.Symbol]++
	}
	const maxLength = 7
	h.code = lz.NewCode(h.counts[:], maxLength)
	return h
}

// sent is how many of the code length code's lengths are sent.
func (h *header) sent() int {
	n := len(codeLengthOrder)
	for n > 4 && h.code.Lengths[codeLengthOrder[n-1]] == 0 {
		n--
	}
	return n
}

func (h *header) bits() int {
	total := 5 + 5 + 4 + 3*h.sent() + h.code.Bits(h.counts[:])
	for _, r := range h.runs {
		total += r.ExtraBits
	}
	return total
}

func (h *header) write(out *lz.BitWriter) {
	out.Put(uint64(h.lengths-firstLengthSymbol), 5)
	out.Put(uint64(h.distances-1), 5)
	out.Put(uint64(h.sent()-4), 4)
	for _, symbol := range codeLengthOrder[:h.sent()] {
		out.Put(uint64(h.code.Lengths[symbol]), 3)
	}
	for _, r := range h.runs {
		out.Put(h.code.Of(r.Symbol))
		out.Put(r.Extra, r.ExtraBits)
	}
}

// fixedLengths and fixedDistances are the fixed codes (RFC 1951, section 3.2.6).
var fixedLengths, fixedDistances = func() (lengths, distances lz.Code) {
	const symbols = lengthSymbols + 2 // of which two take part in the code only
	all := make([]uint8, symbols)
	for symbol := range all {
		switch {
		case symbol < 144:
			all[symbol] = 8
		case symbol < 256:
			all[symbol] = 9
		case symbol < 280:
			all[symbol] = 7
		default:
			all[symbol] = 8
		}
	}
	return lz.CodeOf(all), lz.CodeOf(slices.Repeat([]uint8{5}, distanceSymbols))
}()
