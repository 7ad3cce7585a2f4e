package lz

import (
	"math/bits"
	"slices"
)

// MaxCodeLength is the length of the longest code, in bits.
const MaxCodeLength = 15

// A Code is a canonical Huffman code (RFC 1951, section 3.2.2). Symbols of length 0 have none.
type Code struct {
	Lengths []uint8
	codes   []uint16 // the first bit is the lowest
}

// Of returns the code of a symbol, and its length.
func (c Code) Of(symbol int) (uint64, int) { return uint64(c.codes[symbol]), int(c.Lengths[symbol]) }

// Bits is what symbols that occur so often take.
func (c Code) Bits(counts []int) (total int) {
	for symbol, n := range counts {
		total += n * int(c.Lengths[symbol])
	}
	return total
}

// Count is the number of symbols up to the last one with a code, and least at least.
func (c Code) Count(least int) int {
	n := len(c.Lengths)
	for n > least && c.Lengths[n-1] == 0 {
		n--
	}
	return n
}

// NewCode returns a code for symbols that occur so often, none longer than longest bits.
func NewCode(counts []int, longest int) Code {
	lengths := make([]uint8, len(counts))
	order := rarestFirst(counts)
	next := 0
	for length, n := range limit(treeDepths(order, counts), longest) {
		for range n {
			lengths[order[len(order)-1-next]] = uint8(length)
			next++
		}
	}
	return CodeOf(lengths)
}

// rarestFirst returns the symbols that occur, two at least: some decoders refuse a code of one.
func rarestFirst(counts []int) []int {
	const symbolBits = 9
	keys := make([]int, 0, len(counts))
	for symbol, n := range counts {
		if n > 0 {
			keys = append(keys, n<<symbolBits|symbol)
		}
	}
	for symbol := 0; len(keys) < 2; symbol++ {
		if counts[symbol] == 0 {
			keys = append(keys, symbol)
		}
	}
	slices.Sort(keys)
	for i := range keys {
		keys[i] &= 1<<symbolBits - 1
	}
	return keys
}

// treeDepths returns how many symbols Huffman's algorithm gives each number of bits.
func treeDepths(order, counts []int) []int {
	n := len(order)
	weights, parents := make([]int, 2*n-1), make([]int, 2*n-1)
	for i, symbol := range order {
		weights[i] = counts[symbol]
	}
	leaf, node := 0, n
	for made := n; made < len(weights); made++ {
		for range 2 {
			at := &node
			if node == made || leaf < n && weights[leaf] <= weights[node] {
				at = &leaf
			}
			weights[made] += weights[*at]
			parents[*at] = made
			*at++
		}
	}
	depths, counted := weights, make([]int, n) // of which a tree of n leaves has n-1 at most
	depths[len(depths)-1] = 0
	for i := len(depths) - 2; i >= 0; i-- {
		depths[i] = depths[parents[i]] + 1
		if i < n {
			counted[depths[i]]++
		}
	}
	return counted
}

// limit shortens codes to longest bits, and lengthens the longest of the others until all fit again.
func limit(counted []int, longest int) []int {
	if len(counted) <= longest {
		return counted
	}
	for _, n := range counted[longest+1:] {
		counted[longest] += n
	}
	counted = counted[:longest+1]
	used := 0
	for length, n := range counted {
		used += n << (longest - length)
	}
	for ; used > 1<<longest; used-- {
		shorter := longest - 1
		for counted[shorter] == 0 {
			shorter--
		}
		counted[longest]--
		counted[shorter]--
		counted[shorter+1] += 2
	}
	return counted
}

// CodeOf returns the code of symbols with these lengths. Its codes are in the order of their lengths, then of their
// symbols.
func CodeOf(lengths []uint8) Code {
	c := Code{lengths, make([]uint16, len(lengths))}
	var next [MaxCodeLength + 2]uint16
	for _, length := range c.Lengths {
		if length > 0 {
			next[length+1]++
		}
	}
	for length := 1; length < len(next); length++ {
		next[length] = (next[length] + next[length-1]) << 1
	}
	for symbol, length := range c.Lengths {
		if length > 0 {
			c.codes[symbol] = bits.Reverse16(next[length] << (16 - length))
			next[length]++
		}
	}
	return c
}
