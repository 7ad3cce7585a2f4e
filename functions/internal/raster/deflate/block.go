package deflate

import "math/bits"

const (
	lengthSymbols     = 286 // literals, the end of the block, and lengths
	distanceSymbols   = 30
	endOfBlock        = 256
	firstLengthSymbol = 257
	maxCodeLength     = 15
)

// A token is a literal, or a match: its length in the lowest 9 bits, and above them its distance, which is 0 for a
// literal.
type token uint32

const tokenDistanceShift = 9

// A block is what is between two Huffman codes.
type block struct {
	out       bitWriter
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

func (b *block) addMatch(m match) {
	b.tokens = append(b.tokens, token(m.length|m.distance<<tokenDistanceShift))
	length, _, _ := lengthSymbol(m.length)
	distance, _, _ := distanceSymbol(m.distance)
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
	lengths, distances := newCode(b.lengths[:], maxCodeLength), newCode(b.distances[:], maxCodeLength)
	h := newHeader(lengths, distances)
	own := h.bits() + lengths.bits(b.lengths[:]) + distances.bits(b.distances[:])
	last := uint64(0)
	if final {
		last = 1
	}
	if fixedLengths.bits(b.lengths[:])+fixedDistances.bits(b.distances[:]) < own {
		b.out.put(last|1<<1, 3)
		lengths, distances = fixedLengths, fixedDistances
	} else {
		b.out.put(last|2<<1, 3)
		h.write(&b.out)
	}
	b.writeTokens(lengths, distances)
	if final {
		b.out.align()
	}
	b.reset()
}

// writeTokens writes 48 bits for a match at most.
func (b *block) writeTokens(lengths, distances code) {
	for _, t := range b.tokens {
		distance := int(t >> tokenDistanceShift)
		if distance == 0 {
			b.out.put(lengths.of(int(t)))
			continue
		}
		symbol, extra, n := lengthSymbol(int(t & (1<<tokenDistanceShift - 1)))
		b.out.put(lengths.of(symbol))
		b.out.put(extra, n)
		symbol, extra, n = distanceSymbol(distance)
		b.out.put(distances.of(symbol))
		b.out.put(extra, n)
	}
	b.out.put(lengths.of(endOfBlock))
}

// codeLengthOrder is the order of the code length code's own lengths (RFC 1951, section 3.2.7).
var codeLengthOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// A header describes the codes of a block: their lengths, run by run, and the code that these have.
type header struct {
	lengths, distances int // number of lengths that are sent
	runs               []run
	counts             [len(codeLengthOrder)]int
	code               code
}

// A run is a symbol of the code length code, and its extra bits.
type run struct {
	symbol, extraBits int
	extra             uint64
}

func newHeader(lengths, distances code) *header {
	h := &header{lengths: lengths.count(firstLengthSymbol), distances: distances.count(1)}
	all := make([]uint8, 0, lengthSymbols+distanceSymbols)
	all = append(append(all, lengths.lengths[:h.lengths]...), distances.lengths[:h.distances]...)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n] == all[0] {
			n++
		}
		h.addRun(all[0], n)
		all = all[n:]
	}
	const maxLength = 7
	h.code = newCode(h.counts[:], maxLength)
	return h
}

// addRun adds n equal lengths.
func (h *header) addRun(length uint8, n int) {
	add := func(symbol, extraBits, extra int) {
		h.runs = append(h.runs, run{symbol, extraBits, uint64(extra)})
		h.counts[symbol]++
	}
	for ; length == 0 && n >= 11; n -= min(n, 138) {
		add(18, 7, min(n, 138)-11)
	}
	if length == 0 && n >= 3 {
		add(17, 3, n-3)
		return
	}
	for i := 0; n > 0; i++ {
		if i > 0 && length > 0 && n >= 3 {
			repeated := min(n, 6)
			add(16, 2, repeated-3)
			n -= repeated
			continue
		}
		add(int(length), 0, 0)
		n--
	}
}

// sent is how many of the code length code's lengths are sent.
func (h *header) sent() int {
	n := len(codeLengthOrder)
	for n > 4 && h.code.lengths[codeLengthOrder[n-1]] == 0 {
		n--
	}
	return n
}

func (h *header) bits() int {
	total := 5 + 5 + 4 + 3*h.sent() + h.code.bits(h.counts[:])
	for _, r := range h.runs {
		total += r.extraBits
	}
	return total
}

func (h *header) write(out *bitWriter) {
	out.put(uint64(h.lengths-firstLengthSymbol), 5)
	out.put(uint64(h.distances-1), 5)
	out.put(uint64(h.sent()-4), 4)
	for _, symbol := range codeLengthOrder[:h.sent()] {
		out.put(uint64(h.code.lengths[symbol]), 3)
	}
	for _, r := range h.runs {
		out.put(h.code.of(r.symbol))
		out.put(r.extra, r.extraBits)
	}
}
