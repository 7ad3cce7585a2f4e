package av1

// modeAngles is Mode_To_Angle.
var modeAngles = [9]int{0, 90, 180, 45, 135, 113, 157, 203, 67}

// derivatives is Dr_Intra_Derivative, by half the angle.
var derivatives = func() (t [45]int) {
	for _, v := range [...][2]int{
		{3, 1023}, {6, 547}, {9, 372}, {14, 273}, {17, 215}, {20, 178}, {23, 151}, {26, 132}, {29, 116}, {32, 102},
		{36, 90}, {39, 80}, {42, 71}, {45, 64}, {48, 57}, {51, 51}, {54, 45}, {58, 40}, {61, 35}, {64, 31}, {67, 27},
		{70, 23}, {73, 19}, {76, 15}, {81, 11}, {84, 7}, {87, 3},
	} {
		t[v[0]/2] = v[1]
	}
	return t
}()

// predictDirection is the process of section 7.11.2.4.
func (d *decoder) predictDirection(q *prediction, to []uint16, stride int) {
	angle := modeAngles[q.mode] + 3*q.angle
	e := &d.edges
	upsampledAbove, upsampledLeft := false, false
	if d.sequence.enableEdgeFilter && angle != 90 && angle != 180 {
		upsampledAbove, upsampledLeft = d.filterEdges(q, angle)
	}
	switch {
	case angle == 90:
		for y := range q.h {
			copy(to[y*stride:][:q.w], e.above[edgeStart:])
		}
	case angle == 180:
		for y := range q.h {
			fill(to[y*stride:][:q.w], e.left[edgeStart+y])
		}
	case angle < 90:
		predictAbove(to, stride, q, e, derivatives[angle/2], upsampledAbove)
	case angle < 180:
		predictBetween(to, stride, q, e, derivatives[(180-angle)/2], derivatives[(angle-90)/2], upsampledAbove,
			upsampledLeft)
	default:
		predictLeft(to, stride, q, e, derivatives[(270-angle)/2], upsampledLeft)
	}
}

// interpolate returns a sample between two, in steps of 1/32.
func interpolate(a, b uint16, shift uint32) uint16 {
	return uint16((uint32(a)*(32-shift) + uint32(b)*shift + 16) >> 5)
}

// predictAbove predicts from above at angles below 90 degrees.
func predictAbove(to []uint16, stride int, q *prediction, e *intraEdges, dx int, isUpsampled bool) {
	up := uint(0)
	if isUpsampled {
		up = 1
	}
	above := e.above[edgeStart:]
	last := (q.w + q.h - 1) << up
	for y := range q.h {
		row := to[y*stride:][:q.w]
		index := (y + 1) * dx
		base, shift := index>>(6-up), uint32(index<<up>>1&31)
		if isUpsampled {
			for x := range row {
				if at := base + 2*x; at < last {
					row[x] = interpolate(above[at], above[at+1], shift)
				} else {
					row[x] = above[last]
				}
			}
			continue
		}
		n := min(max(last-base, 0), q.w)
		if n > 0 {
			from := above[base:][:n+1]
			v := from[0]
			for x := range row[:n] {
				next := from[x+1]
				row[x] = interpolate(v, next, shift)
				v = next
			}
		}
		fill(row[n:], above[last])
	}
}

// predictLeft predicts from the left at angles above 180 degrees.
func predictLeft(to []uint16, stride int, q *prediction, e *intraEdges, dy int, isUpsampled bool) {
	up := uint(0)
	if isUpsampled {
		up = 1
	}
	for x := range q.w {
		index := (x + 1) * dy
		base, shift := index>>(6-up), uint32(index<<up>>1&31)
		left := e.left[edgeStart+base:]
		for y := range q.h {
			at := y << up
			to[y*stride+x] = interpolate(left[at], left[at+1], shift)
		}
	}
}

// predictBetween predicts from above and from the left at angles between 90 and 180 degrees.
func predictBetween(to []uint16, stride int, q *prediction, e *intraEdges, dx, dy int, upAbove, upLeft bool) {
	ua, ul := uint(0), uint(0)
	if upAbove {
		ua = 1
	}
	if upLeft {
		ul = 1
	}
	for y := range q.h {
		row := to[y*stride:][:q.w]
		index := -(y + 1) * dx
		shift := uint32(index << ua >> 1 & 31)
		base := index >> (6 - ua)
		// The first sample that is predicted from above: where base + x<<ua is at least -(1 << ua).
		first := min(max((-base-1)>>ua, 0), q.w)
		for x := range row[:first] {
			index := y<<6 - (x+1)*dy
			at := edgeStart + index>>(6-ul)
			row[x] = interpolate(e.left[at], e.left[at+1], uint32(index<<ul>>1&31))
		}
		if upAbove {
			for x := first; x < q.w; x++ {
				at := edgeStart + base + 2*x
				row[x] = interpolate(e.above[at], e.above[at+1], shift)
			}
			continue
		}
		if first < q.w {
			from := e.above[edgeStart+base+first:][:q.w-first+1]
			v := from[0]
			for x, next := range from[1:] {
				row[first+x] = interpolate(v, next, shift)
				v = next
			}
		}
	}
}

// filterEdges filters or upsamples the edges, and reports which are upsampled.
func (d *decoder) filterEdges(q *prediction, angle int) (upAbove, upLeft bool) {
	e, p := &d.edges, &d.planes[q.plane]
	isSmooth := d.isNearSmooth(q.plane)
	limit := int32(1)<<d.depth - 1
	if angle > 90 && angle < 180 && q.w+q.h >= 24 {
		s := 5*uint32(e.left[edgeStart]) + 6*uint32(e.above[edgeStart-1]) + 5*uint32(e.above[edgeStart])
		corner := uint16((s + 8) >> 4)
		e.above[edgeStart-1], e.left[edgeStart-1] = corner, corner
	}
	moreAbove, moreLeft := 0, 0
	if angle < 90 {
		moreAbove = q.h
	}
	if angle > 180 {
		moreLeft = q.w
	}
	if q.hasAbove {
		n := min(q.w, (d.miColumns*4)>>p.subX-q.x) + moreAbove + 1
		filterEdge(e.above[edgeStart-1:][:n], e.scratch[:], edgeStrength(q.w+q.h, isSmooth, angle-90))
	}
	if q.hasLeft {
		n := min(q.h, (d.miRows*4)>>p.subY-q.y) + moreLeft + 1
		filterEdge(e.left[edgeStart-1:][:n], e.scratch[:], edgeStrength(q.w+q.h, isSmooth, angle-180))
	}
	if upAbove = upsamples(q.w+q.h, isSmooth, angle-90); upAbove {
		upsample(&e.above, e.scratch[:], q.w+moreAbove, limit)
	}
	if upLeft = upsamples(q.w+q.h, isSmooth, angle-180); upLeft {
		upsample(&e.left, e.scratch[:], q.h+moreLeft, limit)
	}
	return upAbove, upLeft
}

// isNearSmooth is get_filter_type: whether the block above or to the left is predicted smoothly.
func (d *decoder) isNearSmooth(plane int) bool {
	b, t := &d.block, &d.tile
	isSmooth := func(mode uint8) bool { return modeSmooth <= mode && mode <= modeSmoothH }
	if plane == 0 {
		return b.hasAbove && isSmooth(b.above.mode) || b.hasLeft && isSmooth(b.left.mode)
	}
	p := &d.planes[plane]
	return b.hasAboveChroma && isSmooth(t.aboveUV[b.column>>p.subX]) ||
		b.hasLeftChroma && isSmooth(t.leftUV[(b.row&31)>>p.subY])
}

// edgeStrength is the process of section 7.11.2.9. The size is the sum of the sides of the block.
func edgeStrength(size int, isSmooth bool, delta int) int {
	delta = max(delta, -delta)
	pick := func(limits ...int) int { // the strength of the last limit that delta reaches
		strength := 0
		for i, limit := range limits {
			if delta >= limit {
				strength = i + 1
			}
		}
		return strength
	}
	if isSmooth {
		switch {
		case size <= 8:
			return pick(40, 64)
		case size <= 16:
			return pick(20, 48)
		case size <= 24 && delta < 4:
			return 0
		default:
			return 3
		}
	}
	switch {
	case size <= 8:
		return pick(56)
	case size <= 16:
		return pick(40)
	case size <= 24:
		return pick(8, 16, 32)
	case size <= 32:
		return pick(0, 4, 32)
	default:
		return 3
	}
}

// upsamples is the process of section 7.11.2.10.
func upsamples(size int, isSmooth bool, delta int) bool {
	delta = max(delta, -delta)
	if isSmooth {
		size *= 2
	}
	return 0 < delta && delta < 40 && size <= 16
}

// filterEdge is the process of section 7.11.2.12. The first sample stays.
func filterEdge(edge, scratch []uint16, strength int) {
	if strength == 0 {
		return
	}
	from := scratch[:len(edge)+4]
	n := len(edge)
	from[0], from[1] = edge[0], edge[0]
	copy(from[2:], edge)
	from[n+2], from[n+3] = edge[n-1], edge[n-1]
	for i := 1; i < n; i++ {
		f := from[i:][:5]
		var sum uint32
		switch strength {
		case 1:
			sum = 4*uint32(f[1]) + 8*uint32(f[2]) + 4*uint32(f[3])
		case 2:
			sum = 5*uint32(f[1]) + 6*uint32(f[2]) + 5*uint32(f[3])
		default:
			sum = 2*uint32(f[0]) + 4*(uint32(f[1])+uint32(f[2])+uint32(f[3])) + 2*uint32(f[4])
		}
		edge[i] = uint16((sum + 8) >> 4)
	}
}

// upsample is the process of section 7.11.2.11: it doubles the number of samples of an edge.
func upsample(edge *[edgeStart + 2*64 + 32]uint16, scratch []uint16, n int, limit int32) {
	from := scratch[:n+3]
	from[0] = edge[edgeStart-1]
	copy(from[1:], edge[edgeStart-1:][:n+1])
	from[n+2] = edge[edgeStart+n-1]
	to := edge[edgeStart-2:]
	to[0] = from[0]
	for i := range n {
		sum := 9*(int32(from[i+1])+int32(from[i+2])) - int32(from[i]) - int32(from[i+3])
		to[2*i+1] = uint16(min(max((sum+8)>>4, 0), limit))
		to[2*i+2] = from[i+2]
	}
}
