package hevc

// Flags of a block of 8x8 luma samples in picture.edges: which halves of its left and its top border are edges of
// transform blocks, and that its samples are not filtered.
const (
	edgeLeft   = 1 << 0 // upper half; the lower one is twice that
	edgeTop    = 1 << 2 // left half; the right one is twice that
	unfiltered = 1 << 4
)

// crosses reports whether the edge between two coding tree blocks is filtered; the first one is the later one.
func (d *decoder) crosses(at, before int) bool {
	return (d.cur.across || d.ctbs[at].slice == d.ctbs[before].slice) && (d.pps.acrossTiles || d.tileOf(at) == d.tileOf(before))
}

// markEdges notes the left and the top edge of a transform block (section 8.7.2.3). Those within blocks of 8x8 are not
// filtered. All blocks are intra, so the filter has its full strength everywhere.
func (d *decoder) markEdges(x, y int, log uint) {
	if !d.filtered || d.cur.deblockDisabled {
		return
	}
	t := &d.tree
	at := y>>3*d.blocksAcross + x>>3
	n := 1 << log
	if x&7 == 0 && (x > t.x || t.filterLeft) {
		if log == 2 {
			d.edges[at] |= edgeLeft << (y >> 2 & 1)
		} else {
			for i := range n >> 3 {
				d.edges[at+i*d.blocksAcross] |= 3 * edgeLeft
			}
		}
	}
	if y&7 == 0 && (y > t.y || t.filterUp) {
		if log == 2 {
			d.edges[at] |= edgeTop << (x >> 2 & 1)
		} else {
			for i := range n >> 3 {
				d.edges[at+i] |= 3 * edgeTop
			}
		}
	}
}

// betas and tcs are table 8-12.
var betas = [52]uint8{
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24,
	26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64,
}

var tcs = [54]uint8{
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3,
	3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10, 11, 13, 14, 16, 18, 20, 22, 24,
}

// tcOf is the limit of changes, by an index that is cut off.
func tcOf(index, depth int) int32 {
	return int32(tcs[max(0, min(index, 53))]) << (depth - 8)
}

// deblock filters the edges of the strip, down to a luma row: first the vertical ones, then the horizontal ones, of which
// that at the bottom belongs to the next strip (section 8.7.2).
func (d *decoder) deblock(bottom int) {
	first, last := d.top>>3, (bottom+7)>>3
	width := d.sps.width >> 3
	for by := first; by < last; by++ {
		row := d.edges[by*d.blocksAcross:][:width]
		for bx, flags := range row {
			if flags&(3*edgeLeft) != 0 {
				d.deblockVertical(bx, by, flags)
			}
		}
	}
	for by := first; by < last; by++ {
		row := d.edges[by*d.blocksAcross:][:width]
		for bx, flags := range row {
			if flags&(3*edgeTop) != 0 {
				d.deblockHorizontal(bx, by, flags)
			}
		}
	}
}

// An edge is where an edge of 4 or 8 samples is, and how it is filtered.
type edge struct {
	beta, tc     int32
	keepP, keepQ bool // samples on the left or above, and those on the other side, stay as they are
}

// edgeBetween says how the edge between a block of 8x8 and one before it is filtered.
func (d *decoder) edgeBetween(at, before int, s *slice) (e edge, qp int) {
	qp = (int(d.qp[at]) + int(d.qp[before]) + 1) >> 1
	depth := d.sps.depth[0]
	e.beta = int32(betas[max(0, min(qp+s.beta, 51))]) << (depth - 8)
	e.tc = tcOf(qp+2+s.tc, depth)
	e.keepP, e.keepQ = d.edges[before]&unfiltered != 0, d.edges[at]&unfiltered != 0
	return e, qp
}

// sliceAt is the slice that a block of 8x8 belongs to.
func (d *decoder) sliceAt(bx, by int) *slice {
	shift := d.sps.ctb - 3
	return &d.slices[d.ctbs[by>>shift*d.across+bx>>shift].slice-1]
}

func (d *decoder) deblockVertical(bx, by int, flags uint8) {
	at := by*d.blocksAcross + bx
	s := d.sliceAt(bx, by)
	e, qp := d.edgeBetween(at, at-1, s)
	p := &d.planes[0]
	for half := range 2 {
		if flags>>half&edgeLeft != 0 {
			e.luma(p.pix, p.base+(8*by+4*half)*p.stride+8*bx, 1, p.stride, d.sps.depth[0])
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
				e.chroma(p.pix, p.base+(8*by>>p.subY+rows*half)*p.stride+8*bx>>p.subX, 1, p.stride, rows, d.sps.depth[c])
			}
		}
	}
}

func (d *decoder) deblockHorizontal(bx, by int, flags uint8) {
	at := by*d.blocksAcross + bx
	s := d.sliceAt(bx, by)
	e, qp := d.edgeBetween(at, at-d.blocksAcross, s)
	p := &d.planes[0]
	for half := range 2 {
		if flags>>half&edgeTop != 0 {
			e.luma(p.pix, p.base+8*by*p.stride+8*bx+4*half, p.stride, 1, d.sps.depth[0])
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
				e.chroma(p.pix, p.base+8*by>>p.subY*p.stride+8*bx>>p.subX+columns*half, p.stride, 1, columns, d.sps.depth[c])
			}
		}
	}
}

// chromaTc is the limit for chroma edges (section 8.7.2.5.5), which depends on the offset of the picture only.
func (d *decoder) chromaTc(qp, c int, s *slice) int32 {
	return tcOf(chromaQP(qp+d.pps.chromaQP[c], d.sps.chroma)+2+s.tc, d.sps.depth[c])
}

// luma filters 4 lines of an edge (sections 8.7.2.5.3, 8.7.2.5.6 and 8.7.2.5.7). The samples of a line are across apart, and lines are
// along apart.
func (e *edge) luma(pix []uint16, at, across, along, depth int) {
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
	if e.isFlat(2*(dp0+dq0), line0(0), line0(3), line0(4), line0(7)) && e.isFlat(2*(dp3+dq3), line3(0), line3(3), line3(4), line3(7)) {
		for range 4 {
			e.strong(pix, at, across)
			at += along
		}
		return
	}
	limit := (e.beta + e.beta>>1) >> 3
	changesP, changesQ := dp0+dp3 < limit, dq0+dq3 < limit
	most := int32(1)<<depth - 1
	for range 4 {
		e.weak(pix, at, across, changesP, changesQ, most)
		at += along
	}
}

func abs(v int32) int32 { return max(v, -v) }

// isFlat is section 8.7.2.5.6.
func (e *edge) isFlat(second, p3, p0, q0, q3 int32) bool {
	return second < e.beta>>2 && abs(p3-p0)+abs(q0-q3) < e.beta>>3 && abs(p0-q0) < (5*e.tc+1)>>1
}

// strong filters a line of a flat edge.
func (e *edge) strong(pix []uint16, at, across int) {
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

// weak filters a line of an edge that is less flat.
func (e *edge) weak(pix []uint16, at, across int, changesP, changesQ bool, most int32) {
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

// chroma filters lines of an edge (section 8.7.2.5.8).
func (e *edge) chroma(pix []uint16, at, across, along, count, depth int) {
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
