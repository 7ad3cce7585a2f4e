package lossless

import "math/bits"

const (
	maxCodeLength = 15 // in bits
	// rootBits is the index of a table's first level. A table of the second level has at most 2^7 entries.
	rootBits = 8
)

// The alphabets (section 3.7.2.1): green has literals, length codes and indexes of the colour cache; red, blue and
// alpha have literals; and there are distance codes.
const (
	numLiterals      = 256
	numLengthCodes   = 24
	numDistanceCodes = 40
	maxCacheBits     = 11 // bits
	maxAlphabet      = numLiterals + numLengthCodes + 1<<maxCacheBits
)

// An entry is the meaning of the next bits: bits 0-3 are the length of the code, bits 4-15 the symbol. In the first
// level, for a code that is longer than the index, bits 0-3 are the length of the longest code of its table of the
// second level, and bits 4-15 the offset of that table.
type entry = uint16

const (
	entryBits   = 15
	symbolShift = 4
)

// A prefixCode is a lookup table of two levels. That of a single symbol has one entry, of no bits.
type prefixCode struct {
	table []entry
	mask  uint64 // of the index of the first level
}

// lookUp returns the entry of the next symbol.
func (c *prefixCode) lookUp(acc uint64) entry {
	e := c.table[acc&c.mask]
	if e&entryBits > rootBits {
		e = c.lookUpSecond(e, acc)
	}
	return e
}

func (c *prefixCode) lookUpSecond(e entry, acc uint64) entry {
	return c.table[uint64(e>>symbolShift)+acc>>rootBits&(1<<(e&entryBits-rootBits)-1)]
}

// A canonicalCode is a canonical prefix code: its symbols in the order of their lengths.
type canonicalCode struct {
	count   [maxCodeLength + 1]uint16 // number of symbols, by length
	maxLen  int
	symbols [maxAlphabet]uint16 // the symbols whose length is not 0
	n       int
}

// assign takes the code lengths of all symbols. It returns false if they are not a complete code.
func (c *canonicalCode) assign(lengths []uint8) bool {
	c.count = [maxCodeLength + 1]uint16{}
	for _, length := range lengths {
		c.count[length]++
	}
	c.count[0] = 0
	var next [maxCodeLength + 1]uint16
	c.n, c.maxLen = 0, 0
	free := 1 // unused codes of this length
	for length := 1; length <= maxCodeLength; length++ {
		next[length] = uint16(c.n)
		c.n += int(c.count[length])
		if c.count[length] > 0 {
			c.maxLen = length
		}
		if free = 2*free - int(c.count[length]); free < 0 {
			return false
		}
	}
	for symbol, length := range lengths {
		if length > 0 {
			c.symbols[next[length]] = uint16(symbol)
			next[length]++
		}
	}
	if c.n == 1 { // a single symbol needs no bits, whatever its length
		c.maxLen, c.count = 0, [maxCodeLength + 1]uint16{}
		return true
	}
	return free == 0 && c.n > 0
}

// appendTable appends the lookup table.
func (c *canonicalCode) appendTable(table []entry) []entry {
	from := len(table)
	root := min(c.maxLen, rootBits)
	table = append(table, c.symbols[0]<<symbolShift)
	value, symbols := 0, c.symbols[:c.n]
	for length := 1; length <= root; length++ {
		table = append(table, table[from:]...)
		value <<= 1
		n := c.count[length]
		for _, symbol := range symbols[:n] {
			table[from+reversed(value, length)] = symbol<<symbolShift | entry(length)
			value++
		}
		symbols = symbols[n:]
	}
	if c.maxLen > root {
		table = c.appendSecond(table, from, value, symbols)
	}
	return table
}

// appendSecond appends the tables of the second level. The codes of one such table follow each other, and the last of
// them is the longest.
func (c *canonicalCode) appendSecond(table []entry, from, value int, symbols []uint16) []entry {
	var longest [1 << rootBits]uint8
	first := value
	for length := rootBits + 1; length <= c.maxLen; length++ {
		value <<= 1
		for range c.count[length] {
			longest[value>>(length-rootBits)] = uint8(length)
			value++
		}
	}
	value = first
	for length := rootBits + 1; length <= c.maxLen; length++ {
		value <<= 1
		for range c.count[length] {
			prefix := value >> (length - rootBits)
			begin := &table[from+reversed(prefix, rootBits)]
			if longest[prefix] != 0 {
				*begin = entry(len(table)-from)<<symbolShift | entry(longest[prefix])
				table = append(table, make([]entry, 1<<(longest[prefix]-rootBits))...)
				begin = &table[from+reversed(prefix, rootBits)]
				longest[prefix] = 0
			}
			second := table[from+int(*begin>>symbolShift):]
			second = second[:1<<(*begin&entryBits-rootBits)]
			for i := reversed(value, length) >> rootBits; i < len(second); i += 1 << (length - rootBits) {
				second[i] = symbols[0]<<symbolShift | entry(length)
			}
			symbols = symbols[1:]
			value++
		}
	}
	return table
}

// reversed is a code as it is in the stream: its first bit is the lowest.
func reversed(value, length int) int { return int(bits.Reverse16(uint16(value)) >> (16 - length)) }

// withTable returns the prefix code of a lookup table.
func (c *canonicalCode) withTable(table []entry) prefixCode {
	return prefixCode{table, 1<<min(c.maxLen, rootBits) - 1}
}
