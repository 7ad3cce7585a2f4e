package hevc

// finishCTU ends a coding tree unit. After the last one of a strip, it applies the in-loop filters and emits rows.
func (d *decoder) finishCTU(at int) error {
	bottom, ends := d.endsStrip(at, d.sps.ctb)
	if !ends {
		return nil
	}
	isLast := d.done == len(d.ctbs)
	bottom = min(bottom, d.sps.height)
	if isLast {
		bottom = d.sps.height
	}
	for c := range d.count {
		p := &d.planes[c]
		last := p.base + (bottom>>p.subY-1)*p.stride
		copy(p.above, p.pix[last:last+p.stride])
	}
	end := bottom
	if d.filtered {
		d.deblock(bottom)
		if !isLast {
			end -= 4 // the deblocking of the next edge, and then SAO, need these rows
		}
	}
	if err := d.emitRows(end); err != nil {
		return err
	}
	d.advance(bottom)
	return nil
}

// advance starts the next strip: it moves the last rows of this one above it.
func (d *decoder) advance(bottom int) {
	for c := range d.count {
		p := &d.planes[c]
		from := p.base + (bottom-margin)>>p.subY*p.stride
		copy(p.pix, p.pix[max(0, from):][:margin>>p.subY*p.stride])
	}
	d.top = bottom
	d.setPlaneBases()
}

// emitRows emits the luma rows up to end, and the chroma rows that belong to them.
func (d *decoder) emitRows(end int) error {
	sps := d.sps
	first := max(d.emitted, sps.cropY)
	end = min(end, sps.cropY+sps.info.Height)
	d.emitted = max(d.emitted, end)
	if end <= first {
		return nil
	}
	var rows Rows
	is8 := sps.depth[0] == 8 && (d.count == 1 || sps.depth[1] == 8)
	for c := range d.count {
		p := &d.planes[c]
		width := (sps.info.Width + 1<<p.subX - 1) >> p.subX
		top, bottom := first>>p.subY, (end+1<<p.subY-1)>>p.subY
		left := sps.cropX >> p.subX
		s := &rows[c]
		s.Stride, s.Width, s.Height = p.width, width, bottom-top
		if is8 {
			d.out8[c] = outputRows(d, d.out8[c], c, top, bottom)
			s.Pix8 = d.out8[c][left:]
		} else {
			d.out16[c] = outputRows(d, d.out16[c], c, top, bottom)
			s.Pix16 = d.out16[c][left:]
		}
	}
	return d.emit(&rows)
}

// outputRows copies rows of a plane and applies SAO to them.
func outputRows[T uint8 | uint16](d *decoder, to []T, c, top, bottom int) []T {
	p := &d.planes[c]
	if size := p.width * (bottom - top); cap(to) < size {
		to = make([]T, size)
	} else {
		to = to[:size]
	}
	for y := top; y < bottom; y++ {
		row := to[(y-top)*p.width:][:p.width]
		for x, v := range p.pix[p.base+y*p.stride:][:p.width] {
			row[x] = T(v)
		}
	}
	if !d.filtered || !d.sps.sao {
		return to
	}
	sizeY := 1 << d.sps.ctb >> p.subY
	for y := top; y < bottom; {
		row := y / sizeY
		next := min(bottom, (row+1)*sizeY)
		for column := range d.ctbColumns {
			applySAO(d, to, c, row*d.ctbColumns+column, top, y, next)
		}
		y = next
	}
	return to
}

// applySAO applies sample adaptive offset to some rows of a coding tree block. The first row of to is row top of the
// plane.
func applySAO[T uint8 | uint16](d *decoder, to []T, c, at, top, from, end int) {
	s := &d.ctbs[at].sao[c]
	if s.kind == 0 {
		return
	}
	p := &d.planes[c]
	left := at % d.ctbColumns << d.sps.ctb >> p.subX
	right := min(left+1<<d.sps.ctb>>p.subX, p.width)
	area := area{left, from, right, end}
	if s.kind == saoBand {
		bandOffset(to[(from-top)*p.width+left:], p.width, p.pix[p.base+from*p.stride+left:], p.stride,
			right-left, end-from, s, d.sps.depth[c])
	} else {
		edgeOffsetArea(d, to, c, at, top, area, s)
	}
	if d.pps.bypassEnabled || d.sps.pcm && d.sps.pcmUnfiltered {
		restoreUnfiltered(d, to, c, top, area)
	}
}

// An area is a rectangle of samples, without its right column and bottom row.
type area struct{ left, top, right, bottom int }

// edgeOffsetArea applies edge offset to an area. Samples keep their values if a neighbour is outside the picture, or
// in a slice or tile across whose boundary filters do not work.
func edgeOffsetArea[T uint8 | uint16](d *decoder, to []T, c, at, top int, a area, s *saoParams) {
	p := &d.planes[c]
	sizeY := 1 << d.sps.ctb >> p.subY
	x, y := at%d.ctbColumns, at/d.ctbColumns
	inner := a
	usesX, usesY := s.class != 1, s.class != 0
	isTop, isBottom := a.top == y*sizeY, a.bottom == min((y+1)*sizeY, d.sps.height>>p.subY)
	if usesX && !d.mayReadForSAO(at, x-1, y) {
		inner.left++
	}
	if usesX && !d.mayReadForSAO(at, x+1, y) {
		inner.right--
	}
	if usesY && isTop && !d.mayReadForSAO(at, x, y-1) {
		inner.top++
	}
	if usesY && isBottom && !d.mayReadForSAO(at, x, y+1) {
		inner.bottom--
	}
	edgeOffsetPart(d, to, c, top, inner, s)
	if s.class >= 2 {
		edgeOffsetCorners(d, to, c, at, top, a, inner, s)
	}
}

// edgeOffsetPart applies edge offset to a part of a coding tree block, which may be empty.
func edgeOffsetPart[T uint8 | uint16](d *decoder, to []T, c, top int, a area, s *saoParams) {
	if a.left >= a.right || a.top >= a.bottom {
		return
	}
	p := &d.planes[c]
	edgeOffset(to[(a.top-top)*p.width+a.left:], p.width, p.pix, p.base+a.top*p.stride+a.left, p.stride,
		a.right-a.left, a.bottom-a.top, s, d.sps.depth[c])
}

// edgeOffsetCorners corrects the corners of a coding tree block for diagonal classes: one neighbour of a corner sample
// is in a diagonally adjacent block, and the other in this block.
func edgeOffsetCorners[T uint8 | uint16](d *decoder, to []T, c, at, top int, a, inner area, s *saoParams) {
	p := &d.planes[c]
	sizeY := 1 << d.sps.ctb >> p.subY
	x, y := at%d.ctbColumns, at/d.ctbColumns
	isTop, isBottom := a.top == y*sizeY, a.bottom == min((y+1)*sizeY, d.sps.height>>p.subY)
	for _, corner := range [4][2]int{{-1, -1}, {1, -1}, {-1, 1}, {1, 1}} {
		isDescending := corner[0] == corner[1]
		isCorner := corner[1] < 0 && isTop || corner[1] > 0 && isBottom
		if !isCorner || isDescending != (s.class == 2) {
			continue
		}
		cx, cy := a.left, a.top
		if corner[0] > 0 {
			cx = a.right - 1
		}
		if corner[1] > 0 {
			cy = a.bottom - 1
		}
		isInner := cx >= inner.left && cx < inner.right && cy >= inner.top && cy < inner.bottom
		switch adapts := d.mayReadForSAO(at, x+corner[0], y+corner[1]); {
		case adapts && !isInner:
			edgeOffsetPart(d, to, c, top, area{cx, cy, cx + 1, cy + 1}, s)
		case !adapts && isInner:
			to[(cy-top)*p.width+cx] = T(p.pix[p.base+cy*p.stride+cx])
		}
	}
}

// mayReadForSAO reports whether SAO of a coding tree block may read samples of another one (section 8.7.3.2). The
// flag of the later slice decides.
func (d *decoder) mayReadForSAO(at, x, y int) bool {
	if x < 0 || y < 0 || x >= d.ctbColumns || y >= d.ctbRows {
		return false
	}
	other := y*d.ctbColumns + x
	if a, b := d.ctbs[at].slice, d.ctbs[other].slice; a != b && !d.slices[max(a, b)-1].filterAcross {
		return false
	}
	return d.pps.acrossTiles || d.tileID(at) == d.tileID(other)
}

// restoreUnfiltered restores the samples of blocks that are excluded from filters.
func restoreUnfiltered[T uint8 | uint16](d *decoder, to []T, c, top int, a area) {
	p := &d.planes[c]
	for y := a.top; y < a.bottom; y++ {
		row := d.edges[y<<p.subY>>3*d.blockStride:]
		from := p.pix[p.base+y*p.stride:]
		for x := a.left; x < a.right; x++ {
			if row[x<<p.subX>>3]&unfiltered != 0 {
				to[(y-top)*p.width+x] = T(from[x])
			}
		}
	}
}
