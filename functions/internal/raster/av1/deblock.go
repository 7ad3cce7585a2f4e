package av1

// edgeLimits are the limits of a filter level (section 7.14.4).
type edgeLimits struct{ inner, edge, variance int32 }

// A levelTable has the levels of the loop filter (section 7.14.5): of luma across vertical edges, of luma across
// horizontal ones, of Cb and of Cr, by segment and reference frame, for modes without a motion vector and with one.
// Intra frames have those of the first reference and mode only.
type levelTable struct {
	header *frameHeader
	levels [maxSegments][8][2][4]uint8
	delta  [4]int8 // those that the levels are for
	limits [64]edgeLimits
}

// start computes the limits, and the levels without deltas.
func (t *levelTable) start(h *frameHeader) {
	t.header = h
	sharpness := h.loopFilter.sharpness
	for level := range t.limits {
		inner := level
		if sharpness > 0 {
			inner = min(level>>1, 9-sharpness)
			if sharpness > 4 {
				inner = min(level>>2, 9-sharpness)
			}
		}
		inner = max(1, inner)
		t.limits[level] = edgeLimits{int32(inner), int32(2*(level+2) + inner), int32(level >> 4)}
	}
	t.set([4]int8{})
}

// set computes the levels with the deltas of a superblock.
func (t *levelTable) set(delta [4]int8) {
	h := t.header
	t.delta = delta
	for segment := range t.levels {
		for i := range 4 {
			d := delta[0]
			if h.deltaLFMulti {
				d = delta[i]
			}
			level := max(0, min(h.loopFilter.level[i]+int(d), 63))
			if s := &h.segmentation; s.enabled && s.feature[segment][segmentLoopFilter+i] {
				level = max(0, min(level+s.data[segment][segmentLoopFilter+i], 63))
			}
			t.levels[segment][intraFrame][0][i] = h.loopFilter.adjusted(level, h.loopFilter.refDeltas[intraFrame])
			if h.isIntra() {
				continue
			}
			for ref := lastFrame; ref <= alternateFrame; ref++ {
				for mode, delta := range h.loopFilter.modeDeltas {
					t.levels[segment][ref][mode][i] = h.loopFilter.adjusted(level, h.loopFilter.refDeltas[ref], delta)
				}
			}
		}
	}
}

// adjusted returns a level with deltas.
func (f *loopFilter) adjusted(level int, deltas ...int) uint8 {
	if f.deltaEnabled {
		shift := level >> 5
		for _, d := range deltas {
			level += d << shift
		}
	}
	return uint8(max(0, min(level, 63)))
}

// edgeLevel returns the level of the block at a position in units of 4x4 luma samples.
func (p *picture) edgeLevel(row, column, kind int) uint8 {
	t := &p.filters.levels
	if p.deltaLF != nil {
		shift := p.sbLog2 - 2
		if delta := p.deltaLF[row>>shift*p.sbColumns+column>>shift]; delta != t.delta {
			t.set(delta)
		}
	}
	segment := uint8(0)
	if p.segments != nil {
		segment = p.segments[row*p.miColumns+column]
	}
	levels := &t.levels[segment&(maxSegments-1)]
	if p.motion == nil {
		return levels[intraFrame][0][kind]
	}
	m := &p.motion[row*p.miColumns+column]
	mode := 0
	if m.mode >= modeNearest && m.mode != modeGlobal && m.mode != modeGlobalGlobal {
		mode = 1
	}
	return levels[m.ref[0]&7][mode][kind]
}

// isWithinBlock reports whether an edge of a transform is within an inter block that has no coefficients, and is not
// filtered. The position is that of the samples after it.
func (p *picture) isWithinBlock(c, row, column, blockRow, blockColumn int, isVertical bool) bool {
	at := blockRow*p.miColumns + blockColumn
	m := &p.motion[at]
	if !m.isInter() || p.blocks[at]&blockSkip == 0 {
		return false
	}
	q := &p.planes[c]
	if isVertical {
		return column&(max(1<<blockWidth4Log2[m.size]>>q.subX, 1)-1) != 0
	}
	return row&(max(1<<blockHeight4Log2[m.size]>>q.subY, 1)-1) != 0
}

// deblock filters the edges of transform blocks from luma row top on, and before row bottom (section 7.14): the
// vertical ones, then the horizontal ones.
func (p *picture) deblock(top, bottom int) {
	for c := range p.count {
		if c > 0 && p.header.loopFilter.level[1+c] == 0 {
			continue
		}
		subY := p.planes[c].subY
		first, last := top>>2>>subY, (bottom+4<<subY-1)>>2>>subY
		for row := first; row < last; row++ {
			p.deblockVertical(c, row)
		}
		for row := max(first, 1); row < last; row++ {
			p.deblockHorizontal(c, row)
		}
	}
}

// transformSizes returns the sizes of the transforms of a row of units of 4x4 samples.
func (p *picture) transformSizes(c, row int) []uint8 {
	if c == 0 {
		return p.blocks[row*p.miColumns:][:p.miColumns]
	}
	return p.chromaTx[row*p.chromaColumns:][:p.chromaColumns]
}

// unitColumns is the number of units of 4x4 samples of a row that begin within the frame.
func (p *picture) unitColumns(c int) int {
	step := 4 << p.planes[c].subX
	return (p.header.width + step - 1) / step
}

// deblockVertical filters the vertical edges of a row of units of 4x4 samples.
func (p *picture) deblockVertical(c, row int) {
	q := &p.planes[c]
	sizes := p.transformSizes(c, row)
	blockRow := row<<q.subY | int(q.subY)
	kind := 0
	if c > 0 {
		kind = c + 1
	}
	at := q.index(0, 4*row)
	before := uint8(0)
	var step int
	for column := 0; column < p.unitColumns(c); column += step {
		log := txWidthLog2[sizes[column]&blockTxSize%uint8(txSizes)]
		step = max(1, 1<<log>>2-column&(1<<log>>2-1))
		size := min(log, before)
		before = log
		if column == 0 {
			continue
		}
		blockColumn := column<<q.subX | int(q.subX)
		if p.motion != nil && p.isWithinBlock(c, row, column, blockRow, blockColumn, true) {
			continue
		}
		level := p.edgeLevel(blockRow, blockColumn, kind)
		if level == 0 {
			level = p.edgeLevel(blockRow, blockColumn-1<<q.subX, kind)
		}
		if level > 0 {
			p.filters.levels.limits[level&63].filter(q.pix, at+4*column, 1, q.stride, size, c > 0, p.depth)
		}
	}
}

// deblockHorizontal filters the horizontal edges above a row of units of 4x4 samples.
func (p *picture) deblockHorizontal(c, row int) {
	q := &p.planes[c]
	sizes, above := p.transformSizes(c, row), p.transformSizes(c, row-1)
	blockRow := row<<q.subY | int(q.subY)
	kind := 1
	if c > 0 {
		kind = c + 1
	}
	at := q.index(0, 4*row)
	for column := range p.unitColumns(c) {
		log := txHeightLog2[sizes[column]&blockTxSize%uint8(txSizes)]
		if row&(1<<log>>2-1) != 0 {
			continue
		}
		size := min(log, txHeightLog2[above[column]&blockTxSize%uint8(txSizes)])
		blockColumn := column<<q.subX | int(q.subX)
		if p.motion != nil && p.isWithinBlock(c, row, column, blockRow, blockColumn, false) {
			continue
		}
		level := p.edgeLevel(blockRow, blockColumn, kind)
		if level == 0 {
			level = p.edgeLevel(blockRow-1<<q.subY, blockColumn, kind)
		}
		if level > 0 {
			p.filters.levels.limits[level&63].filter(q.pix, at+4*column, q.stride, 1, size, c > 0, p.depth)
		}
	}
}

// filter filters 4 lines across an edge (section 7.14.6). log is the logarithm of the size of the smaller transform at
// the edge, across the distance between the samples of a line, along that between lines.
func (l *edgeLimits) filter(pix []uint16, at, across, along int, log uint8, isChroma bool, depth uint) {
	shift := depth - 8
	scaled := edgeLimits{l.inner << shift, l.edge << shift, l.variance << shift}
	for range 4 {
		switch {
		case log <= 2:
			scaled.filter4(pix, at, across, depth)
		case isChroma:
			scaled.filter6(pix, at, across, depth)
		case log == 3:
			scaled.filter8(pix, at, across, depth)
		default:
			scaled.filter14(pix, at, across, depth)
		}
		at += along
	}
}

func abs(v int32) int32 { return max(v, -v) }

// isSmooth is filterMask for the two samples at each side that all filters use.
func (l *edgeLimits) isSmooth(p1, p0, q0, q1 int32) bool {
	return abs(p1-p0) <= l.inner && abs(q1-q0) <= l.inner && abs(p0-q0)*2+abs(p1-q1)>>1 <= l.edge
}

func (l *edgeLimits) filter4(pix []uint16, at, across int, depth uint) {
	p1, p0 := int32(pix[at-2*across]), int32(pix[at-across])
	q0, q1 := int32(pix[at]), int32(pix[at+across])
	if l.isSmooth(p1, p0, q0, q1) {
		l.narrow(pix, at, across, p1, p0, q0, q1, depth)
	}
}

// filter6 is the filter of chroma.
func (l *edgeLimits) filter6(pix []uint16, at, across int, depth uint) {
	p2, p1, p0 := int32(pix[at-3*across]), int32(pix[at-2*across]), int32(pix[at-across])
	q0, q1, q2 := int32(pix[at]), int32(pix[at+across]), int32(pix[at+2*across])
	if !l.isSmooth(p1, p0, q0, q1) || abs(p2-p1) > l.inner || abs(q2-q1) > l.inner {
		return
	}
	flat := int32(1) << (depth - 8)
	if abs(p1-p0) > flat || abs(q1-q0) > flat || abs(p2-p0) > flat || abs(q2-q0) > flat {
		l.narrow(pix, at, across, p1, p0, q0, q1, depth)
		return
	}
	pix[at-2*across] = uint16((3*p2 + 2*p1 + 2*p0 + q0 + 4) >> 3)
	pix[at-across] = uint16((p2 + 2*p1 + 2*p0 + 2*q0 + q1 + 4) >> 3)
	pix[at] = uint16((p1 + 2*p0 + 2*q0 + 2*q1 + q2 + 4) >> 3)
	pix[at+across] = uint16((p0 + 2*q0 + 2*q1 + 3*q2 + 4) >> 3)
}

func (l *edgeLimits) filter8(pix []uint16, at, across int, depth uint) {
	p3, p2, p1, p0 := int32(pix[at-4*across]), int32(pix[at-3*across]), int32(pix[at-2*across]), int32(pix[at-across])
	q0, q1, q2, q3 := int32(pix[at]), int32(pix[at+across]), int32(pix[at+2*across]), int32(pix[at+3*across])
	if !l.isSmooth(p1, p0, q0, q1) || abs(p2-p1) > l.inner || abs(q2-q1) > l.inner || abs(p3-p2) > l.inner ||
		abs(q3-q2) > l.inner {
		return
	}
	if !isFlat(p3, p2, p1, p0, q0, q1, q2, q3, depth) {
		l.narrow(pix, at, across, p1, p0, q0, q1, depth)
		return
	}
	wide8(pix, at, across, p3, p2, p1, p0, q0, q1, q2, q3)
}

func (l *edgeLimits) filter14(pix []uint16, at, across int, depth uint) {
	p3, p2, p1, p0 := int32(pix[at-4*across]), int32(pix[at-3*across]), int32(pix[at-2*across]), int32(pix[at-across])
	q0, q1, q2, q3 := int32(pix[at]), int32(pix[at+across]), int32(pix[at+2*across]), int32(pix[at+3*across])
	if !l.isSmooth(p1, p0, q0, q1) || abs(p2-p1) > l.inner || abs(q2-q1) > l.inner || abs(p3-p2) > l.inner ||
		abs(q3-q2) > l.inner {
		return
	}
	if !isFlat(p3, p2, p1, p0, q0, q1, q2, q3, depth) {
		l.narrow(pix, at, across, p1, p0, q0, q1, depth)
		return
	}
	p6, p5, p4 := int32(pix[at-7*across]), int32(pix[at-6*across]), int32(pix[at-5*across])
	q4, q5, q6 := int32(pix[at+4*across]), int32(pix[at+5*across]), int32(pix[at+6*across])
	if !isFlat(p6, p5, p4, p0, q0, q4, q5, q6, depth) {
		wide8(pix, at, across, p3, p2, p1, p0, q0, q1, q2, q3)
		return
	}
	pix[at-6*across] = uint16((7*p6 + 2*p5 + 2*p4 + p3 + p2 + p1 + p0 + q0 + 8) >> 4)
	pix[at-5*across] = uint16((5*p6 + 2*p5 + 2*p4 + 2*p3 + p2 + p1 + p0 + q0 + q1 + 8) >> 4)
	pix[at-4*across] = uint16((4*p6 + p5 + 2*p4 + 2*p3 + 2*p2 + p1 + p0 + q0 + q1 + q2 + 8) >> 4)
	pix[at-3*across] = uint16((3*p6 + p5 + p4 + 2*p3 + 2*p2 + 2*p1 + p0 + q0 + q1 + q2 + q3 + 8) >> 4)
	pix[at-2*across] = uint16((2*p6 + p5 + p4 + p3 + 2*p2 + 2*p1 + 2*p0 + q0 + q1 + q2 + q3 + q4 + 8) >> 4)
	pix[at-across] = uint16((p6 + p5 + p4 + p3 + p2 + 2*p1 + 2*p0 + 2*q0 + q1 + q2 + q3 + q4 + q5 + 8) >> 4)
	pix[at] = uint16((p5 + p4 + p3 + p2 + p1 + 2*p0 + 2*q0 + 2*q1 + q2 + q3 + q4 + q5 + q6 + 8) >> 4)
	pix[at+across] = uint16((p4 + p3 + p2 + p1 + p0 + 2*q0 + 2*q1 + 2*q2 + q3 + q4 + q5 + 2*q6 + 8) >> 4)
	pix[at+2*across] = uint16((p3 + p2 + p1 + p0 + q0 + 2*q1 + 2*q2 + 2*q3 + q4 + q5 + 3*q6 + 8) >> 4)
	pix[at+3*across] = uint16((p2 + p1 + p0 + q0 + q1 + 2*q2 + 2*q3 + 2*q4 + q5 + 4*q6 + 8) >> 4)
	pix[at+4*across] = uint16((p1 + p0 + q0 + q1 + q2 + 2*q3 + 2*q4 + 2*q5 + 5*q6 + 8) >> 4)
	pix[at+5*across] = uint16((p0 + q0 + q1 + q2 + q3 + 2*q4 + 2*q5 + 7*q6 + 8) >> 4)
}

// isFlat reports whether three samples at each side differ little from that at the edge.
func isFlat(p3, p2, p1, p0, q0, q1, q2, q3 int32, depth uint) bool {
	flat := int32(1) << (depth - 8)
	return abs(p1-p0) <= flat && abs(q1-q0) <= flat && abs(p2-p0) <= flat && abs(q2-q0) <= flat &&
		abs(p3-p0) <= flat && abs(q3-q0) <= flat
}

// wide8 is the wide filter with 7 taps (section 7.14.6.4).
func wide8(pix []uint16, at, across int, p3, p2, p1, p0, q0, q1, q2, q3 int32) {
	pix[at-3*across] = uint16((3*p3 + 2*p2 + p1 + p0 + q0 + 4) >> 3)
	pix[at-2*across] = uint16((2*p3 + p2 + 2*p1 + p0 + q0 + q1 + 4) >> 3)
	pix[at-across] = uint16((p3 + p2 + p1 + 2*p0 + q0 + q1 + q2 + 4) >> 3)
	pix[at] = uint16((p2 + p1 + p0 + 2*q0 + q1 + q2 + q3 + 4) >> 3)
	pix[at+across] = uint16((p1 + p0 + q0 + 2*q1 + q2 + 2*q3 + 4) >> 3)
	pix[at+2*across] = uint16((p0 + q0 + q1 + 2*q2 + 3*q3 + 4) >> 3)
}

// narrow is the narrow filter (section 7.14.6.3).
func (l *edgeLimits) narrow(pix []uint16, at, across int, p1, p0, q0, q1 int32, depth uint) {
	least, most := -int32(1)<<(depth-1), int32(1)<<(depth-1)-1
	clamp := func(v int32) int32 { return max(least, min(v, most)) }
	isVaried := abs(p1-p0) > l.variance || abs(q1-q0) > l.variance
	change := 3 * (q0 - p0)
	if isVaried {
		change += clamp(p1 - q1)
	}
	change = clamp(change)
	down, up := clamp(change+4)>>3, clamp(change+3)>>3
	whole := int32(1)<<depth - 1
	pix[at] = clipSample(q0-down, whole)
	pix[at-across] = clipSample(p0+up, whole)
	if !isVaried {
		half := (down + 1) >> 1
		pix[at+across] = clipSample(q1-half, whole)
		pix[at-2*across] = clipSample(p1+half, whole)
	}
}
