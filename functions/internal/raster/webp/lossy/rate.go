package lossy

import (
	"math"
	"slices"
)

// A rate is how many bits something takes, times 256.

// bitRates are the rates of a bool that is false, by its probability.
var bitRates = func() (rates [257]uint16) {
	rates[0] = 8 * 256
	for p := 1; p <= 256; p++ {
		rates[p] = uint16(math.Round(-math.Log2(float64(p)/256) * 256))
	}
	return rates
}()

// rateOf is the rate of a bool.
func rateOf(is bool, probability uint8) int32 {
	if is {
		return int32(bitRates[256-int(probability)])
	}
	return int32(bitRates[probability])
}

// Symbols are what the token tree tells apart in a coefficient: 0 to 4, and six categories (section 13.2).
const (
	symbols       = 11
	firstCategory = 5
)

// symbolOf returns the symbol of a level without its sign.
func symbolOf(level int32) int {
	if level < int32(len(smallSymbols)) {
		return int(smallSymbols[level])
	}
	return symbols - 1
}

var smallSymbols = func() (of [67]uint8) {
	for level := range of {
		of[level] = uint8(min(level, firstCategory))
		for i, c := range categories {
			if level >= int(c.base) {
				of[level] = uint8(firstCategory + i)
			}
		}
	}
	return of
}()

// maxLevel is the largest absolute level of a coefficient.
const maxLevel = 2047

// extraRates are the rates of what follows the symbol of a level: extra bits and sign.
var extraRates = func() (rates [maxLevel + 1]uint16) {
	for level := 1; level <= maxLevel; level++ {
		rate := rateOf(false, evenProb)
		if symbol := symbolOf(int32(level)); symbol >= firstCategory {
			c := categories[symbol-firstCategory]
			for i, p := range c.probs {
				rate += rateOf((level-int(c.base))>>(len(c.probs)-1-i)&1 == 1, p)
			}
		}
		rates[level] = uint16(rate)
	}
	return rates
}()

// A step is a bool on the way to a leaf of a tree: the index of its probability, and what it is.
type step struct {
	node uint8
	is   bool
}

// symbolPaths are the bools of each symbol after that of the end of the block: nodes of the tree and what they are.
var symbolPaths = [symbols][]step{
	{{1, false}},
	{{1, true}, {2, false}},
	{{1, true}, {2, true}, {3, false}, {4, false}},
	{{1, true}, {2, true}, {3, false}, {4, true}, {5, false}},
	{{1, true}, {2, true}, {3, false}, {4, true}, {5, true}},
	{{1, true}, {2, true}, {3, true}, {6, false}, {7, false}},
	{{1, true}, {2, true}, {3, true}, {6, false}, {7, true}},
	{{1, true}, {2, true}, {3, true}, {6, true}, {8, false}, {9, false}},
	{{1, true}, {2, true}, {3, true}, {6, true}, {8, false}, {9, true}},
	{{1, true}, {2, true}, {3, true}, {6, true}, {8, true}, {10, false}},
	{{1, true}, {2, true}, {3, true}, {6, true}, {8, true}, {10, true}},
}

// nodeRates are the rates of what can follow in a context.
type nodeRates struct {
	end, more int32 // whether the block ends
	// first are the rates of the symbols of the first coefficient or after one that is not 0, with more, and after are
	// those after a zero, which the block does not end with.
	first, after [symbols]int32
}

// A rateTable has rates by block type, coefficient and context.
type rateTable [4][16][3]nodeRates

// set computes the rates by probabilities.
func (t *rateTable) set(probs *probTable) {
	for kind := range probs {
		var byBand [8][3]nodeRates
		for band := range probs[kind] {
			for context := range probs[kind][band] {
				byBand[band][context].set(&probs[kind][band][context])
			}
		}
		for n, band := range bands {
			t[kind][n] = byBand[band]
		}
	}
}

func (c *nodeRates) set(p *[11]uint8) {
	c.end, c.more = rateOf(false, p[0]), rateOf(true, p[0])
	not, is := [11]int32{}, [11]int32{}
	for i, v := range p {
		not[i], is[i] = rateOf(false, v), rateOf(true, v)
	}
	large := is[1] + is[2]
	category := large + is[3]
	c.after = [symbols]int32{
		not[1], is[1] + not[2], large + not[3] + not[4], large + not[3] + is[4] + not[5], large + not[3] + is[4] + is[5],
		category + not[6] + not[7], category + not[6] + is[7],
		category + is[6] + not[8] + not[9], category + is[6] + not[8] + is[9],
		category + is[6] + is[8] + not[10], category + is[6] + is[8] + is[10],
	}
	for i, v := range c.after {
		c.first[i] = v + c.more
	}
}

// lumaRates and chromaRates are the rates of the modes of a macroblock, by mode.
var (
	lumaRates = [5]int32{
		predictDC:        rateOf(true, 145) + rateOf(false, 156) + rateOf(false, 163),
		predictV:         rateOf(true, 145) + rateOf(false, 156) + rateOf(true, 163),
		predictH:         rateOf(true, 145) + rateOf(true, 156) + rateOf(false, 128),
		predictTM:        rateOf(true, 145) + rateOf(true, 156) + rateOf(true, 128),
		predictSubblocks: rateOf(false, 145),
	}
	chromaRates = [4]int32{
		predictDC: rateOf(false, 142),
		predictV:  rateOf(true, 142) + rateOf(false, 114),
		predictH:  rateOf(true, 142) + rateOf(true, 114) + rateOf(false, 183),
		predictTM: rateOf(true, 142) + rateOf(true, 114) + rateOf(true, 183),
	}
)

// submodePaths are the ways to the modes in submodeTree.
var submodePaths = func() (paths [submodes][]step) {
	var walk func(node int8, path []step)
	walk = func(node int8, path []step) {
		for i, next := range submodeTree[node] {
			longer := append(slices.Clone(path), step{uint8(node), i == 1})
			if next < 0 {
				paths[next+16] = longer
			} else {
				walk(next, longer)
			}
		}
	}
	walk(0, nil)
	return paths
}()

// submodeRates are the rates of the mode of a subblock, by the modes above, to the left, and its own.
var submodeRates = func() (rates [submodes][submodes][submodes]int32) {
	for above := range rates {
		for left := range rates[above] {
			for mode, path := range submodePaths {
				for _, s := range path {
					rates[above][left][mode] += rateOf(s.is, subblockProbs[above][left][s.node])
				}
			}
		}
	}
	return rates
}()
