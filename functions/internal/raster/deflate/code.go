package deflate

import (
	"math/bits"
	"slices"
)

// A code is a canonical Huffman code (RFC 1951, section 3.2.2). Symbols of length 0 have none.
type code struct {
	lengths []uint8
	codes   []uint16 // the first bit is the lowest
}

// of returns the code of a symbol, and its length.
func (c code) of(symbol int) (uint64, int) { return uint64(c.codes[symbol]), int(c.lengths[symbol]) }

// bits is what symbols that occur so often take.
func (c code) bits(counts []int) (total int) {
	for symbol, n := range counts {
		total += n * int(c.lengths[symbol])
	}
	return total
}

// count is the number of symbols up to the last one with a code, and least at least.
func (c code) count(least int) int {
	n := len(c.lengths)
	for n > least && c.lengths[n-1] == 0 {
		n--
	}
	return n
}

// newCode returns a code for symbols that occur so often, none longer than longest bits.
func newCode(counts []int, longest int) code {
	c := code{make([]uint8, len(counts)), make([]uint16, len(counts))}
	order := rarestFirst(counts)
	next := 0
	for length, n := range limit(treeDepths(order, counts), longest) {
		for range n {
			c.lengths[order[len(order)-1-next]] = uint8(length)
			next++
		}
	}
	c.assign()
	return c
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

// assign chooses the codes, by length, then by symbol.
func (c code) assign() {
	var next [maxCodeLength + 2]uint16
	for _, length := range c.lengths {
		if length > 0 {
			next[length+1]++
		}
	}
	for length := 1; length < len(next); length++ {
		next[length] = (next[length] + next[length-1]) << 1
	}
	for symbol, length := range c.lengths {
		if length > 0 {
			c.codes[symbol] = bits.Reverse16(next[length] << (16 - length))
			next[length]++
		}
	}
}

// fixedLengths and fixedDistances are the fixed codes (RFC 1951, section 3.2.6).
var fixedLengths, fixedDistances = func() (lengths, distances code) {
	const symbols = lengthSymbols + 2 // of which two take part in the code only
	lengths = code{make([]uint8, symbols), make([]uint16, symbols)}
	distances = code{slices.Repeat([]uint8{5}, distanceSymbols), make([]uint16, distanceSymbols)}
	for symbol := range lengths.lengths {
		switch {
		case symbol < 144:
			lengths.lengths[symbol] = 8
		case symbol < 256:
			lengths.lengths[symbol] = 9
		case symbol < 280:
			lengths.lengths[symbol] = 7
		default:
			lengths.lengths[symbol] = 8
		}
	}
	lengths.assign()
	distances.assign()
	return lengths, distances
}()
