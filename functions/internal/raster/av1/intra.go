package av1

// edgeStart is the index of sample 0 of an edge: filters read and write some samples before it.
const edgeStart = 16

// intraEdges are the samples around a transform block: AboveRow and LeftCol, from index edgeStart on, with the corner
// before it. Upsampled edges have twice as many samples.
type intraEdges struct {
	above, left [edgeStart + 2*64 + 32]uint16
	scratch     [edgeStart + 2*64 + 32]uint16
}

// predict predicts a transform block (section 7.11.2). isAbove and isBelow are haveAboveRight and haveBelowLeft.
func (d *decoder) predict(plane int, tx txSize, row, column int, isAbove, isBelow bool) {
	b, p := &d.block, &d.planes[plane]
	if b.colors[min(plane, 1)] > 0 {
		d.predictPalette(plane, tx, row, column)
		return
	}
	q := prediction{plane: plane, x: column * 4, y: row * 4, w: 1 << txWidthLog2[tx], h: 1 << txHeightLog2[tx]}
	q.hasAbove, q.hasLeft = b.hasAbove, b.hasLeft
	q.mode, q.angle = b.mode, b.angle
	if plane > 0 {
		q.hasAbove, q.hasLeft = b.hasAboveChroma, b.hasLeftChroma
		q.mode, q.angle = b.uvMode, b.uvAngle
	}
	q.hasAbove = q.hasAbove || row > b.row>>p.subY
	q.hasLeft = q.hasLeft || column > b.column>>p.subX
	d.predictIntra(&q, plane == 0 && b.usesFilter, isAbove, isBelow)
}

// predictIntra predicts samples from those around them.
func (d *decoder) predictIntra(q *prediction, usesFilter, isAbove, isBelow bool) {
	p := &d.planes[q.plane]
	isCFL := q.mode == modeCFL
	if isCFL {
		q.mode = modeDC
	}
	needs := q.w + q.h
	if !isDirectional(q.mode) {
		needs = 0
	}
	d.loadEdges(q, isAbove, isBelow, needs)
	to := p.pix[p.index(q.x, q.y):]
	e := &d.edges
	above, left := e.above[edgeStart:][:q.w], e.left[edgeStart:][:q.h]
	switch {
	case usesFilter:
		predictFiltered(to, p.stride, e, q.w, q.h, d.block.filterMode, int32(1)<<d.depth-1)
	case isDirectional(q.mode):
		d.predictDirection(q, to, p.stride)
	case q.mode == modeSmooth:
		predictSmooth(to, p.stride, above, left)
	case q.mode == modeSmoothV:
		predictSmoothV(to, p.stride, above, left)
	case q.mode == modeSmoothH:
		predictSmoothH(to, p.stride, above, left)
	case q.mode == modePaeth:
		predictPaeth(to, p.stride, above, left, int32(e.above[edgeStart-1]))
	default:
		fillBlock(to, p.stride, q.w, q.h, d.average(q, above, left))
	}
	if isCFL {
		d.predictFromLuma(q, to, p.stride)
	}
}

// A prediction is a transform block that is predicted, in samples.
type prediction struct {
	plane, x, y, w, h int
	hasAbove, hasLeft bool
	mode              uint8
	angle             int // AngleDeltaY or AngleDeltaUV
}

// loadEdges loads the samples around a block: as many as the block has, and at least needs.
func (d *decoder) loadEdges(q *prediction, isAbove, isBelow bool, needs int) {
	p, e := &d.planes[q.plane], &d.edges
	above, left := e.above[edgeStart:][:max(q.w, needs)], e.left[edgeStart:][:max(q.h, needs)]
	row := d.rowAbove(q)
	at := 0 // of the sample to the left
	if q.hasLeft {
		at = p.index(q.x-1, q.y)
	}
	middle := uint16(1) << (d.depth - 1)
	switch {
	case q.hasAbove:
		n := q.w
		if isAbove {
			n *= 2
		}
		loaded := row[q.x:min(q.x+n, (d.miColumns*4)>>p.subX, q.x+len(above))]
		extend(above, copy(above, loaded))
	case q.hasLeft:
		fill(above, p.pix[at])
	default:
		fill(above, middle-1)
	}
	switch {
	case q.hasLeft:
		n := q.h
		if isBelow {
			n *= 2
		}
		n = min(n, (d.miRows*4)>>p.subY-q.y, len(left))
		for i := range n {
			left[i] = p.pix[at+i*p.stride]
		}
		extend(left, n)
	case q.hasAbove:
		fill(left, row[q.x])
	default:
		fill(left, middle+1)
	}
	corner := middle
	switch {
	case q.hasAbove && q.hasLeft:
		corner = row[q.x-1]
	case q.hasAbove:
		corner = row[q.x]
	case q.hasLeft:
		corner = p.pix[at]
	}
	e.above[edgeStart-1], e.left[edgeStart-1] = corner, corner
}

// rowAbove returns the row above a block, from column 0 on. At the top of a superblock, in-loop filters may have
// changed it in the plane.
func (d *decoder) rowAbove(q *prediction) []uint16 {
	p := &d.planes[q.plane]
	if !q.hasAbove {
		return nil
	}
	if q.y&(1<<d.sbLog2>>p.subY-1) == 0 {
		return d.tile.aboveRows[q.plane]
	}
	return p.pix[p.index(0, q.y-1):][:p.stride]
}

func fill(to []uint16, v uint16) {
	for i := range to {
		to[i] = v
	}
}

// extend repeats the last of n samples.
func extend(to []uint16, n int) { fill(to[n:], to[n-1]) }

func fillBlock(to []uint16, stride, w, h int, v uint16) {
	first := to[:w]
	fill(first, v)
	for y := 1; y < h; y++ {
		copy(to[y*stride:][:w], first)
	}
}

// average is the process of section 7.11.2.5.
func (d *decoder) average(q *prediction, above, left []uint16) uint16 {
	if !q.hasAbove && !q.hasLeft {
		return uint16(1) << (d.depth - 1)
	}
	sum, n := uint32(0), 0
	if q.hasAbove {
		n += q.w
		for _, v := range above {
			sum += uint32(v)
		}
	}
	if q.hasLeft {
		n += q.h
		for _, v := range left {
			sum += uint32(v)
		}
	}
	return uint16((sum + uint32(n)>>1) / uint32(n))
}

// predictPaeth is the process of section 7.11.2.2.
func predictPaeth(to []uint16, stride int, above, left []uint16, corner int32) {
	for y, l := range left {
		l := int32(l)
		row := to[y*stride:][:len(above)]
		for x, a := range above {
			a := int32(a)
			toLeft, toAbove, toCorner := abs(a-corner), abs(l-corner), abs(a+l-2*corner)
			switch {
			case toLeft <= toAbove && toLeft <= toCorner:
				row[x] = uint16(l)
			case toAbove <= toCorner:
				row[x] = uint16(a)
			default:
				row[x] = uint16(corner)
			}
		}
	}
}

// smoothWeights are Sm_Weights_Tx_4x4 to Sm_Weights_Tx_64x64: those of n samples start at n.
var smoothWeights = [128]uint8{
	4: 255, 149, 85, 64,
	8: 255, 197, 146, 105, 73, 50, 37, 32,
	16: 255, 225, 196, 170, 145, 123, 102, 84, 68, 54, 43, 33, 26, 20, 17, 16,
	32: 255, 240, 225, 210, 196, 182, 169, 157, 145, 133, 122, 111, 101, 92, 83, 74, 66, 59, 52, 45, 39, 34, 29, 25, 21,
	17, 14, 12, 10, 9, 8, 8,
	64: 255, 248, 240, 233, 225, 218, 210, 203, 196, 189, 182, 176, 169, 163, 156, 150, 144, 138, 133, 127, 121, 116,
	111, 106, 101, 96, 91, 86, 82, 77, 73, 69, 65, 61, 57, 54, 50, 47, 44, 41, 38, 35, 32, 29, 27, 25, 22, 20, 18, 16,
	15, 13, 12, 10, 9, 8, 7, 6, 6, 5, 5, 4, 4, 4,
}

// predictSmooth is the process of section 7.11.2.6 for SMOOTH_PRED.
func predictSmooth(to []uint16, stride int, above, left []uint16) {
	w, h := len(above), len(left)
	weightsX, weightsY := smoothWeights[w:][:w], smoothWeights[h:][:h]
	right, below := uint32(above[w-1]), uint32(left[h-1])
	for y, l := range left {
		row := to[y*stride:][:w]
		weight := uint32(weightsY[y])
		l, fixed := uint32(l), (256-weight)*below+256*right+256
		for x, a := range above {
			row[x] = uint16((weight*uint32(a) + fixed + uint32(weightsX[x])*(l-right)) >> 9)
		}
	}
}

// predictSmoothV is the process of section 7.11.2.6 for SMOOTH_V_PRED.
func predictSmoothV(to []uint16, stride int, above, left []uint16) {
	h := len(left)
	weights, below := smoothWeights[h:][:h], uint32(left[h-1])
	for y, weight := range weights {
		row := to[y*stride:][:len(above)]
		weight, fixed := uint32(weight), (256-uint32(weight))*below+128
		for x, a := range above {
			row[x] = uint16((weight*uint32(a) + fixed) >> 8)
		}
	}
}

// predictSmoothH is the process of section 7.11.2.6 for SMOOTH_H_PRED.
func predictSmoothH(to []uint16, stride int, above, left []uint16) {
	w := len(above)
	weights, right := smoothWeights[w:][:w], uint32(above[w-1])
	for y, l := range left {
		row := to[y*stride:][:w]
		difference, fixed := uint32(l)-right, 256*right+128
		for x, weight := range weights {
			row[x] = uint16((uint32(weight)*difference + fixed) >> 8)
		}
	}
}

// filterTaps are Intra_Filter_Taps.
var filterTaps = [5][8][7]int8{
	{
		{-6, 10, 0, 0, 0, 12, 0}, {-5, 2, 10, 0, 0, 9, 0}, {-3, 1, 1, 10, 0, 7, 0}, {-3, 1, 1, 2, 10, 5, 0},
		{-4, 6, 0, 0, 0, 2, 12}, {-3, 2, 6, 0, 0, 2, 9}, {-3, 2, 2, 6, 0, 2, 7}, {-3, 1, 2, 2, 6, 3, 5},
	},
	{
		{-10, 16, 0, 0, 0, 10, 0}, {-6, 0, 16, 0, 0, 6, 0}, {-4, 0, 0, 16, 0, 4, 0}, {-2, 0, 0, 0, 16, 2, 0},
		{-10, 16, 0, 0, 0, 0, 10}, {-6, 0, 16, 0, 0, 0, 6}, {-4, 0, 0, 16, 0, 0, 4}, {-2, 0, 0, 0, 16, 0, 2},
	},
	{
		{-8, 8, 0, 0, 0, 16, 0}, {-8, 0, 8, 0, 0, 16, 0}, {-8, 0, 0, 8, 0, 16, 0}, {-8, 0, 0, 0, 8, 16, 0},
		{-4, 4, 0, 0, 0, 0, 16}, {-4, 0, 4, 0, 0, 0, 16}, {-4, 0, 0, 4, 0, 0, 16}, {-4, 0, 0, 0, 4, 0, 16},
	},
	{
		{-2, 8, 0, 0, 0, 10, 0}, {-1, 3, 8, 0, 0, 6, 0}, {-1, 2, 3, 8, 0, 4, 0}, {0, 1, 2, 3, 8, 2, 0},
		{-1, 4, 0, 0, 0, 3, 10}, {-1, 3, 4, 0, 0, 4, 6}, {-1, 2, 3, 4, 0, 4, 4}, {-1, 2, 2, 3, 4, 3, 3},
	},
	{
		{-12, 14, 0, 0, 0, 14, 0}, {-10, 0, 14, 0, 0, 12, 0}, {-9, 0, 0, 14, 0, 11, 0}, {-8, 0, 0, 0, 14, 10, 0},
		{-10, 12, 0, 0, 0, 0, 14}, {-9, 1, 12, 0, 0, 0, 12}, {-8, 0, 0, 12, 0, 1, 11}, {-7, 0, 0, 1, 12, 1, 9},
	},
}

// predictFiltered is the process of section 7.11.2.3: each 4x2 samples are filtered from the 7 around them.
func predictFiltered(to []uint16, stride int, e *intraEdges, w, h, mode int, limit int32) {
	above := e.above[edgeStart-1:][:w+1]
	taps := &filterTaps[mode]
	for y := 0; y < h; y += 2 {
		left := [3]uint16{e.left[edgeStart+y-1], e.left[edgeStart+y], e.left[edgeStart+y+1]}
		for x := 0; x < w; x += 4 {
			var p [7]int32
			for i := range 5 {
				p[i] = int32(above[x+i])
			}
			if x == 0 {
				p[0] = int32(left[0])
			}
			p[5], p[6] = int32(left[1]), int32(left[2])
			for i := range 8 {
				t := &taps[i]
				sum := int32(t[0])*p[0] + int32(t[1])*p[1] + int32(t[2])*p[2] + int32(t[3])*p[3] + int32(t[4])*p[4] +
					int32(t[5])*p[5] + int32(t[6])*p[6]
				if sum < 0 {
					sum = 0 // as it is clipped
				}
				to[(y+i>>2)*stride+x+i&3] = uint16(min((sum+8)>>4, limit))
			}
			left[1], left[2] = to[y*stride+x+3], to[(y+1)*stride+x+3]
		}
		copy(above[1:], to[(y+1)*stride:][:w])
	}
}

// predictPalette is the process of section 7.11.4.
func (d *decoder) predictPalette(plane int, tx txSize, row, column int) {
	b, p := &d.block, &d.planes[plane]
	palette, m := &b.palette[plane], d.colorMap[min(plane, 1)][:]
	width := max(b.width*4>>p.subX, 4)
	x, y := column*4-b.column>>p.subX*4, row*4-b.row>>p.subY*4
	for i := range 1 << txHeightLog2[tx] {
		to := p.pix[p.index(column*4, row*4+i):][:1<<txWidthLog2[tx]]
		for j, color := range m[(y+i)*width+x:][:len(to)] {
			to[j] = palette[color&7]
		}
	}
}

// predictFromLuma is the process of section 7.11.5: it adds the differences of luma from its average. Cr uses those
// that were computed for Cb.
func (d *decoder) predictFromLuma(q *prediction, to []uint16, stride int) {
	if q.plane == 1 {
		d.loadLuma(q)
	}
	alpha, limit := int32(d.block.cflAlpha[q.plane]), int32(1)<<d.depth-1
	for y := range q.h {
		row := to[y*stride:][:q.w]
		for x, luma := range d.cfl[y*q.w:][:q.w] {
			v := alpha * int32(luma)
			if v >= 0 {
				v = (v + 32) >> 6
			} else {
				v = -((32 - v) >> 6)
			}
			row[x] = uint16(min(max(int32(row[x])+v, 0), limit))
		}
	}
}

// loadLuma loads the luma of a block at the resolution of chroma, in eighths, less its average.
func (d *decoder) loadLuma(q *prediction) {
	b, p, luma := &d.block, &d.planes[1], &d.planes[0]
	cfl := d.cfl[:q.w*q.h]
	seenWidth := min(q.w, (b.maxLumaX-q.x<<p.subX)>>p.subX)
	seenHeight := min(q.h, (b.maxLumaY-q.y<<p.subY)>>p.subY)
	sum := int32(0)
	for y := range seenHeight {
		row := cfl[y*q.w:][:q.w]
		from := luma.pix[luma.index(q.x<<p.subX, (q.y+y)<<p.subY):]
		switch {
		case p.subY != 0:
			below := from[luma.stride:]
			for x := range seenWidth {
				row[x] = int16((from[2*x] + from[2*x+1] + below[2*x] + below[2*x+1]) << 1)
			}
		case p.subX != 0:
			for x := range seenWidth {
				row[x] = int16((from[2*x] + from[2*x+1]) << 2)
			}
		default:
			for x := range seenWidth {
				row[x] = int16(from[x] << 3)
			}
		}
		for x := seenWidth; x < q.w; x++ {
			row[x] = row[seenWidth-1]
		}
	}
	for y := seenHeight; y < q.h; y++ {
		copy(cfl[y*q.w:][:q.w], cfl[(seenHeight-1)*q.w:])
	}
	for _, v := range cfl {
		sum += int32(v)
	}
	n := int32(len(cfl))
	average := int16((sum + n>>1) / n)
	for i := range cfl {
		cfl[i] -= average
	}
}
