package lossy

import "math"

// A lumaChoice is a way to encode the luma of a macroblock.
type lumaChoice struct {
	mode   int
	levels [17]levels // those of Y2 are the last
	ends   [17]uint8
	cost   int64
}

// modeScale is the weight of a difference of 1 in scores of predictions, after its Hadamard transform.
const modeScale = 16

func lumaOffset(i int) int   { return lumaAt + i>>2*4*stride + i&3*4 }
func chromaOffset(i int) int { return blueAt + i>>2*16 + i>>1&1*4*stride + i&1*4 }

// score is what a prediction of blocks costs, approximately.
func (e *encoder) score(at, across, down int) int32 {
	return modeScale / 2 * hadamard(e.source[at:], e.pred[at:], across, down)
}

// scoreMode is what the rate of a mode adds to scores.
func (e *encoder) scoreMode(rate int32) int32 { return e.modeLambda * rate >> 8 }

// encodeLuma encodes the luma of a macroblock with one mode, or one for each subblock if that costs less.
func (e *encoder) encodeLuma(m *codedMacroblock, x, y int) {
	whole := e.chooseWhole(x, y)
	choice := &whole
	if subblocks, isBetter := e.encodeSubblocks(m, x, whole.cost); isBetter {
		choice = &subblocks
	} else {
		e.reconstructWhole(choice, x, y)
		for i := range 4 {
			e.aboveModes[x][i], e.leftModes[i] = uint8(whole.mode), uint8(whole.mode)
		}
	}
	m.luma = choice.mode
	copy(m.levels[:16], choice.levels[:16])
	copy(m.ends[:16], choice.ends[:16])
	m.levels[y2Block], m.ends[y2Block] = choice.levels[16], choice.ends[16]
}

// chooseWhole chooses one mode for the luma of a macroblock.
func (e *encoder) chooseWhole(x, y int) (c lumaChoice) {
	best := int32(math.MaxInt32)
	for mode := predictDC; mode <= predictH; mode++ {
		e.pred.predict(lumaAt, 16, mode, y > 0, x > 0)
		if score := e.scoreMode(lumaRates[mode]) + e.score(lumaAt, 4, 4); score < best {
			best, c.mode = score, mode
		}
	}
	e.pred.predict(lumaAt, 16, c.mode, y > 0, x > 0)
	e.quantizeWhole(&c, e.aboveContexts[x], e.leftContext)
	return c
}

// quantizeWhole chooses the levels of luma that is predicted.
func (e *encoder) quantizeWhole(c *lumaChoice, above, left context) {
	var coefs [16][16]int32
	for i := range coefs {
		at := lumaOffset(i)
		forwardDCT(e.source[at:], e.pred[at:], &coefs[i])
	}
	var second [16]int32
	forwardWHT(&coefs, &second)
	const last = len(above) - 1
	c.cost = e.lambda * int64(lumaRates[c.mode])
	c.cost += e.y2.quantize(&e.rates[blockY2], above[last]+left[last], 0, &second, &c.levels[16], &c.ends[16])
	for i := range coefs {
		context := above[i&3] + left[i>>2]
		c.cost += e.luma.quantize(&e.rates[blockYAfterY2], context, 1, &coefs[i], &c.levels[i], &c.ends[i])
		above[i&3] = min(c.ends[i], 1)
		left[i>>2] = above[i&3]
	}
}

func (e *encoder) reconstructWhole(c *lumaChoice, x, y int) {
	e.pred.predict(lumaAt, 16, c.mode, y > 0, x > 0)
	var second block
	e.y2.dequantize(&c.levels[16], 0, c.ends[16], &second)
	second.inverseWHT(&e.residue)
	for i := range 16 {
		e.addLevels(&e.luma, &c.levels[i], 1, c.ends[i], i, lumaOffset(i))
	}
}

// addLevels reconstructs a block: it adds levels to the prediction.
func (e *encoder) addLevels(q *quantizer, l *levels, first int, end uint8, i, at int) {
	if end > 0 {
		q.dequantize(l, first, end, &e.residue.blocks[i])
		e.residue.coefCounts[i] = end
	}
	e.residue.addBlock(&e.pred, i, at)
}

// encodeSubblocks chooses a mode for each subblock of luma, and reconstructs it. It gives up once that costs more than
// the limit.
func (e *encoder) encodeSubblocks(m *codedMacroblock, x int, limit int64) (c lumaChoice, isBetter bool) {
	if e.modeRate > e.maxModeRate {
		return c, false
	}
	right := e.pred.half(lumaAt - stride + 16)
	above, left := e.aboveContexts[x], e.leftContext
	aboveModes, leftModes := e.aboveModes[x], e.leftModes
	c.mode, c.cost = predictSubblocks, e.lambda*int64(lumaRates[predictSubblocks])
	modeRate := 0
	for i := range m.subblocks {
		x, y, at := i&3, i>>2, lumaOffset(i)
		next := right
		if x < 3 {
			next = e.pred.half(at - stride + 4)
		}
		rates := &submodeRates[aboveModes[x]][leftModes[y]]
		mode := e.chooseSubblock(at, next, rates)
		var coefs [16]int32
		forwardDCT(e.source[at:], e.pred[at:], &coefs)
		c.cost += e.lambda * int64(rates[mode])
		c.cost += e.luma.quantize(&e.rates[blockYWithDC], above[x]+left[y], 0, &coefs, &c.levels[i], &c.ends[i])
		if c.cost > limit {
			return c, false
		}
		e.addLevels(&e.luma, &c.levels[i], 0, c.ends[i], i, at)
		above[x] = min(c.ends[i], 1)
		left[y] = above[x]
		m.subblocks[i], aboveModes[x], leftModes[y] = mode, mode, mode
		modeRate += int(rates[mode])
	}
	e.aboveModes[x], e.leftModes = aboveModes, leftModes
	e.modeRate += modeRate
	return c, true
}

// chooseSubblock chooses the mode of a subblock, and predicts it.
func (e *encoder) chooseSubblock(at int, right uint32, rates *[submodes]int32) (chosen uint8) {
	best := int32(math.MaxInt32)
	for mode := range uint8(submodes) {
		e.pred.predictSubblock(at, mode, right)
		if score := e.scoreMode(rates[mode]) + e.score(at, 1, 1); score < best {
			best, chosen = score, mode
		}
	}
	e.pred.predictSubblock(at, chosen, right)
	return chosen
}

// encodeChroma chooses a mode for both planes of chroma, and encodes them.
func (e *encoder) encodeChroma(m *codedMacroblock, x, y int) {
	best := int32(math.MaxInt32)
	for mode := predictDC; mode <= predictH; mode++ {
		e.predictChroma(mode, x, y)
		score := e.scoreMode(chromaRates[mode]) + e.score(blueAt, 2, 2) + e.score(redAt, 2, 2)
		if score < best {
			best, m.chroma = score, mode
		}
	}
	e.predictChroma(m.chroma, x, y)
	above, left := e.aboveContexts[x], e.leftContext
	for i := 16; i < 24; i++ {
		at, plane := chromaOffset(i-16), 4+i>>2&1*2
		x, y := &above[plane+i&1], &left[plane+i>>1&1]
		var coefs [16]int32
		forwardDCT(e.source[at:], e.pred[at:], &coefs)
		e.chroma.quantize(&e.rates[blockChroma], *x+*y, 0, &coefs, &m.levels[i], &m.ends[i])
		*x = min(m.ends[i], 1)
		*y = *x
		e.addLevels(&e.chroma, &m.levels[i], 0, m.ends[i], i, at)
	}
}

func (e *encoder) predictChroma(mode, x, y int) {
	e.pred.predict(blueAt, 8, mode, y > 0, x > 0)
	e.pred.predict(redAt, 8, mode, y > 0, x > 0)
}
