package lossy

// Intra prediction modes of luma and chroma macroblocks (section 11.2).
const (
	predictDC = iota
	predictTM
	predictV
	predictH
	predictSubblocks // B_PRED: each subblock has a mode
)

// Intra prediction modes of subblocks. The first four are in the order of the modes above, which they correspond to
// next to macroblocks without subblock modes.
const (
	subDC = iota
	subTM
	subVE
	subHE
	subLD
	subRD
	subVR
	subVL
	subHD
	subHU
	submodes
)

// A macroblock is its header in the first partition.
type macroblock struct {
	segment      int
	empty        bool // without coefficients
	luma, chroma int
	subblocks    [16]uint8
}

// readMacroblock reads a macroblock header (section 19.3). It replaces the modes of the subblocks above and to the left
// by the macroblock's own.
func (h *header) readMacroblock(p *partition, above, left *[4]uint8) (m macroblock) {
	if h.mapped {
		m.segment = h.readSegment(p)
	}
	m.empty = h.skips && p.readBool(h.skipProb)
	m.luma = readLuma(p)
	if m.luma == predictSubblocks {
		m.readSubblocks(p, above, left)
	} else {
		for i := range above {
			above[i], left[i] = uint8(m.luma), uint8(m.luma)
		}
	}
	m.chroma = readChroma(p)
	return m
}

func (h *header) readSegment(p *partition) int {
	if !p.readBool(h.tree[0]) {
		if !p.readBool(h.tree[1]) {
			return 0
		}
		return 1
	}
	if !p.readBool(h.tree[2]) {
		return 2
	}
	return 3
}

func readLuma(p *partition) int {
	switch {
	case !p.readBool(145):
		return predictSubblocks
	case p.readBool(156):
		if p.readBool(128) {
			return predictTM
		}
		return predictH
	case p.readBool(163):
		return predictV
	default:
		return predictDC
	}
}

func readChroma(p *partition) int {
	switch {
	case !p.readBool(142):
		return predictDC
	case !p.readBool(114):
		return predictV
	case !p.readBool(183):
		return predictH
	default:
		return predictTM
	}
}

// submodeTree is that of section 11.2; a negative value is a mode, less 16.
var submodeTree = [16][2]int8{
	{subDC - 16, 1}, {subTM - 16, 2}, {subVE - 16, 3}, {4, 6}, {subHE - 16, 5}, {subRD - 16, subVR - 16},
	{subLD - 16, 7}, {subVL - 16, 8}, {subHD - 16, subHU - 16},
}

// readSubblocksPortably is readSubblocks, which reads the modes of 16 subblocks. It replaces those of the subblocks
// above and on the left.
func (m *macroblock) readSubblocksPortably(p *partition, above, left *[4]uint8) {
	c, buf := p.boolDecoder, &p.buf
	for i := range m.subblocks {
		x, y := i&3, i>>2
		probs := &subblockProbs[above[x]&15][left[y]&15]
		at := int8(0)
		for c = c.refill(buf); at >= 0; {
			if at == 4 || at == 6 {
				c = c.refill(buf)
			}
			split := c.split(probs[at&15])
			if c.isTrue(split) {
				at, c = submodeTree[at&15][1], c.takeTrue(split)
			} else {
				at, c = submodeTree[at&15][0], c.takeFalse(split)
			}
		}
		mode := uint8(at) & 15
		m.subblocks[i], above[x], left[y] = mode, mode, mode
	}
	p.boolDecoder = c
}
