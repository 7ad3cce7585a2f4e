package lossy

// A token is a bool among the coefficients: it has the index of its probability, and whether it is true in the lowest
// bit. The first probabilities are those of the token tree; the others are fixed.
type token uint16

// treeProbs is the number of probabilities of a probTable, and tokenProbs that of all.
const (
	treeProbs  = 4 * 8 * 3 * 11
	tokenProbs = treeProbs + 256
)

func tokenOfBool(prob int, is bool) token {
	if is {
		return token(2*prob + 1)
	}
	return token(2 * prob)
}

// appendTokens appends the tokens of a macroblock in their order.
func (m *codedMacroblock) appendTokens(to []token, above, left *context) []token {
	kind, first := blockYWithDC, 0
	if m.luma != predictSubblocks {
		const last = len(above) - 1
		to = m.appendBlock(to, y2Block, blockY2, 0, &above[last], &left[last])
		kind, first = blockYAfterY2, 1
	}
	for i := range 16 {
		to = m.appendBlock(to, i, kind, first, &above[i&3], &left[i>>2])
	}
	for i := 16; i < 24; i++ {
		plane := 4 + i>>2&1*2
		to = m.appendBlock(to, i, blockChroma, 0, &above[plane+i&1], &left[plane+i>>1&1])
	}
	return to
}

// appendBlock appends the tokens of a block from its first level on (section 13.2).
func (m *codedMacroblock) appendBlock(to []token, i, kind, first int, above, left *uint8) []token {
	context, end := int(*above+*left), int(m.ends[i])
	*above = min(m.ends[i], 1)
	*left = *above
	isAfterZero := false
	for n := first; n < end; n++ {
		node := nodeIndex(kind, n, context)
		if !isAfterZero {
			to = append(to, tokenOfBool(node, true))
		}
		level := int32(m.levels[i][n])
		size := max(level, -level)
		to = appendLevel(to, node, size)
		if size > 0 {
			to = append(to, tokenOfBool(treeProbs+evenProb, level < 0))
		}
		context, isAfterZero = int(min(size, 2)), size == 0
	}
	if end < 16 {
		to = append(to, tokenOfBool(nodeIndex(kind, max(end, first), context), false))
	}
	return to
}

// appendLevel appends what follows the bool that the block has not ended, except the sign.
func appendLevel(to []token, node int, size int32) []token {
	symbol := symbolOf(size)
	for _, s := range symbolPaths[symbol] {
		to = append(to, tokenOfBool(node+int(s.node), s.is))
	}
	if symbol < firstCategory {
		return to
	}
	c := &categories[symbol-firstCategory]
	for i, p := range c.probs {
		isSet := (int(size)-int(c.base))>>(len(c.probs)-1-i)&1 == 1
		to = append(to, tokenOfBool(treeProbs+int(p), isSet))
	}
	return to
}

// nodeIndex is the index of the first probability of a coefficient.
func nodeIndex(kind, n, context int) int {
	var t probTable
	return ((kind*len(t[0])+int(bands[n]))*len(t[0][0]) + context) * len(t[0][0][0])
}

// bestProbs are the probabilities of the tokens so far, where they save more than it takes to write them.
func (e *encoder) bestProbs() *probTable {
	probs, at := defaultProbs, 0
	for i := range probs {
		for j := range probs[i] {
			for k := range probs[i][j] {
				for l, p := range probs[i][j][k] {
					probs[i][j][k][l] = betterProb(p, updateProbs[i][j][k][l], e.counts[2*at], e.counts[2*at+1])
					at++
				}
			}
		}
	}
	return &probs
}

// betterProb returns the best probability of bools of which some were false and some true, or p.
func betterProb(p, update uint8, falses, trues uint32) uint8 {
	total := int64(falses) + int64(trues)
	if total == 0 {
		return p
	}
	best := uint8(max(1, min((256*int64(falses)+total/2)/total, 255)))
	rate := func(p uint8) int64 {
		return int64(falses)*int64(rateOf(false, p)) + int64(trues)*int64(rateOf(true, p))
	}
	if rate(best)+8*256+int64(rateOf(true, update)) < rate(p)+int64(rateOf(false, update)) {
		return best
	}
	return p
}
