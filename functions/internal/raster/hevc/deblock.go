package hevc

// Flags of 8x8 luma blocks, in picture.edges: which halves of the left and upper borders are transform block edges,
// and whether the samples are excluded from filters (pcm_loop_filter_disabled_flag, cu_transquant_bypass_flag).
const (
	edgeLeft   = 1 << 0 // upper half; the next bit is the lower half
	edgeTop    = 1 << 2 // left half; the next bit is the right half
	unfiltered = 1 << 4
)

// filtersAcross reports whether the edge between two coding tree blocks is filtered. The first of them is the later
// one.
func (d *decoder) filtersAcross(at, before int) bool {
	isSliceEdge, isTileEdge := d.ctbs[at].slice != d.ctbs[before].slice, d.tileID(at) != d.tileID(before)
	return (d.slice.filterAcross || !isSliceEdge) && (d.pps.acrossTiles || !isTileEdge)
}

// markEdges marks the left and upper edges of a transform block (section 8.7.2.3). Only edges on the 8x8 grid are
// filtered. The boundary strength is 2 everywhere, because all blocks are intra.
func (d *decoder) markEdges(x, y int, log uint) {
	if !d.filtered || d.slice.deblockDisabled {
		return
	}
	t := &d.quadtree
	at := y>>3*d.blockStride + x>>3
	n := 1 << log
	if x&7 == 0 && (x > t.x || t.filterLeft) {
		if log == 2 {
			d.edges[at] |= edgeLeft << (y >> 2 & 1)
		} else {
			for i := range n >> 3 {
				d.edges[at+i*d.blockStride] |= 3 * edgeLeft
			}
		}
	}
	if y&7 == 0 && (y > t.y || t.filterAbove) {
		if log == 2 {
			d.edges[at] |= edgeTop << (x >> 2 & 1)
		} else {
			for i := range n >> 3 {
				d.edges[at+i] |= 3 * edgeTop
			}
		}
	}
}

// betaTable and tcTable are β′ and tC′ by Q (table 8-12).
var betaTable = [52]uint8{
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24,
	26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64,
}

var tcTable = [54]uint8{
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3,
	3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10, 11, 13, 14, 16, 18, 20, 22, 24,
}

// tcOf returns tC for Q, which is clipped to the table.
func tcOf(index, depth int) int32 {
	return int32(tcTable[max(0, min(index, 53))]) << (depth - 8)
}

// deblock filters the edges of the strip down to row bottom: the vertical ones first, then the horizontal ones
// (section 8.7.2). The edge at the bottom belongs to the next strip.
func (d *decoder) deblock(bottom int) {
	first, last := d.top>>3, (bottom+7)>>3
	width := d.sps.width >> 3
	for by := first; by < last; by++ {
		row := d.edges[by*d.blockStride:][:width]
		for bx, flags := range row {
			if flags&(3*edgeLeft) != 0 {
				d.deblockVertical(bx, by, flags)
			}
		}
	}
	for by := first; by < last; by++ {
		row := d.edges[by*d.blockStride:][:width]
		for bx, flags := range row {
			if flags&(3*edgeTop) != 0 {
				d.deblockHorizontal(bx, by, flags)
			}
		}
	}
}

// An edge has the filter parameters of an edge between two 8x8 luma blocks: P is on the left or above, Q on the other
// side.
type edge struct {
	beta, tc     int32
	keepP, keepQ bool // whether nDp and nDq are 0: the samples stay as they are
}

// edgeParams derives the parameters of the edge between an 8x8 block and the one before it.
func (d *decoder) edgeParams(at, before int, s *slice) (e edge, qp int) {
	qp = (int(d.qp[at]) + int(d.qp[before]) + 1) >> 1
	depth := d.sps.depth[0]
	e.beta = int32(betaTable[max(0, min(qp+s.beta, 51))]) << (depth - 8)
	e.tc = tcOf(qp+2+s.tc, depth)
	e.keepP, e.keepQ = d.edges[before]&unfiltered != 0, d.edges[at]&unfiltered != 0
	return e, qp
}

// sliceAt returns the slice of an 8x8 block.
func (d *decoder) sliceAt(bx, by int) *slice {
	shift := d.sps.ctb - 3
	return &d.slices[d.ctbs[by>>shift*d.ctbColumns+bx>>shift].slice-1]
}

func (d *decoder) deblockVertical(bx, by int, flags uint8) {
	at := by*d.blockStride + bx
	s := d.sliceAt(bx, by)
	e, qp := d.edgeParams(at, at-1, s)
	p := &d.planes[0]
	for half := range 2 {
		if flags>>half&edgeLeft != 0 {
			e.filterLuma(p.pix, p.base+(8*by+4*half)*p.stride+8*bx, 1, p.stride, d.sps.depth[0])
		}
	}
	if d.count == 1 || bx&(1<<d.planes[1].subX-1) != 0 {
		return
	}
	for c := 1; c < 3; c++ {
		p := &d.planes[c]
		e.tc = d.chromaTc(qp, c, s)
		rows := 4 >> p.subY
		for half := range 2 {
			if flags>>half&edgeLeft != 0 {
				e.filterChroma(p.pix, p.base+(8*by>>p.subY+rows*half)*p.stride+8*bx>>p.subX, 1, p.stride, rows, d.sps.depth[c])
			}
		}
	}
}

func (d *decoder) deblockHorizontal(bx, by int, flags uint8) {
	at := by*d.blockStride + bx
	s := d.sliceAt(bx, by)
	e, qp := d.edgeParams(at, at-d.blockStride, s)
	p := &d.planes[0]
	for half := range 2 {
		if flags>>half&edgeTop != 0 {
			e.filterLuma(p.pix, p.base+8*by*p.stride+8*bx+4*half, p.stride, 1, d.sps.depth[0])
		}
	}
	if d.count == 1 || by&(1<<d.planes[1].subY-1) != 0 {
		return
	}
	for c := 1; c < 3; c++ {
		p := &d.planes[c]
		e.tc = d.chromaTc(qp, c, s)
		columns := 4 >> p.subX
		for half := range 2 {
			if flags>>half&edgeTop != 0 {
				e.filterChroma(p.pix, p.base+8*by>>p.subY*p.stride+8*bx>>p.subX+columns*half, p.stride, 1, columns, d.sps.depth[c])
			}
		}
	}
}

// chromaTc returns tC of chroma edges (section 8.7.2.5.5), which depends on cQpPicOffset, but not on offsets of the
// slice.
func (d *decoder) chromaTc(qp, c int, s *slice) int32 {
	return tcOf(chromaQP(qp+d.pps.chromaQP[c], d.sps.chroma)+2+s.tc, d.sps.depth[c])
}

// filterLuma filters 4 lines of an edge (sections 8.7.2.5.3, 8.7.2.5.6 and 8.7.2.5.7). across is the distance between
// the samples of a line, along the distance between lines.
func (e *edge) filterLuma(pix []uint16, at, across, along, depth int) {
	if e.tc == 0 && e.beta == 0 {
		return
	}
	at -= 4 * across
	last := at + 3*along
	line0 := func(i int) int32 { return int32(pix[at+i*across]) }
	line3 := func(i int) int32 { return int32(pix[last+i*across]) }
	dp0 := abs(line0(1) - 2*line0(2) + line0(3))
	dp3 := abs(line3(1) - 2*line3(2) + line3(3))
	dq0 := abs(line0(6) - 2*line0(5) + line0(4))
	dq3 := abs(line3(6) - 2*line3(5) + line3(4))
	if dp0+dq0+dp3+dq3 >= e.beta {
		return
	}
	if e.usesStrongFilter(2*(dp0+dq0), line0(0), line0(3), line0(4), line0(7)) &&
		e.usesStrongFilter(2*(dp3+dq3), line3(0), line3(3), line3(4), line3(7)) {
		for range 4 {
			e.strongFilter(pix, at, across)
			at += along
		}
		return
	}
	limit := (e.beta + e.beta>>1) >> 3
	changesP, changesQ := dp0+dp3 < limit, dq0+dq3 < limit
	most := int32(1)<<depth - 1
	for range 4 {
		e.weakFilter(pix, at, across, changesP, changesQ, most)
		at += along
	}
}

func abs(v int32) int32 { return max(v, -v) }

// usesStrongFilter is dSam (section 8.7.2.5.6).
func (e *edge) usesStrongFilter(second, p3, p0, q0, q3 int32) bool {
	return second < e.beta>>2 && abs(p3-p0)+abs(q0-q3) < e.beta>>3 && abs(p0-q0) < (5*e.tc+1)>>1
}

// strongFilter filters a line if dE is 2.
func (e *edge) strongFilter(pix []uint16, at, across int) {
	p3, p2, p1, p0 := int32(pix[at]), int32(pix[at+across]), int32(pix[at+2*across]), int32(pix[at+3*across])
	q0, q1, q2, q3 := int32(pix[at+4*across]), int32(pix[at+5*across]), int32(pix[at+6*across]), int32(pix[at+7*across])
	limit := 2 * e.tc
	near := func(v, to int32) uint16 { return uint16(max(to-limit, min(v, to+limit))) }
	if !e.keepP {
		pix[at+3*across] = near((p2+2*p1+2*p0+2*q0+q1+4)>>3, p0)
		pix[at+2*across] = near((p2+p1+p0+q0+2)>>2, p1)
		pix[at+across] = near((2*p3+3*p2+p1+p0+q0+4)>>3, p2)
	}
	if !e.keepQ {
		pix[at+4*across] = near((p1+2*p0+2*q0+2*q1+q2+4)>>3, q0)
		pix[at+5*across] = near((p0+q0+q1+q2+2)>>2, q1)
		pix[at+6*across] = near((p0+q0+q1+3*q2+2*q3+4)>>3, q2)
	}
}

// weakFilter filters a line if dE is 1.
func (e *edge) weakFilter(pix []uint16, at, across int, changesP, changesQ bool, most int32) {
	p2, p1, p0 := int32(pix[at+across]), int32(pix[at+2*across]), int32(pix[at+3*across])
	q0, q1, q2 := int32(pix[at+4*across]), int32(pix[at+5*across]), int32(pix[at+6*across])
	delta := (9*(q0-p0) - 3*(q1-p1) + 8) >> 4
	if abs(delta) >= 10*e.tc {
		return
	}
	delta = max(-e.tc, min(delta, e.tc))
	half := e.tc >> 1
	if !e.keepP {
		pix[at+3*across] = uint16(max(0, min(p0+delta, most)))
		if changesP {
			change := max(-half, min(((p2+p0+1)>>1-p1+delta)>>1, half))
			pix[at+2*across] = uint16(max(0, min(p1+change, most)))
		}
	}
	if !e.keepQ {
		pix[at+4*across] = uint16(max(0, min(q0-delta, most)))
		if changesQ {
			change := max(-half, min(((q2+q0+1)>>1-q1-delta)>>1, half))
			pix[at+5*across] = uint16(max(0, min(q1+change, most)))
		}
	}
}

// filterChroma filters count lines of an edge (section 8.7.2.5.8).
func (e *edge) filterChroma(pix []uint16, at, across, along, count, depth int) {
	if e.tc == 0 {
		return
	}
	most := int32(1)<<depth - 1
	for range count {
		p1, p0 := int32(pix[at-2*across]), int32(pix[at-across])
		q0, q1 := int32(pix[at]), int32(pix[at+across])
		delta := max(-e.tc, min((((q0-p0)<<2)+p1-q1+4)>>3, e.tc))
		if !e.keepP {
			pix[at-across] = uint16(max(0, min(p0+delta, most)))
		}
		if !e.keepQ {
			pix[at] = uint16(max(0, min(q0-delta, most)))
		}
		at += along
	}
}
