package av1

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A literalPicture filters a whole frame as the text of the specification has it, section by section.
type literalPicture struct {
	*picture
	current, cdef [3]literalPlane
}

// A literalPlane has samples in rows.
type literalPlane [][]int

func (p literalPlane) clone() literalPlane {
	all := make(literalPlane, len(p))
	for y := range p {
		all[y] = slices.Clone(p[y])
	}
	return all
}

func round2(v int, bits uint) int {
	if bits == 0 {
		return v
	}
	return (v + 1<<(bits-1)) >> bits
}

func clip3(least, most, v int) int { return max(least, min(v, most)) }

func absolute(v int) int { return max(v, -v) }

func floorLog2(v int) int {
	log := -1
	for ; v > 0; v >>= 1 {
		log++
	}
	return log
}

// filterAll is the decode frame wrapup process (section 7.4), and returns the planes to show.
func (l *literalPicture) filterAll() [3]literalPlane {
	h := l.header
	if h.loopFilter.level[0] != 0 || h.loopFilter.level[1] != 0 {
		for c := range l.count {
			if c > 0 && h.loopFilter.level[1+c] == 0 {
				continue
			}
			for pass := range 2 {
				for row := 0; row < l.miRows; row += 1 << l.planes[c].subY {
					for column := 0; column < l.miColumns; column += 1 << l.planes[c].subX {
						l.filterEdge(c, pass, row, column)
					}
				}
			}
		}
	}
	for c := range l.count {
		l.cdef[c] = l.current[c].clone()
	}
	if h.cdef.isOn {
		for r := 0; r < l.miRows; r += 2 {
			for c := 0; c < l.miColumns; c += 2 {
				l.cdefBlock(r, c, int(l.cdefIndex[r/16*l.cdefColumns+c/16]))
			}
		}
	}
	if h.upscaledWidth != h.width {
		for c := range l.count {
			l.cdef[c], l.current[c] = l.upscale(c, l.cdef[c]), l.upscale(c, l.current[c])
		}
	}
	var shown [3]literalPlane
	for c := range l.count {
		shown[c] = l.cdef[c].clone()
	}
	if h.restoration.usesAny {
		for y := 0; y < h.height; y += 4 {
			for x := 0; x < h.upscaledWidth; x += 4 {
				for c := range l.count {
					if h.restoration.kind[c] != restoreNone {
						l.restoreBlock(c, y/4, x/4, shown[c])
					}
				}
			}
		}
	}
	return shown
}

// filterEdge is section 7.14.2.
func (l *literalPicture) filterEdge(c, pass, row, column int) {
	subX, subY := int(l.planes[c].subX), int(l.planes[c].subY)
	dx, dy := 1-pass, pass
	x, y := column*4, row*4
	row, column = row|subY, column|subX
	if x >= l.header.width || y >= l.header.height || pass == 0 && x == 0 || pass == 1 && y == 0 {
		return
	}
	xP, yP := x>>subX, y>>subY
	previousRow, previousColumn := row-dy<<subY, column-dx<<subX
	size := func(row, column int) txSize {
		if c == 0 {
			return txSize(l.blocks[row*l.miColumns+column] & blockTxSize)
		}
		return txSize(l.chromaTx[row>>subY*l.chromaColumns+column>>subX])
	}
	logs, position := &txWidthLog2, xP
	if pass == 1 {
		logs, position = &txHeightLog2, yP
	}
	side, previous := 1<<logs[size(row, column)], 1<<logs[size(previousRow, previousColumn)]
	if position%side != 0 {
		return
	}
	filterSize := min(side, previous, 16)
	if c > 0 {
		filterSize = min(filterSize, 8)
	}
	level := l.level(row, column, c, pass)
	if level == 0 {
		level = l.level(previousRow, previousColumn, c, pass)
	}
	if level == 0 {
		return
	}
	shift, sharpness := 0, l.header.loopFilter.sharpness
	if sharpness > 0 {
		shift = 1
	}
	if sharpness > 4 {
		shift = 2
	}
	limit := max(1, level>>shift)
	if sharpness > 0 {
		limit = clip3(1, 9-sharpness, level>>shift)
	}
	for i := range 4 {
		l.filterSample(xP+dy*i, yP+dx*i, c, limit, 2*(level+2)+limit, level>>4, dx, dy, filterSize)
	}
}

// level is section 7.14.4, with 7.14.5.
func (l *literalPicture) level(row, column, c, pass int) int {
	h := l.header
	i := c + 1
	if c == 0 {
		i = pass
	}
	delta, segment := 0, 0
	if l.deltaLF != nil {
		deltas := l.deltaLF[row*4>>l.sbLog2*l.sbColumns+column*4>>l.sbLog2]
		delta = int(deltas[0])
		if h.deltaLFMulti {
			delta = int(deltas[i])
		}
	}
	if l.segments != nil {
		segment = int(l.segments[row*l.miColumns+column])
	}
	level := clip3(0, 63, delta+h.loopFilter.level[i])
	if h.segmentation.enabled && h.segmentation.feature[segment][segmentLoopFilter+i] {
		level = clip3(0, 63, level+h.segmentation.data[segment][segmentLoopFilter+i])
	}
	if h.loopFilter.deltaEnabled {
		level = clip3(0, 63, level+h.loopFilter.refDeltas[intraFrame]<<(level>>5))
	}
	return level
}

// filterSample is section 7.14.6.
func (l *literalPicture) filterSample(x, y, c, limit, blimit, thresh, dx, dy, filterSize int) {
	at := func(i int) *int { return &l.current[c][y+dy*i][x+dx*i] }
	q := func(i int) int { return *at(i) }
	p := func(i int) int { return *at(-1 - i) }
	scale := l.depth - 8
	one := 1 << scale
	filterLen := 16
	switch {
	case filterSize == 4:
		filterLen = 4
	case c > 0:
		filterLen = 6
	case filterSize == 8:
		filterLen = 8
	}
	isHigh := absolute(p(1)-p(0)) > thresh<<scale || absolute(q(1)-q(0)) > thresh<<scale
	exceeds := absolute(p(0)-q(0))*2+absolute(p(1)-q(1))/2 > blimit<<scale
	for i := 1; i < map[int]int{4: 2, 6: 3, 8: 4, 16: 4}[filterLen]; i++ {
		exceeds = exceeds || absolute(p(i)-p(i-1)) > limit<<scale || absolute(q(i)-q(i-1)) > limit<<scale
	}
	if exceeds {
		return
	}
	flat := func(from, to int) bool {
		for i := from; i <= to; i++ {
			if absolute(p(i)-p(0)) > one || absolute(q(i)-q(0)) > one {
				return false
			}
		}
		return true
	}
	isFlat := filterSize >= 8 && (filterLen == 6 && flat(1, 2) || filterLen >= 8 && flat(1, 3))
	switch {
	case filterSize == 4 || !isFlat:
		l.narrowFilter(at, isHigh)
	case filterSize == 8 || !flat(4, 6):
		wideFilter(at, 3, c)
	default:
		wideFilter(at, 4, c)
	}
}

// narrowFilter is section 7.14.6.3.
func (l *literalPicture) narrowFilter(at func(int) *int, isHigh bool) {
	half := 0x80 << (l.depth - 8)
	clamp := func(v int) int { return clip3(-(1 << (l.depth - 1)), 1<<(l.depth-1)-1, v) }
	ps1, ps0, qs0, qs1 := *at(-2)-half, *at(-1)-half, *at(0)-half, *at(1)-half
	filter := 0
	if isHigh {
		filter = clamp(ps1 - qs1)
	}
	filter = clamp(filter + 3*(qs0-ps0))
	filter1, filter2 := clamp(filter+4)>>3, clamp(filter+3)>>3
	*at(0), *at(-1) = clamp(qs0-filter1)+half, clamp(ps0+filter2)+half
	if !isHigh {
		filter = round2(filter1, 1)
		*at(1), *at(-2) = clamp(qs1-filter)+half, clamp(ps1+filter)+half
	}
}

// wideFilter is section 7.14.6.4.
func wideFilter(at func(int) *int, log2Size uint, c int) {
	n, n2 := 2, 1
	switch {
	case log2Size == 4:
		n = 6
	case c == 0:
		n, n2 = 3, 0
	}
	f := map[int]int{}
	for i := -n; i < n; i++ {
		t := 0
		for j := -n; j <= n; j++ {
			tap := 1
			if absolute(j) <= n2 {
				tap = 2
			}
			t += *at(clip3(-(n + 1), n, i+j)) * tap
		}
		f[i] = round2(t, log2Size)
	}
	for i, v := range f {
		*at(i) = v
	}
}

// cdefBlock is section 7.15.1.
func (l *literalPicture) cdefBlock(r, c, index int) {
	skips := func(r, c int) bool { return l.blocks[r*l.miColumns+c]&blockSkip != 0 }
	if index == -1 || skips(r, c) && skips(r+1, c) && skips(r, c+1) && skips(r+1, c+1) {
		return
	}
	h := &l.header.cdef
	coefficientShift := l.depth - 8
	yDir, variance := l.cdefDirection(r, c)
	strength, dir, varianceStrength := h.yPrimary[index]<<coefficientShift, yDir, 0
	if strength == 0 {
		dir = 0
	}
	if variance>>6 != 0 {
		varianceStrength = min(floorLog2(variance>>6), 12)
	}
	if variance != 0 {
		strength = (strength*(4+varianceStrength) + 8) >> 4
	} else {
		strength = 0
	}
	damping := h.damping + int(coefficientShift)
	l.cdefFilter(0, r, c, strength, h.ySecondary[index]<<coefficientShift, damping, dir)
	if l.count == 1 {
		return
	}
	strength = h.uvPrimary[index] << coefficientShift
	dir = [2][2][8]int{
		{{0, 1, 2, 3, 4, 5, 6, 7}, {1, 2, 2, 2, 3, 4, 6, 0}}, {{7, 0, 2, 4, 5, 6, 6, 6}, {0, 1, 2, 3, 4, 5, 6, 7}},
	}[l.planes[1].subX][l.planes[1].subY][yDir]
	if strength == 0 {
		dir = 0
	}
	for plane := 1; plane < 3; plane++ {
		l.cdefFilter(plane, r, c, strength, h.uvSecondary[index]<<coefficientShift, damping-1, dir)
	}
}

// cdefDirection is section 7.15.2.
func (l *literalPicture) cdefDirection(r, c int) (yDir, variance int) {
	var cost [8]int
	var partial [8][15]int
	table := [9]int{0, 840, 420, 280, 210, 168, 140, 120, 105}
	for i := range 8 {
		for j := range 8 {
			x := l.current[0][r*4+i][c*4+j]>>(l.depth-8) - 128
			for k, at := range [8]int{i + j, i + j/2, i, 3 + i - j/2, 7 + i - j, 3 - i/2 + j, j, i/2 + j} {
				partial[k][at] += x
			}
		}
	}
	for i := range 8 {
		cost[2] += partial[2][i] * partial[2][i] * table[8]
		cost[6] += partial[6][i] * partial[6][i] * table[8]
	}
	for _, d := range []int{0, 4} {
		for i := range 7 {
			cost[d] += (partial[d][i]*partial[d][i] + partial[d][14-i]*partial[d][14-i]) * table[i+1]
		}
		cost[d] += partial[d][7] * partial[d][7] * table[8]
	}
	for i := 1; i < 8; i += 2 {
		for j := range 5 {
			cost[i] += partial[i][3+j] * partial[i][3+j] * table[8]
		}
		for j := range 3 {
			cost[i] += (partial[i][j]*partial[i][j] + partial[i][10-j]*partial[i][10-j]) * table[2*j+2]
		}
	}
	best := 0
	for i, v := range cost {
		if v > best {
			best, yDir = v, i
		}
	}
	return yDir, (best - cost[(yDir+4)&7]) >> 10
}

// cdefFilter is section 7.15.3.
func (l *literalPicture) cdefFilter(plane, r, c, primary, secondary, damping, dir int) {
	subX, subY := l.planes[plane].subX, l.planes[plane].subY
	constrain := func(diff, threshold int) int {
		if threshold == 0 {
			return 0
		}
		adjusted := max(0, damping-floorLog2(threshold))
		v := clip3(0, absolute(diff), threshold-absolute(diff)>>adjusted)
		if diff < 0 {
			return -v
		}
		return v
	}
	x0, y0 := c*4>>subX, r*4>>subY
	for i := range 8 >> subY {
		for j := range 8 >> subX {
			x := l.current[plane][y0+i][x0+j]
			sum, most, least := 0, x, x
			tap := func(dir, k, sign, weight, strength int) {
				d := cdefDirections[dir&7][k]
				y, at := y0+i+sign*int(d[0]), x0+j+sign*int(d[1])
				if y < 0 || at < 0 || y<<subY>>2 >= l.miRows || at<<subX>>2 >= l.miColumns {
					return
				}
				p := l.current[plane][y][at]
				sum += weight * constrain(p-x, strength)
				most, least = max(p, most), min(p, least)
			}
			for k := range 2 {
				for _, sign := range []int{-1, 1} {
					tap(dir, k, sign, [2][2]int{{4, 2}, {3, 3}}[primary>>(l.depth-8)&1][k], primary)
					tap(dir-2, k, sign, 2-k, secondary)
					tap(dir+2, k, sign, 2-k, secondary)
				}
			}
			negative := 0
			if sum < 0 {
				negative = 1
			}
			l.cdef[plane][y0+i][x0+j] = clip3(least, most, x+(8+sum-negative)>>4)
		}
	}
}

// upscale is section 7.16.
func (l *literalPicture) upscale(c int, from literalPlane) literalPlane {
	subX := l.planes[c].subX
	narrow, wide := round2(l.header.width, subX), round2(l.header.upscaledWidth, subX)
	stepX := (narrow<<14 + wide/2) / wide
	err := wide*stepX - narrow<<14
	initial := (-((wide-narrow)<<13)+wide/2)/wide + 1<<7 - err/2
	initial &= 1<<14 - 1
	maxX := l.miColumns>>subX*4 - 1
	to := make(literalPlane, l.planes[c].height)
	for y := range to {
		to[y] = make([]int, wide)
		for x := range wide {
			srcX := -(1 << 14) + initial + x*stepX
			sum := 0
			for k := range 8 {
				sum += from[y][clip3(0, maxX, srcX>>14+k-3)] * int(upscaleTaps[srcX&(1<<14-1)>>8][k])
			}
			to[y][x] = clip3(0, 1<<l.depth-1, round2(sum, 7))
		}
	}
	return to
}

// A literalUnit is a block of loop restoration, with the limits of its stripe.
type literalUnit struct {
	*literalPicture
	plane, x, y, w, h      int
	endX, endY, start, end int
}

// restoreBlock is section 7.17.1.
func (l *literalPicture) restoreBlock(plane, row, column int, to literalPlane) {
	subX, subY := l.planes[plane].subX, l.planes[plane].subY
	stripe := (row*4 + 8) / 64
	size := 1 << l.header.restoration.sizeLog2[plane]
	unitRow := min(l.restorationRows[plane]-1, (row*4+8)>>subY/size)
	unitColumn := min(l.restorationColumns[plane]-1, column*4>>subX/size)
	u := literalUnit{literalPicture: l, plane: plane, x: column * 4 >> subX, y: row * 4 >> subY}
	u.start = (-8 + stripe*64) >> subY
	u.end = u.start + 64>>subY - 1
	u.endX, u.endY = round2(l.header.upscaledWidth, subX)-1, round2(l.header.height, subY)-1
	u.w, u.h = min(4>>subX, u.endX-u.x+1), min(4>>subY, u.endY-u.y+1)
	unit := &l.restoration[plane][unitRow*l.restorationColumns[plane]+unitColumn]
	switch unit.kind {
	case restoreWiener:
		u.wiener(to, unit)
	case restoreSelfGuided:
		u.guide(to, unit)
	}
}

// sample is section 7.17.6.
func (u *literalUnit) sample(x, y int) int {
	x, y = clip3(0, u.endX, x), clip3(0, u.endY, y)
	switch {
	case y < u.start:
		return u.current[u.plane][max(u.start-2, y)][x]
	case y > u.end:
		return u.current[u.plane][min(u.end+2, y)][x]
	default:
		return u.literalPicture.cdef[u.plane][y][x]
	}
}

// wiener is section 7.17.4.
func (u *literalUnit) wiener(to literalPlane, unit *restorationUnit) {
	round0, round1 := uint(3), uint(11)
	if u.depth == 12 {
		round0, round1 = 5, 9
	}
	taps := func(c [3]int8) (f [7]int) {
		f[3] = 128
		for i, v := range c {
			f[i], f[6-i] = int(v), int(v)
			f[3] -= 2 * int(v)
		}
		return f
	}
	vertical, horizontal := taps(unit.wiener[0]), taps(unit.wiener[1])
	offset, limit := 1<<(u.depth+7-round0-1), 1<<(u.depth+1+7-round0)-1
	var middle [10][4]int
	for r := range u.h + 6 {
		for c := range u.w {
			s := 0
			for t, tap := range horizontal {
				s += tap * u.sample(u.x+c+t-3, u.y+r-3)
			}
			middle[r][c] = clip3(-offset, limit-offset, round2(s, round0))
		}
	}
	for r := range u.h {
		for c := range u.w {
			s := 0
			for t, tap := range vertical {
				s += tap * middle[r+t][c]
			}
			to[u.y+r][u.x+c] = clip3(0, 1<<u.depth-1, round2(s, round1))
		}
	}
}

// guide is section 7.17.2.
func (u *literalUnit) guide(to literalPlane, unit *restorationUnit) {
	params := guideParams[unit.set]
	w0, w1 := int(unit.xqd[0]), int(unit.xqd[1])
	w2 := 1<<7 - w0 - w1
	first, second := u.box(unit.set, 0), u.box(unit.set, 1)
	for i := range u.h {
		for j := range u.w {
			v := u.literalPicture.cdef[u.plane][u.y+i][u.x+j] << 4
			sum := w1 * v
			if params[0].radius > 0 {
				sum += w0 * first[i][j]
			} else {
				sum += w0 * v
			}
			if params[1].radius > 0 {
				sum += w2 * second[i][j]
			} else {
				sum += w2 * v
			}
			to[u.y+i][u.x+j] = clip3(0, 1<<u.depth-1, round2(sum, 11))
		}
	}
}

// box is section 7.17.3.
func (u *literalUnit) box(set uint8, pass int) (f [4][4]int) {
	r, eps := int(guideParams[set][pass].radius), int(guideParams[set][pass].strength)
	if r == 0 {
		return f
	}
	n := (2*r + 1) * (2*r + 1)
	n2e := n * n * eps
	s := (1<<20 + n2e/2) / n2e
	var allA, allB [6][6]int
	for i := -1; i < u.h+1; i++ {
		for j := -1; j < u.w+1; j++ {
			a, b := 0, 0
			for dy := -r; dy <= r; dy++ {
				for dx := -r; dx <= r; dx++ {
					c := u.sample(u.x+j+dx, u.y+i+dy)
					a += c * c
					b += c
				}
			}
			a = round2(a, 2*(u.depth-8))
			d := round2(b, u.depth-8)
			z := round2(max(0, a*n-d*d)*s, 20)
			a2 := (z<<8 + z/2) / (z + 1)
			switch {
			case z >= 255:
				a2 = 256
			case z == 0:
				a2 = 1
			}
			allA[i+1][j+1] = a2
			allB[i+1][j+1] = round2((1<<8-a2)*b*((1<<12+n/2)/n), 12)
		}
	}
	for i := range u.h {
		shift := uint(5)
		if pass == 0 && i&1 == 1 {
			shift = 4
		}
		for j := range u.w {
			a, b := 0, 0
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					weight := 3
					switch {
					case pass == 0 && (i+dy)&1 == 0:
						weight = 0
					case pass == 0 && dx == 0:
						weight = 6
					case pass == 0:
						weight = 5
					case dx == 0 || dy == 0:
						weight = 4
					}
					a += weight * allA[i+dy+1][j+dx+1]
					b += weight * allB[i+dy+1][j+dx+1]
				}
			}
			f[i][j] = round2(a*u.literalPicture.cdef[u.plane][u.y+i][u.x+j]+b, 8+shift-4)
		}
	}
	return f
}

// A filterCase is a frame to filter.
type filterCase struct {
	width, height, denominator, depth int
	count                             int
	subX, subY                        uint
	sbLog2                            uint
	deblocks, cdef, restores          bool
	plain                             bool // without segments and deltas
}

func (c filterCase) String() string {
	return fmt.Sprintf("%dx%d_%d_depth%d_%d%d%d_sb%d_%v_%v_%v", c.width, c.height, c.denominator, c.depth, c.count, c.subX,
		c.subY, 1<<c.sbLog2, c.deblocks, c.cdef, c.restores)
}

// splitTransforms fills an area of units of 4x4 samples with transform sizes that are aligned in it.
func splitTransforms(r *rand.Rand, set func(row, column int, size txSize), row, column, height, width int) {
	if width > 16 || height > 16 || width > 1 && height > 1 && r.IntN(3) > 0 || width > 4*height || height > 4*width {
		switch {
		case height > width || height == width && r.IntN(2) == 0:
			splitTransforms(r, set, row, column, height/2, width)
			splitTransforms(r, set, row+height/2, column, height/2, width)
		default:
			splitTransforms(r, set, row, column, height, width/2)
			splitTransforms(r, set, row, column+width/2, height, width/2)
		}
		return
	}
	for size := range txSizes {
		if 1<<txWidthLog2[size] == 4*width && 1<<txHeightLog2[size] == 4*height {
			for y := range height {
				for x := range width {
					set(row+y, column+x, size)
				}
			}
		}
	}
}

// newFilterPicture makes a frame with blocks and parameters at random.
func newFilterPicture(r *rand.Rand, c filterCase) *picture {
	h := &frameHeader{width: c.width, upscaledWidth: c.width, height: c.height, superresDenominator: c.denominator}
	if c.denominator > 8 {
		h.width = (c.width*8 + c.denominator/2) / c.denominator
	}
	p := &picture{header: h, count: c.count, depth: uint(c.depth), sbLog2: c.sbLog2}
	p.miColumns, p.miRows = 2*((h.width+7)>>3), 2*((h.height+7)>>3)
	size := 1 << c.sbLog2
	p.sbColumns, p.sbRows = (h.width+size-1)/size, (h.height+size-1)/size
	for i := range c.count {
		q := &p.planes[i]
		if i > 0 {
			q.subX, q.subY = c.subX, c.subY
		}
		q.width, q.height = round2(h.width, q.subX), round2(h.height, q.subY)
		q.stride = p.sbColumns * size >> q.subX
		q.pix = make([]uint16, q.stride*(p.sbRows*size>>q.subY))
		fillTexture(r, q, c.depth)
	}
	p.blocks = make([]uint8, p.miColumns*p.miRows)
	fill := func(to []uint8, columns, rows int) {
		set := func(row, column int, size txSize) {
			if row < rows && column < columns {
				to[row*columns+column] = uint8(size)
			}
		}
		for row := 0; row < rows; row += 16 {
			for column := 0; column < columns; column += 16 {
				splitTransforms(r, set, row, column, 16, 16)
			}
		}
	}
	fill(p.blocks, p.miColumns, p.miRows)
	if c.count > 1 {
		p.chromaColumns = p.miColumns >> c.subX
		p.chromaTx = make([]uint8, p.chromaColumns*(p.miRows>>c.subY))
		fill(p.chromaTx, p.chromaColumns, p.miRows>>c.subY)
	}
	for i := range p.blocks {
		if r.IntN(2) == 0 {
			p.blocks[i] |= blockSkip
		}
	}
	if c.deblocks {
		h.loopFilter = loopFilter{
			level: [4]int{r.IntN(64), 1 + r.IntN(63), r.IntN(64), r.IntN(64)}, sharpness: r.IntN(8) * r.IntN(2),
			deltaEnabled: r.IntN(2) == 0, refDeltas: [8]int{1 - r.IntN(3)},
		}
		if !c.plain {
			fillLevels(r, p)
		}
	}
	p.cdefColumns = (h.width + 63) / 64
	p.cdefIndex = make([]int8, p.cdefColumns*((h.height+63)/64))
	if c.cdef {
		h.cdef = cdef{isOn: true, damping: 3 + r.IntN(4), bits: 3}
		for i := range 8 {
			h.cdef.yPrimary[i], h.cdef.uvPrimary[i] = r.IntN(16)*r.IntN(2), r.IntN(16)*r.IntN(2)
			h.cdef.ySecondary[i], h.cdef.uvSecondary[i] = []int{0, 1, 2, 4}[r.IntN(4)], []int{0, 1, 2, 4}[r.IntN(4)]
		}
		for i := range p.cdefIndex {
			p.cdefIndex[i] = int8(r.IntN(9) - 1)
		}
	}
	if c.restores {
		fillRestoration(r, p)
	}
	p.startFilters()
	return p
}

// fillTexture fills a plane with slopes, edges and some noise, so that each filter finds what it looks for.
func fillTexture(r *rand.Rand, q *plane, depth int) {
	most := 1<<depth - 1
	slopeX, slopeY, noise := r.IntN(5)-2, r.IntN(5)-2, 1+r.IntN(12)
	for i := range q.pix {
		x, y := i%q.stride, i/q.stride
		v := most/2 + (slopeX*x+slopeY*y)*(1<<(depth-8))/4
		if (x/23+y/17)%5 == 0 {
			v += most / 5
		}
		if (x/64+y/64)%3 > 0 {
			v += r.IntN(noise<<(depth-8)) - noise<<(depth-8)/2
		}
		if r.IntN(500) == 0 {
			v = r.IntN(most + 1)
		}
		q.pix[i] = uint16(clip3(0, most, v))
	}
}

// fillLevels sets what levels of deblocking depend on.
func fillLevels(r *rand.Rand, p *picture) {
	h := p.header
	h.segmentation.enabled = true
	p.segments = make([]uint8, p.miColumns*p.miRows)
	for i := range p.segments {
		p.segments[i] = uint8(i/8%p.miColumns/3) % 8
	}
	for segment := range maxSegments {
		for i := range 4 {
			h.segmentation.feature[segment][segmentLoopFilter+i] = r.IntN(2) == 0
			h.segmentation.data[segment][segmentLoopFilter+i] = r.IntN(127) - 63
		}
	}
	h.deltaLFMulti = r.IntN(2) == 0
	p.deltaLF = make([][4]int8, p.sbColumns*p.sbRows)
	for i := range p.deltaLF {
		for j := range 4 {
			p.deltaLF[i][j] = int8(r.IntN(127) - 63)
		}
	}
}

// fillRestoration sets units of loop restoration.
func fillRestoration(r *rand.Rand, p *picture) {
	h := p.header
	h.restoration.usesAny = true
	for c := range p.count {
		if c > 0 && r.IntN(4) == 0 {
			continue
		}
		h.restoration.kind[c] = restoreSwitchable
		h.restoration.sizeLog2[c] = uint(6 + r.IntN(2))
		if c > 0 && p.planes[c].subX+p.planes[c].subY == 2 && r.IntN(2) == 0 {
			h.restoration.sizeLog2[c] = 5
		}
		size := 1 << h.restoration.sizeLog2[c]
		p.restorationColumns[c] = max((round2(h.upscaledWidth, p.planes[c].subX)+size/2)/size, 1)
		p.restorationRows[c] = max((p.planes[c].height+size/2)/size, 1)
		for range p.restorationColumns[c] * p.restorationRows[c] {
			u := restorationUnit{kind: restorationType(r.IntN(3)), set: uint8(r.IntN(16))}
			for i := range 2 {
				u.wiener[i] = [3]int8{int8(r.IntN(16) - 5), int8(r.IntN(32) - 23), int8(r.IntN(64) - 17)}
				if c > 0 {
					u.wiener[i][0] = 0
				}
			}
			u.xqd = [2]int8{int8(r.IntN(128) - 96), int8(r.IntN(128) - 32)}
			p.restoration[c] = append(p.restoration[c], u)
		}
	}
}

// literalOf returns a literal picture with the samples of p.
func literalOf(p *picture) *literalPicture {
	l := &literalPicture{picture: p}
	for c := range p.count {
		q := &p.planes[c]
		for y := range p.codedHeight(c) {
			row := make([]int, p.codedWidth(c))
			for x := range row {
				row[x] = int(q.pix[q.index(x, y)])
			}
			l.current[c] = append(l.current[c], row)
		}
	}
	return l
}

// run filters superblock rows, several at once at times, and returns the samples that are final after each.
func (c filterCase) run(tb testing.TB, r *rand.Rand, p *picture) [3]literalPlane {
	tb.Helper()
	var shown [3]literalPlane
	done := 0
	for bottom := 0; done < c.height; {
		bottom += (1 + r.IntN(3)/2) << c.sbLog2
		now := p.filter(min(bottom, c.height))
		if now < done || now > c.height || now%2 == 1 && now < c.height || bottom >= c.height && now < c.height {
			tb.Fatalf("after %d rows %d are final, before %d", bottom, now, done)
		}
		for i := range p.count {
			q := p.shown(i)
			for y := round2(done, q.subY); y < round2(now, q.subY); y++ {
				var row []int
				for _, v := range q.row(y) {
					row = append(row, int(v))
				}
				shown[i] = append(shown[i], row)
			}
		}
		done = now
		dropRows(r, p, done)
	}
	return shown
}

// dropRows moves the windows of planes, as the decoder does.
func dropRows(r *rand.Rand, p *picture, done int) {
	if r.IntN(2) == 0 {
		return
	}
	for c := range p.count {
		q := &p.planes[c]
		top := max(0, done-keptRows) &^ 7 >> q.subY
		q.pix = slices.Clone(q.pix[(top-q.top)*q.stride:])
		q.top = top
	}
}

var filterSizes = [][2]int{{64, 64}, {130, 75}, {17, 9}, {200, 190}, {8, 257}, {71, 121}, {259, 66}}

// The filters return what the text of the specification does, whatever rows they get at once.
func TestFiltersAreLiteral(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	n := 0
	for _, format := range []filterCase{
		{count: 1}, {count: 3, subX: 1, subY: 1}, {count: 3, subX: 1}, {count: 3},
	} {
		for mask := 1; mask < 16; mask++ {
			c := format
			n++
			c.width, c.height, c.denominator = filterSizes[n%len(filterSizes)][0], filterSizes[n%len(filterSizes)][1], 8
			c.depth, c.sbLog2 = 8+n%3*2, uint(6+n/2%2)
			c.deblocks, c.cdef, c.restores, c.plain = mask&1 != 0, mask&2 != 0, mask&4 != 0, n%4 == 0
			if mask&8 != 0 {
				c.denominator = 9 + r.IntN(8)
			}
			t.Run(c.String(), func(t *testing.T) {
				p := newFilterPicture(r, c)
				want := literalOf(p).filterAll()
				got := c.run(t, r, p)
				for i := range p.count {
					compareLiteral(t, i, got[i], want[i], p.shown(i).width)
				}
			})
		}
	}
}

func compareLiteral(t *testing.T, c int, got, want literalPlane, width int) {
	t.Helper()
	for y, row := range got {
		for x := range width {
			if row[x] != want[y][x] {
				t.Fatalf("plane %d: sample %d,%d is %d, want %d", c, x, y, row[x], want[y][x])
			}
		}
	}
}

// A frame without filters is final as it is, and with Options.SkipFilters.
func TestFiltersOff(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	c := filterCase{width: 130, height: 90, denominator: 8, depth: 8, count: 3, subX: 1, subY: 1, sbLog2: 6}
	for _, skip := range []bool{false, true} {
		c.deblocks, c.cdef, c.restores = skip, skip, skip
		p := newFilterPicture(r, c)
		p.skipFilters = skip
		p.startFilters()
		before := slices.Clone(p.planes[0].pix)
		if done := p.filter(64); done != 64 {
			t.Errorf("%d rows are final, want 64", done)
		}
		if p.filter(90); !slices.Equal(p.planes[0].pix, before) {
			t.Error("samples changed")
		}
	}
}

func BenchmarkFilters(b *testing.B) {
	for _, name := range []string{"deblock", "cdef", "restore", "superres"} {
		b.Run(name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 4))
			c := filterCase{width: 1024, height: 512, denominator: 8, depth: 8, count: 3, subX: 1, subY: 1, sbLog2: 6}
			c.plain = true
			c.deblocks, c.cdef, c.restores = name == "deblock", name == "cdef", name == "restore"
			if name == "superres" {
				c.denominator = 12
			}
			p := newFilterPicture(r, c)
			b.SetBytes(int64(c.width * c.height))
			for b.Loop() {
				p.startFilters()
				for bottom := 64; bottom <= 512; bottom += 64 {
					p.filter(bottom)
				}
			}
		})
	}
}
