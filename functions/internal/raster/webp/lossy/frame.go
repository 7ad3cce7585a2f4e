package lossy

import (
	"fmt"
	"math"
)

// maxFirstPartition is the largest length of the first partition, in bytes.
const maxFirstPartition = 1<<19 - 1

// maxModeRate is what the modes of subblocks may take, so that the first partition has space for the other modes, of
// some 8 bits a macroblock, and for the probabilities.
func maxModeRate(macroblocks int) int {
	const probs = 4096
	return (maxFirstPartition - probs - macroblocks*5/4) * 8 * 256
}

// quantizerIndex maps a quality, which is not linear, as libwebp does, and makes up for what the search of quantize
// takes from the PSNR, so that a quality has as much as in libwebp, or more.
func quantizerIndex(quality int) int {
	const searchLoss = 0.9
	linear := float64(quality) / 100
	if linear < 0.75 {
		linear *= 2.0 / 3
	} else {
		linear = 2*linear - 1
	}
	return max(0, min(int(127*(1-math.Cbrt(linear))*searchLoss), 127))
}

// frame returns what was encoded (section 19.1).
func (e *encoder) frame() ([]byte, error) {
	probs := e.bestProbs()
	modes, tokens := e.modePartition(probs), e.tokenPartition(probs)
	if len(modes) > maxFirstPartition {
		return nil, fmt.Errorf("encode %dx%d pixels: their modes take %d bytes, and VP8 has space for %d",
			e.width, e.height, len(modes), maxFirstPartition)
	}
	const isShown = 1 << 4
	tag := len(modes)<<5 | isShown
	b := make([]byte, 0, tagSize+len(modes)+len(tokens))
	b = append(b, byte(tag), byte(tag>>8), byte(tag>>16), 0x9d, 0x01, 0x2a)
	b = append(b, byte(e.width), byte(e.width>>8), byte(e.height), byte(e.height>>8))
	return append(append(b, modes...), tokens...), nil
}

// modePartition writes the frame header (section 19.2) and the modes of all macroblocks.
func (e *encoder) modePartition(probs *probTable) []byte {
	w := newBoolEncoder(8 * len(e.macroblocks))
	w.putUint(0, 2) // colour space and clamping
	w.putUint(0, 1) // no segments
	w.putUint(0, 1) // the normal loop filter
	w.putUint(e.level, 6)
	w.putUint(0, 3) // its sharpness
	w.putUint(0, 1) // no deltas of its level
	w.putUint(0, 2) // one partition of tokens
	w.putUint(e.quantizer, 7)
	w.putUint(0, 5) // no deltas of the quantizer
	w.putUint(0, 1) // the probabilities are of this frame only
	w.putProbs(probs)
	skipProb, skips := e.skipProb()
	w.putBool(skips, evenProb)
	if skips {
		w.putUint(int(skipProb), 8)
	}
	clear(e.aboveModes)
	for i := range e.macroblocks {
		m, x := &e.macroblocks[i], i%e.across
		if x == 0 {
			e.leftModes = [4]uint8{}
		}
		if skips {
			w.putBool(m.empty, skipProb)
		}
		w.putLuma(&m.macroblock, &e.aboveModes[x], &e.leftModes)
		w.putChroma(m.chroma)
	}
	return w.finish()
}

// skipProb is the probability that a macroblock has coefficients, and whether some have none.
func (e *encoder) skipProb() (p uint8, skips bool) {
	coded := 0
	for i := range e.macroblocks {
		if !e.macroblocks[i].empty {
			coded++
		}
	}
	all := len(e.macroblocks)
	return uint8(max(1, min(coded*256/all, 255))), coded < all
}

// putProbs writes the updates of the token probabilities (section 13.4).
func (w *boolEncoder) putProbs(probs *probTable) {
	for i := range probs {
		for j := range probs[i] {
			for k := range probs[i][j] {
				for l, p := range probs[i][j][k] {
					isNew := p != defaultProbs[i][j][k][l]
					w.putBool(isNew, updateProbs[i][j][k][l])
					if isNew {
						w.putUint(int(p), 8)
					}
				}
			}
		}
	}
}

// putLuma writes the modes of luma (section 11.2), as readLuma and readSubblocks read them.
func (w *boolEncoder) putLuma(m *macroblock, above, left *[4]uint8) {
	w.putBool(m.luma != predictSubblocks, 145)
	switch m.luma {
	case predictSubblocks:
		w.putSubblocks(m, above, left)
		return
	case predictTM, predictH:
		w.putBool(true, 156)
		w.putBool(m.luma == predictTM, 128)
	case predictDC, predictV:
		w.putBool(false, 156)
		w.putBool(m.luma == predictV, 163)
	}
	for i := range above {
		above[i], left[i] = uint8(m.luma), uint8(m.luma)
	}
}

func (w *boolEncoder) putSubblocks(m *macroblock, above, left *[4]uint8) {
	for i, mode := range m.subblocks {
		x, y := &above[i&3], &left[i>>2]
		probs := &subblockProbs[*x][*y]
		for _, s := range submodePaths[mode] {
			w.putBool(s.is, probs[s.node])
		}
		*x, *y = mode, mode
	}
}

// putChroma writes the mode of chroma, as readChroma reads it.
func (w *boolEncoder) putChroma(mode int) {
	if w.putBool(mode != predictDC, 142); mode == predictDC {
		return
	}
	if w.putBool(mode != predictV, 114); mode != predictV {
		w.putBool(mode == predictTM, 183)
	}
}

// tokenPartition writes the tokens of all macroblocks.
func (e *encoder) tokenPartition(probs *probTable) []byte {
	var flat [tokenProbs]uint8
	at := 0
	for i := range probs {
		for j := range probs[i] {
			for _, p := range probs[i][j] {
				at += copy(flat[at:], p[:])
			}
		}
	}
	for p := range 256 {
		flat[treeProbs+p] = uint8(p)
	}
	w := newBoolEncoder(len(e.macroblocks) * 32)
	clear(e.aboveContexts)
	for i := range e.macroblocks {
		m, x := &e.macroblocks[i], i%e.across
		if x == 0 {
			e.leftContext = context{}
		}
		if m.empty {
			e.aboveContexts[x].clearSkipped(&m.macroblock)
			e.leftContext.clearSkipped(&m.macroblock)
			continue
		}
		e.scratch = m.appendTokens(e.scratch[:0], &e.aboveContexts[x], &e.leftContext)
		for _, t := range e.scratch {
			w.putBool(t&1 == 1, flat[t>>1])
		}
	}
	return w.finish()
}
