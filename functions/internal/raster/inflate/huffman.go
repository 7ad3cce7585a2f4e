package inflate

import "math/bits"

const (
	maxCodeLength = 15  // of a code, in bits
	maxSymbols    = 288 // of an alphabet
)

// A huffmanCode is a canonical Huffman code (RFC 1951, section 3.2.2).
type huffmanCode struct {
	// symbols are in the order of their codes: by length, then by value.
	symbols [maxSymbols]uint16
	// codes are those of symbols, bit-reversed as in the stream: the first bit is the lowest.
	codes [maxSymbols]uint16
	// first is, for each length, the index of the first symbol.
	first [maxCodeLength + 2]int
	// limits is, for each length, an upper bound of all codes of that length or shorter, left-aligned in maxCodeLength
	// bits.
	limits [maxCodeLength + 1]int
	// offsets is, for each length, the difference between the index of a symbol and its code.
	offsets [maxCodeLength + 1]int
}

// build constructs the code from the code lengths of all symbols; 0 means that a symbol is not used. The code has to be
// complete, except that a single symbol may have one bit, and that no symbol may be used at all.
func (c *huffmanCode) build(lengths []uint8) error {
	var counts [maxCodeLength + 1]int
	for _, l := range lengths {
		counts[l]++
	}
	counts[0] = 0
	place, value := 0, 0
	for l := 1; l <= maxCodeLength; l++ {
		value <<= 1
		c.first[l], c.offsets[l] = place, place-value
		place, value = place+counts[l], value+counts[l]
		c.limits[l] = value << (maxCodeLength - l)
	}
	c.first[maxCodeLength+1] = place
	isSingle := place == 1 && counts[1] == 1
	if value != 1<<maxCodeLength && place != 0 && !isSingle {
		return errCode
	}
	next := c.first
	for symbol, l := range lengths {
		if l > 0 {
			i := next[l]
			c.symbols[i] = uint16(symbol)
			c.codes[i] = bits.Reverse16(uint16(i-c.offsets[l]) << (16 - l))
			next[l]++
		}
	}
	return nil
}

// withLength returns the symbols of one code length, and their codes.
func (c *huffmanCode) withLength(length int) (symbols, reversed []uint16) {
	from, to := c.first[length], c.first[length+1]
	return c.symbols[from:to], c.codes[from:to:to]
}

// decodeSlow decodes a symbol length by length. The length is 0 if the bits are not a code.
func (c *huffmanCode) decodeSlow(acc uint64) (symbol, length int) {
	value := int(bits.Reverse16(uint16(acc)) >> (16 - maxCodeLength))
	for l := 1; l <= maxCodeLength; l++ {
		if value < c.limits[l] {
			return int(c.symbols[value>>(maxCodeLength-l)+c.offsets[l]]), l
		}
	}
	return 0, 0
}

// An entry is the meaning of the next bits of the stream:
//
//	bits 0-5    the number of bits used, extra bits included
//	bits 6-7    the number of literals
//	bits 8-31   the literals, the first in the lowest byte
//
// and if that number is 0:
//
//	bits 8-11   the number of bits of the code, extra bits excluded
//	bit 14      set for the end of the block
//	bit 15      set for a code that is longer than the index of the table, and for bits that are not a code
//	bits 16-31  the length or distance, to which the extra bits are added
type entry = uint32

const (
	bitsMask    = 63
	countShift  = 6
	countMask   = 3
	literalMask = countMask << countShift
	codeShift   = 8
	codeMask    = 15
	endOfBlock  = 1 << 14
	notInTable  = 1 << 15
	exceptional = endOfBlock | notInTable
	baseShift   = 16
)

// literalEntry is an entry without the length of its code.
func literalEntry(symbol int) entry { return 1<<countShift | entry(symbol)<<8 }

// withCodeLength adds the length of its code to an entry.
func withCodeLength(e entry, length int) entry {
	if e&literalMask != 0 {
		return e + entry(length)
	}
	return e + entry(length) | entry(length)<<codeShift
}

// slowEntry finds the entry of a code that is longer than the index of its table. It is notInTable if the bits are not
// a code.
func (c *huffmanCode) slowEntry(acc uint64, entries *[maxSymbols]entry) entry {
	symbol, length := c.decodeSlow(acc)
	if length == 0 {
		return notInTable
	}
	return withCodeLength(entries[symbol], length)
}

const endOfBlockSymbol = 256

// lengthEntries and distanceEntries are the entries of all symbols without the lengths of their codes (RFC 1951,
// section 3.2.5).
var lengthEntries, distanceEntries = func() (lengths, distances [maxSymbols]entry) {
	for symbol := range lengths {
		lengths[symbol], distances[symbol] = notInTable, notInTable
	}
	for symbol := range endOfBlockSymbol {
		lengths[symbol] = literalEntry(symbol)
	}
	lengths[endOfBlockSymbol] = endOfBlock
	base := 3
	for symbol := 257; symbol < 285; symbol++ {
		extra := max(0, (symbol-261)/4)
		lengths[symbol] = entry(base)<<baseShift | entry(extra)
		base += 1 << extra
	}
	lengths[285] = 258 << baseShift
	base = 1
	for symbol := range 30 {
		extra := max(0, symbol/2-1)
		distances[symbol] = entry(base)<<baseShift | entry(extra)
		base += 1 << extra
	}
	return lengths, distances
}()

// fillTable builds a table of 1<<index entries. Each code length doubles the table: the codes of that length, and
// copies of the shorter ones. If wanted, entries hold two literals where both codes fit.
func (c *huffmanCode) fillTable(table []entry, index int, entries *[maxSymbols]entry, inPairs bool) {
	table[0] = notInTable
	for length := 1; length <= index; length++ {
		half := 1 << (length - 1)
		copy(table[half:2*half], table[:half])
		symbols, reversed := c.withLength(length)
		for i, symbol := range symbols {
			table[reversed[i]] = withCodeLength(entries[symbol], length)
		}
		for first := 1; inPairs && first < length; first++ {
			c.fillLiteralPairs(table, first, length-first)
		}
	}
}

// fillLiteralPairs makes the entries of all literals of one code length followed by all literals of another.
func (c *huffmanCode) fillLiteralPairs(table []entry, first, second int) {
	firsts, firstCodes := c.literals(first)
	seconds, secondCodes := c.literals(second)
	for i, literal := range firsts {
		e := entry(literal)<<8 | 2<<countShift | entry(first+second)
		for j, other := range seconds {
			table[firstCodes[i]|secondCodes[j]<<first] = e | entry(other)<<16
		}
	}
}

// literals returns the literals of one code length, and their codes.
func (c *huffmanCode) literals(length int) (symbols, reversed []uint16) {
	symbols, reversed = c.withLength(length)
	n := len(symbols)
	for n > 0 && symbols[n-1] >= endOfBlockSymbol {
		n--
	}
	return symbols[:n], reversed[:n]
}
