package inflate

import "math/bits"

const (
	maxLength  = 15  // of a code, in bits
	maxSymbols = 288 // of an alphabet
)

// A code is a canonical Huffman code (RFC 1951, section 3.2.2).
type code struct {
	// symbols are ordered by their codes: by length, and by number among those of the same length.
	symbols [maxSymbols]uint16
	// reversed are their codes as they are in the stream: the first bit is the lowest.
	reversed [maxSymbols]uint16
	// first is, for each length, the place of the first symbol.
	first [maxLength + 2]int
	// limits is, for each length, what all codes of that length or shorter are below, filled up to maxLength bits.
	limits [maxLength + 1]int
	// offsets is, for each length, how much the place of a symbol is more than its code.
	offsets [maxLength + 1]int
}

// build makes the code of the lengths of all symbols' codes; 0 is for symbols that do not occur. It has to be complete,
// but for one of a single symbol, which takes one bit, and one of none, which nobody uses.
func (c *code) build(lengths []uint8) error {
	var counts [maxLength + 1]int
	for _, l := range lengths {
		counts[l]++
	}
	counts[0] = 0
	place, value := 0, 0
	for l := 1; l <= maxLength; l++ {
		value <<= 1
		c.first[l], c.offsets[l] = place, place-value
		place, value = place+counts[l], value+counts[l]
		c.limits[l] = value << (maxLength - l)
	}
	c.first[maxLength+1] = place
	isSingle := place == 1 && counts[1] == 1
	if value != 1<<maxLength && place != 0 && !isSingle {
		return errCode
	}
	next := c.first
	for symbol, l := range lengths {
		if l > 0 {
			i := next[l]
			c.symbols[i] = uint16(symbol)
			c.reversed[i] = bits.Reverse16(uint16(i-c.offsets[l]) << (16 - l))
			next[l]++
		}
	}
	return nil
}

// of returns the symbols of one length, and their codes.
func (c *code) of(length int) (symbols, reversed []uint16) {
	from, to := c.first[length], c.first[length+1]
	return c.symbols[from:to], c.reversed[from:to:to]
}

// find reads a symbol bit by bit. Its length is 0 if there is none.
func (c *code) find(acc uint64) (symbol, length int) {
	value := int(bits.Reverse16(uint16(acc)) >> (16 - maxLength))
	for l := 1; l <= maxLength; l++ {
		if value < c.limits[l] {
			return int(c.symbols[value>>(maxLength-l)+c.offsets[l]]), l
		}
	}
	return 0, 0
}

// An entry is what the next bits of the stream mean:
//
//	bits 0-5    how many of them it takes, with extra bits
//	bits 6-7    how many literals it is
//	bits 8-31   these literals, the first in the lowest byte
//
// and if it is no literal:
//
//	bits 8-11   how many bits the code has, without extra bits
//	bit 14      set if it is the end of the block
//	bit 15      set if it is a code that is longer than the index of the table, or that has no meaning
//	bits 16-31  the length, or the distance, to which the extra bits are added
type entry = uint32

const (
	used       = 63
	countShift = 6
	countMask  = 3
	literals   = countMask << countShift
	codeShift  = 8
	codeMask   = 15
	endOfBlock = 1 << 14
	unknown    = 1 << 15
	special    = endOfBlock | unknown
	baseShift  = 16
)

// literal is an entry without the length of its code.
func literal(symbol int) entry { return 1<<countShift | entry(symbol)<<8 }

// coded adds the length of its code to an entry.
func coded(e entry, length int) entry {
	if e&literals != 0 {
		return e + entry(length)
	}
	return e + entry(length) | entry(length)<<codeShift
}

// entry finds the entry of a code that is longer than the index of its table. It is unknown if there is none.
func (c *code) entry(acc uint64, entries *[maxSymbols]entry) entry {
	symbol, length := c.find(acc)
	if length == 0 {
		return unknown
	}
	return coded(entries[symbol], length)
}

const end = 256 // the symbol

// lengthEntries and distanceEntries are those of all symbols, without the lengths of their codes (RFC 1951, section
// 3.2.5).
var lengthEntries, distanceEntries = func() (lengths, distances [maxSymbols]entry) {
	for symbol := range lengths {
		lengths[symbol], distances[symbol] = unknown, unknown
	}
	for symbol := range end {
		lengths[symbol] = literal(symbol)
	}
	lengths[end] = endOfBlock
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

// fill makes the table of the next bits, as many as index. Of each length it knows the codes, and copies for what may
// be in the bits behind them: once for each bit more. Literals come two to an entry, if wanted, where they fit.
func (c *code) fill(table []entry, index int, entries *[maxSymbols]entry, inPairs bool) {
	table[0] = unknown
	for length := 1; length <= index; length++ {
		half := 1 << (length - 1)
		copy(table[half:2*half], table[:half])
		symbols, reversed := c.of(length)
		for i, symbol := range symbols {
			table[reversed[i]] = coded(entries[symbol], length)
		}
		for first := 1; inPairs && first < length; first++ {
			c.fillPairs(table, first, length-first)
		}
	}
}

// fillPairs makes the entries of all literals of one length with all of another behind them.
func (c *code) fillPairs(table []entry, first, second int) {
	firsts, firstCodes := c.literals(first)
	seconds, secondCodes := c.literals(second)
	for i, literal := range firsts {
		e := entry(literal)<<8 | 2<<countShift | entry(first+second)
		for j, other := range seconds {
			table[firstCodes[i]|secondCodes[j]<<first] = e | entry(other)<<16
		}
	}
}

// literals returns the literals of one length, and their codes.
func (c *code) literals(length int) (symbols, reversed []uint16) {
	symbols, reversed = c.of(length)
	n := len(symbols)
	for n > 0 && symbols[n-1] >= end {
		n--
	}
	return symbols[:n], reversed[:n]
}
