package lossless

import "math/bits"

const (
	maxCodeLength = 15 // of a code, in bits
	// rootBits is the index of a table's first level: a second one has 2^7 entries at most.
	rootBits = 8
)

// The alphabets: literals of a byte, which for green are followed by the lengths of copies and the places of the colour
// cache, and distances.
const (
	numLiterals      = 256
	numLengthCodes   = 24
	numDistanceCodes = 40
	maxCacheBits     = 11 // bits
	maxAlphabet      = numLiterals + numLengthCodes + 1<<maxCacheBits
)

// An entry is what the next bits mean. Bits 0-3 are how many of them the code has, bits 4-15 are the symbol. If the code
// is longer than the index of the first level, there bits 0-3 are that of the longest of its table of the second level,
// and bits 4-15 where this table begins.
type entry = uint16

const (
	entryBits   = 15
	symbolShift = 4
)

// A code is a table of two levels. That of a single symbol has one entry, of no bits.
type prefixCode struct {
	table []entry
	mask  uint64 // of the bits that are the index of the first level
}

// find returns the entry of the symbol that comes next.
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

// A canon is a canonical code: its symbols ordered by length.
type canonicalCode struct {
	count   [maxCodeLength + 1]uint16 // of symbols, by length
	maxLen  int
	symbols [maxAlphabet]uint16 // those of which the length is not 0
	n       int
}

// order takes the lengths of the codes of all symbols. It returns false if they are no complete code.
func (c *canonicalCode) assign(lengths []uint8) bool {
	c.count = [maxCodeLength + 1]uint16{}
	for _, length := range lengths {
		c.count[length]++
	}
	c.count[0] = 0
	var next [maxCodeLength + 1]uint16
	c.n, c.maxLen = 0, 0
	free := 1 // codes of this length
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
	if c.n == 1 { // the one symbol needs no bits, whatever its length is said to be
		c.maxLen, c.count = 0, [maxCodeLength + 1]uint16{}
		return true
	}
	return free == 0 && c.n > 0
}

// appendTable appends the code's table.
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

// appendSecond appends the tables of the second level. The codes that one is of come one after the other, and the last
// of them is the longest.
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

// reversed is a code as it comes: its first bit is the lowest.
func reversed(value, length int) int { return int(bits.Reverse16(uint16(value)) >> (16 - length)) }

// codeOf is the code of a table.
func (c *canonicalCode) withTable(table []entry) prefixCode {
	return prefixCode{table, 1<<min(c.maxLen, rootBits) - 1}
}
