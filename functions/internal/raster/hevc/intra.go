package hevc

// A reference holds the neighbouring samples of a prediction block (section 8.4.4.2). Element 0 of each array is the
// corner.
type reference struct {
	left, top                 [65]uint16 // 2*nTbS samples downward and to the right
	leftFiltered, topFiltered [65]uint16
	line                      [32 + 65]uint16 // ref of an angular mode, whose index 0 is element 32
}

// angles has intraPredAngle by mode (table 8-5).
var angles = [35]int{
	0, 0, 32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32, -26, -21, -17, -13, -9, -5, -2, 0, 2, 5, 9,
	13, 17, 21, 26, 32,
}

// inverseAngles has invAngle of the modes 11 to 25 (table 8-6).
var inverseAngles = [15]int{
	-4096, -1638, -910, -630, -482, -390, -315, -256, -315, -390, -482, -630, -910, -1638, -4096,
}

// filterThresholds has intraHorVerDistThres by Log2 of the block size: filtering applies to modes that are farther
// from horizontal and vertical.
var filterThresholds = [6]int{0, 0, 100, 7, 1, 0}

// predict predicts the block at a position in samples of its plane (section 8.4.4.2).
func (d *decoder) predict(c int, x, y int, log uint, mode uint8) {
	d.readReference(c, x, y, log)
	r, sps := &d.reference, d.sps
	n := 1 << log
	left, top := &r.left, &r.top
	if (c == 0 || sps.chroma == 3) && mode != modeDC && !sps.smoothingDisabled {
		m := int(mode)
		if min(max(m-modeVertical, modeVertical-m), max(m-modeHorizontal, modeHorizontal-m)) > filterThresholds[log] {
			r.filter(n, c == 0 && log == 5 && sps.strongSmooth, sps.depth[0])
			left, top = &r.leftFiltered, &r.topFiltered
		}
	}
	p := &d.planes[c]
	pix, stride := p.pix[p.base+y*p.stride+x:], p.stride
	isEdge := c == 0 && n < 32
	switch {
	case mode == modePlanar:
		planar(pix, stride, log, left, top)
	case mode == modeDC:
		dc(pix, stride, log, left, top, isEdge)
	case mode >= 18:
		line := r.projectReference(top, left, mode, n)
		angularVertical(pix, stride, n, line, angles[mode])
		if mode == modeVertical && isEdge && !(sps.implicitRDPCM && d.cu.bypass) {
			verticalEdge(pix, stride, n, left, top, int32(1)<<sps.depth[c]-1)
		}
	default:
		line := r.projectReference(left, top, mode, n)
		angularHorizontal(pix, stride, n, line, angles[mode])
		if mode == modeHorizontal && isEdge && !(sps.implicitRDPCM && d.cu.bypass) {
			horizontalEdge(pix, n, left, top, int32(1)<<sps.depth[c]-1)
		}
	}
}

// A neighbourhood states which neighbouring samples of a block are available (section 6.4.1).
type neighbourhood struct {
	left, top, corner bool
	below, right      int // numbers of available samples below left and above right
}

// availability derives the neighbourhood of a block. Position and size are in luma samples.
func (d *decoder) availability(p *plane, x, y, width, height int) (n neighbourhood) {
	t := &d.quadtree
	insideX, insideY := x&t.mask != 0, y&t.mask != 0
	n.left, n.top = insideX || t.left, insideY || t.above
	switch {
	case insideX && insideY:
		n.corner = true
	case insideX:
		n.corner = t.above
	case insideY:
		n.corner = t.left
	default:
		n.corner = t.aboveLeft
	}
	order := t.zScanOrder(x, y)
	if next := y + height; n.left && next&t.mask != 0 && next < d.sps.height &&
		(!insideX || t.zScanOrder(x-1, next) < order) {
		n.below = min(height, d.sps.height-next) >> p.subY
	}
	if next := x + width; next < d.sps.width {
		isEnd := next&t.mask == 0 // the next coding tree block starts here
		has := !insideY && (!isEnd && t.above || isEnd && t.aboveRight)
		if insideY {
			has = !isEnd && t.zScanOrder(next, y-1) < order
		}
		if has {
			n.right = min(width, d.sps.width-next) >> p.subX
		}
	}
	return n
}

// readReference collects the neighbouring samples of the block at a position in samples of its plane.
func (d *decoder) readReference(c int, x, y int, log uint) {
	r, p := &d.reference, &d.planes[c]
	n := 1 << log
	has := d.availability(p, x<<p.subX, y<<p.subY, n<<p.subX, n<<p.subY)
	at := p.base + y*p.stride + x
	above, aboveAt := p.pix, at-p.stride
	if y<<p.subY == d.top {
		above, aboveAt = p.above, x
	}
	left, top := r.left[:2*n+1], r.top[:2*n+1]
	if has.top {
		copy(top[1:n+1], above[aboveAt:aboveAt+n])
	}
	if has.right > 0 {
		copy(top[n+1:], above[aboveAt+n:aboveAt+n+has.right])
	}
	if has.left {
		from := at - 1
		for i := 1; i <= n+has.below; i++ {
			left[i] = p.pix[from]
			from += p.stride
		}
	}
	if has.corner {
		top[0] = above[aboveAt-1]
	}
	has.substitute(left, top, n, uint16(1)<<(d.sps.depth[c]-1))
}

// substitute replaces unavailable samples by the available ones next to them, from bottom left to top right (section
// 8.4.4.2.2). An available corner is in top[0].
func (has *neighbourhood) substitute(left, top []uint16, n int, middle uint16) {
	switch {
	case has.corner:
	case has.left:
		top[0] = left[1]
	case has.top:
		top[0] = top[1]
	case has.right > 0:
		top[0] = top[n+1]
	default:
		top[0] = middle
	}
	corner := top[0]
	left[0] = corner
	if has.left {
		fill(left[n+has.below+1:], left[n+has.below])
	} else {
		fill(left, corner)
	}
	if !has.top {
		fill(top[:n+1], corner)
	}
	fill(top[n+1+has.right:], top[n+has.right])
}

func fill(to []uint16, v uint16) {
	for i := range to {
		to[i] = v
	}
}

// filter filters the neighbouring samples (section 8.4.4.2.3).
func (r *reference) filter(n int, isStrong bool, depth int) {
	left, top := r.left[:2*n+1], r.top[:2*n+1]
	leftSmooth, topSmooth := r.leftFiltered[:2*n+1], r.topFiltered[:2*n+1]
	corner := int(top[0])
	if isStrong {
		limit := 1 << (depth - 5)
		a, b := corner+int(top[2*n])-2*int(top[n]), corner+int(left[2*n])-2*int(left[n])
		if max(a, -a) < limit && max(b, -b) < limit {
			l, t := int(left[64]), int(top[64])
			for i := range leftSmooth {
				leftSmooth[i] = uint16(((64-i)*corner + i*l + 32) >> 6)
				topSmooth[i] = uint16(((64-i)*corner + i*t + 32) >> 6)
			}
			return
		}
	}
	first := uint16((int(left[1]) + 2*corner + int(top[1]) + 2) >> 2)
	leftSmooth[0], topSmooth[0] = first, first
	filterLine(leftSmooth, left)
	filterLine(topSmooth, top)
}

func filterLine(to, from []uint16) {
	a, b := uint32(from[0]), uint32(from[1])
	from = from[:len(to)]
	last := len(to) - 1
	for i := 1; i < last; i++ {
		next := uint32(from[i+1])
		to[i] = uint16((a + 2*b + next + 2) >> 2)
		a, b = b, next
	}
	to[last] = from[last]
}

// planar is INTRA_PLANAR (section 8.4.4.2.4).
func planar(pix []uint16, stride int, log uint, left, top *[65]uint16) {
	n := 1 << log
	right, bottom := int32(top[n+1]), int32(left[n+1])
	shift := (log + 1) & 31
	for y := range n {
		row := pix[y*stride:][:n]
		side := int32(left[y+1])
		across := int32(n)*side + int32(n) // the horizontal part, with the rounding offset
		step := right - side
		down, up := int32(n-1-y), int32(y+1)*bottom
		line := top[1:][:len(row)]
		for x := range row {
			across += step
			row[x] = uint16((across + down*int32(line[x]) + up) >> shift)
		}
	}
}

// dc is INTRA_DC (section 8.4.4.2.5). isEdge turns on the filter of the first row and column.
func dc(pix []uint16, stride int, log uint, left, top *[65]uint16, isEdge bool) {
	n := 1 << log
	sum := uint32(n)
	for i := 1; i <= n; i++ {
		sum += uint32(left[i]) + uint32(top[i])
	}
	v := sum >> (log + 1)
	for y := range n {
		row := pix[y*stride:][:n]
		for x := range row {
			row[x] = uint16(v)
		}
	}
	if !isEdge {
		return
	}
	for i := 1; i < n; i++ {
		pix[i] = uint16((uint32(top[i+1]) + 3*v + 2) >> 2)
		pix[i*stride] = uint16((uint32(left[i+1]) + 3*v + 2) >> 2)
	}
	pix[0] = uint16((uint32(left[1]) + 2*v + uint32(top[1]) + 2) >> 2)
}

// projectReference returns ref of an angular mode (section 8.4.4.2.6): the samples of the main side, and before them,
// for negative angles, those projected from the other side.
func (r *reference) projectReference(main, side *[65]uint16, mode uint8, n int) *[97]uint16 {
	copy(r.line[32:], main[:2*n+1])
	angle := angles[mode]
	if angle >= 0 {
		return &r.line
	}
	inverse := inverseAngles[mode-11]
	for x := -1; x > (n*angle)>>5-1; x-- {
		r.line[(32+x)&127] = side[(x*inverse+128)>>8]
	}
	return &r.line
}

// angularVertical predicts row by row, for the modes 18 to 34.
func angularVertical(pix []uint16, stride, n int, line *[97]uint16, angle int) {
	at := 0
	for y := range n {
		at += angle
		from := line[33+at>>5:]
		part := uint32(at & 31)
		row := pix[y*stride:][:n]
		if part == 0 {
			copy(row, from)
			continue
		}
		from = from[:len(row)+1]
		a := uint32(from[0])
		for x := range row {
			b := uint32(from[x+1])
			row[x] = uint16(((32-part)*a + part*b + 16) >> 5)
			a = b
		}
	}
}

// angularHorizontal predicts column by column, for the modes 2 to 17.
func angularHorizontal(pix []uint16, stride, n int, line *[97]uint16, angle int) {
	at := 0
	for x := range n {
		at += angle
		from := line[33+at>>5:]
		part := uint32(at & 31)
		column := pix[x:]
		to := 0
		if part == 0 {
			for _, v := range from[:n] {
				column[to] = v
				to += stride
			}
			continue
		}
		a := uint32(from[0])
		for _, v := range from[1 : n+1] {
			b := uint32(v)
			column[to] = uint16(((32-part)*a + part*b + 16) >> 5)
			a = b
			to += stride
		}
	}
}

// verticalEdge filters the first column of vertical prediction (disableIntraBoundaryFilter is 0).
func verticalEdge(pix []uint16, stride, n int, left, top *[65]uint16, most int32) {
	for y := range n {
		v := int32(top[1]) + (int32(left[y+1])-int32(top[0]))>>1
		pix[y*stride] = uint16(max(0, min(v, most)))
	}
}

// horizontalEdge filters the first row of horizontal prediction.
func horizontalEdge(pix []uint16, n int, left, top *[65]uint16, most int32) {
	row := pix[:n]
	for x := range row {
		v := int32(left[1]) + (int32(top[x+1])-int32(top[0]))>>1
		row[x] = uint16(max(0, min(v, most)))
	}
}
