package lossy

// Block types, which have different probabilities (section 13.3).
const (
	blockYAfterY2 = iota // luma whose DC coefficients are in the Y2 block
	blockY2
	blockChroma
	blockYWithDC
)

// A block is the dequantized coefficients of 4x4 pixels.
type block [16]int16

// A residue is the coefficients of a macroblock.
type residue struct {
	blocks [24]block // 16 of luma, 4 of each chroma
	// coefCounts is the index after the last coefficient of each block: 0 for no coefficients, 1 for DC only.
	coefCounts [24]uint8
}

// A context records which blocks next to a macroblock have coefficients, 1 or 0: 4 of luma, 2 of each chroma plane, and
// Y2.
type context [9]uint8

// read reads the coefficients of a macroblock (section 13). It reports whether there are any.
func (r *residue) read(p *partition, h *header, m *macroblock, above, left *context) bool {
	s := &h.segments[m.segment]
	kind, first := blockYWithDC, 0
	if m.luma != predictSubblocks {
		var second [1]block
		var used [1]uint8
		const y2 = len(above) - 1
		p.readBlocks(&h.probs[blockY2], 0, &s.y2, second[:], used[:], above[y2:], left[y2:])
		if used[0] > 0 {
			second[0].inverseWHT(r)
		}
		kind, first = blockYAfterY2, 1
	}
	p.readBlocks(&h.probs[kind], first, &s.luma, r.blocks[:16], r.coefCounts[:16], above[:4], left[:4])
	chroma := &h.probs[blockChroma]
	p.readBlocks(chroma, 0, &s.chroma, r.blocks[16:20], r.coefCounts[16:20], above[4:6], left[4:6])
	p.readBlocks(chroma, 0, &s.chroma, r.blocks[20:24], r.coefCounts[20:24], above[6:8], left[6:8])
	return r.coefCounts != [24]uint8{}
}

// readBlocksPortably reads the coefficients, from n on, of a square of blocks next to which are blocks above and on the
// left. It sets the counts of those that have any.
func (p *partition) readBlocksPortably(
	probs *[17]bandProbs, n int, by *dequantFactors, blocks []block, counts, above, left []uint8,
) {
	for y := range left {
		for x := range above {
			i := y*len(above) + x
			used := p.readTokens(probs, above[x]+left[y], n, by, &blocks[i])
			above[x], left[y] = 0, 0
			if used > n {
				above[x], left[y] = 1, 1
				counts[i] = uint8(used)
			}
		}
	}
}

// readTokens reads the coefficients of a block from n on. It returns the index after the last one.
func (p *partition) readTokens(probs *[17]bandProbs, context uint8, n int, by *dequantFactors, to *block) int {
	c := p.boolDecoder.refill(&p.buf)
	at := &probs[n][context&3]
	split := c.split(at[0])
	if !c.isTrue(split) {
		p.boolDecoder = c.takeFalse(split)
		return n
	}
	c = c.takeTrue(split)
	for {
		split := c.split(at[1])
		for !c.isTrue(split) {
			c = c.takeFalse(split).refill(&p.buf)
			if n++; n == 16 {
				p.boolDecoder = c
				return 16
			}
			at = &probs[n][0]
			split = c.split(at[1])
		}
		c = c.takeTrue(split)
		var value int64
		var next *[16]uint8
		if split = c.split(at[2]); !c.isTrue(split) {
			c = c.takeFalse(split)
			value, next = 1, &probs[n+1][1]
		} else {
			value, c = c.takeTrue(split).readLarge(&p.buf, at)
			next = &probs[n+1][2]
		}
		sign := c.peekSign()
		c = c.takeSign(sign)
		factor := by[1]
		if n == 0 {
			factor = by[0]
		}
		to[zigzag[n]] = int16(int32((value^sign)-sign) * factor)
		if n++; n == 16 {
			p.boolDecoder = c
			return 16
		}
		at = next
		c = c.refill(&p.buf)
		if split = c.split(at[0]); !c.isTrue(split) {
			p.boolDecoder = c.takeFalse(split)
			return n
		}
		c = c.takeTrue(split)
	}
}

// readLarge reads a value of 2 or more (section 13.2), and leaves enough bits for its sign.
func (c boolDecoder) readLarge(buf *buffer, at *[16]uint8) (int64, boolDecoder) {
	c = c.refill(buf)
	var is [5]bool
	if is[0], c = c.readBool(at[3]); !is[0] {
		if is[1], c = c.readBool(at[4]); !is[1] {
			return 2, c
		}
		if is[2], c = c.readBool(at[5]); is[2] {
			return 4, c
		}
		return 3, c
	}
	category := 0
	if is[1], c = c.readBool(at[6]); is[1] {
		category = 2
		if is[2], c = c.readBool(at[8]); is[2] {
			category += 2
			is[3], c = c.readBool(at[10])
		} else {
			is[3], c = c.readBool(at[9])
		}
	} else {
		is[3], c = c.readBool(at[7])
	}
	if is[3] {
		category++
	}
	return c.readCategory(buf, category)
}

// readBool reads one bool without a refill.
func (c boolDecoder) readBool(probability uint8) (bool, boolDecoder) {
	split := c.split(probability)
	if c.isTrue(split) {
		return true, c.takeTrue(split)
	}
	return false, c.takeFalse(split)
}

// categories are the ranges of large values: the base of each, and the probabilities of its extra bits.
var categories = [6]struct {
	base  int64
	probs []uint8
}{
	{5, []uint8{159}},
	{7, []uint8{165, 145}},
	{11, []uint8{173, 148, 140}},
	{19, []uint8{176, 155, 140, 135}},
	{35, []uint8{180, 157, 141, 134, 130}},
	{67, []uint8{254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}},
}

// readCategory reads the extra bits of a category.
func (c boolDecoder) readCategory(buf *buffer, category int) (int64, boolDecoder) {
	v := int64(0)
	for _, probability := range categories[category].probs {
		c = c.refill(buf)
		split := c.split(probability)
		v <<= 1
		if c.isTrue(split) {
			v |= 1
			c = c.takeTrue(split)
		} else {
			c = c.takeFalse(split)
		}
	}
	return categories[category].base + v, c.refill(buf)
}
