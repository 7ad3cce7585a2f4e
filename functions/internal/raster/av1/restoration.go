package av1

// stripeBorders are the rows above and below a stripe of loop restoration: two above its border, and two below. They
// are not filtered by CDEF (section 7.17.6).
type stripeBorders struct {
	upper, lower [4][]uint16
}

func (b *stripeBorders) start(width int) {
	for _, rows := range [2]*[4][]uint16{&b.upper, &b.lower} {
		for i, row := range rows {
			if cap(row) < width {
				row = make([]uint16, width)
			}
			rows[i] = row[:width]
		}
	}
}

// saveBorder saves the rows at the border above a luma row, after superresolution, as the lower border of a stripe.
func (p *picture) saveBorder(c, y int) {
	f, q := &p.filters, &p.planes[c]
	y >>= q.subY
	for i, to := range f.borders[c].lower {
		row := min(i-2, q.height-1-y)
		var from []uint16
		if f.constrains {
			from = f.strips[c].row(row)
		} else {
			from = q.pix[q.index(0, y+row):]
		}
		if f.upscales {
			f.scales[c].upscale(to, from, p.depth)
		} else {
			copy(to, from)
		}
	}
}

// restoreStripe applies loop restoration to the stripe that ends before a luma row (section 7.17). It begins where the
// one before ended.
func (p *picture) restoreStripe(end int) {
	f := &p.filters
	for c := range p.count {
		if p.header.restoration.kind[c] != restoreNone {
			p.restorePlane(c, f.done, end)
		}
		b := &f.borders[c]
		b.upper, b.lower = b.lower, b.upper
	}
	f.done = end
}

// unitWidth is the largest number of columns that are filtered at once: all are in one restoration unit.
const unitWidth = 64

// restorePlane filters a stripe of a plane.
func (p *picture) restorePlane(c, start, end int) {
	q, u := p.shown(c), &p.filters.unit
	size := p.header.restoration.sizeLog2[c]
	y := start >> q.subY
	height := min((end+int(q.subY))>>q.subY, q.height) - y
	unitRow := min(p.restorationRows[c]-1, (start+stripeOffset)>>q.subY>>size)
	units := p.restoration[c][unitRow*p.restorationColumns[c]:][:p.restorationColumns[c]]
	u.borders, u.depth = &p.filters.borders[c], p.depth
	u.height = height
	hasLeft := false
	u.step = min(unitWidth, 1<<size)
	for x := 0; x < q.width; x += u.step {
		unit := &units[min(len(units)-1, x>>size)]
		if unit.kind == restoreNone {
			hasLeft = false
			continue
		}
		u.width = min(u.step, q.width-x)
		u.load(q, x, y, hasLeft)
		to := q.pix[q.index(x, y):]
		if unit.kind == restoreWiener {
			u.wiener(to, q.stride, unit)
		} else {
			u.guide(to, q.stride, unit)
		}
		hasLeft = true
	}
}

const (
	restorationMargin = 3 // samples that filters read beside those that they change
	sourceStride      = unitWidth + 2*restorationMargin
	sourceHeight      = stripeHeight + 2*restorationMargin
	boxStride         = unitWidth + 2
)

// restorationBuffers are the buffers of the filters of a unit.
type restorationBuffers struct {
	borders       *stripeBorders
	depth         uint
	width, height int
	step          int // the width of the units before
	// source are the samples before filtering, with a margin.
	source [sourceHeight * sourceStride]uint16
	middle [sourceHeight * unitWidth]int16 // of the Wiener filter, filtered across

	// Of the self-guided filter: sums of the columns of boxes, and A and B with a margin of one.
	sums, squares [sourceStride]int32
	a, b          [(stripeHeight + 2) * boxStride]int32
	guided        [2][stripeHeight * unitWidth]int32
}

// load copies the samples that the filter of a unit reads. If hasLeft, those on its left have been filtered in the
// plane, and come from the copy before.
func (u *restorationBuffers) load(p *plane, x, y int, hasLeft bool) {
	for i := -restorationMargin; i < u.height+restorationMargin; i++ {
		to := u.source[(i+restorationMargin)*sourceStride:][:u.width+2*restorationMargin]
		row := max(0, min(y+i, p.height-1))
		isInside := true
		var from []uint16
		switch {
		case row < y:
			from, isInside = u.borders.upper[max(0, row-y+2)], false
		case row >= y+u.height:
			from, isInside = u.borders.lower[2+min(row-y-u.height, 1)], false
		default:
			from = p.row(row)
		}
		first := -restorationMargin
		if hasLeft && isInside {
			last := u.source[(i+restorationMargin)*sourceStride+u.step:]
			copy(to[:restorationMargin], last[:restorationMargin])
			first = 0
		}
		loadRow(to[restorationMargin+first:], from, x+first)
	}
}

// loadRow copies the samples of a row from a column on. Those outside are copies of the first or last one.
func loadRow(to, from []uint16, x int) {
	for ; x < 0; x++ {
		to[0] = from[0]
		to = to[1:]
	}
	n := copy(to, from[min(x, len(from)):])
	for i := n; i < len(to); i++ {
		to[i] = from[len(from)-1]
	}
}

// wiener applies the Wiener filter (section 7.17.4).
func (u *restorationBuffers) wiener(to []uint16, stride int, unit *restorationUnit) {
	first, second := uint(3), uint(11)
	if u.depth == 12 {
		first, second = 5, 9
	}
	least := -int32(1) << (u.depth + 7 - first - 1)
	most := least + int32(1)<<(u.depth+8-first) - 1
	f0, f1, f2, f3 := wienerTaps(unit.wiener[1])
	round := int32(1) << first >> 1
	for y := range u.height + 2*restorationMargin {
		row := u.source[y*sourceStride:][:u.width+6]
		middle := u.middle[y*unitWidth:][:u.width]
		for x := range middle {
			s := row[x : x+7 : x+7]
			v := f0*(int32(s[0])+int32(s[6])) + f1*(int32(s[1])+int32(s[5])) + f2*(int32(s[2])+int32(s[4])) + f3*int32(s[3])
			middle[x] = int16(max(least, min((v+round)>>first, most)))
		}
	}
	f0, f1, f2, f3 = wienerTaps(unit.wiener[0])
	round = int32(1) << second >> 1
	whole := int32(1)<<u.depth - 1
	for y := range u.height {
		m := u.middle[y*unitWidth:]
		row := to[y*stride:][:u.width]
		r0, r1, r2, r3 := m[:u.width], m[unitWidth:][:u.width], m[2*unitWidth:][:u.width], m[3*unitWidth:][:u.width]
		r4, r5, r6 := m[4*unitWidth:][:u.width], m[5*unitWidth:][:u.width], m[6*unitWidth:][:u.width]
		for x := range row {
			v := f0*(int32(r0[x])+int32(r6[x])) + f1*(int32(r1[x])+int32(r5[x])) + f2*(int32(r2[x])+int32(r4[x])) +
				f3*int32(r3[x])
			row[x] = clipSample((v+round)>>second, whole)
		}
	}
}

// wienerTaps returns the taps of a filter up to the middle; it is symmetrical.
func wienerTaps(c [3]int8) (f0, f1, f2, f3 int32) {
	f0, f1, f2 = int32(c[0]), int32(c[1]), int32(c[2])
	return f0, f1, f2, 128 - 2*(f0+f1+f2)
}

// guideParams is Sgr_Params (section 7.17.3): radius and strength of two filters.
var guideParams = [16][2]struct{ radius, strength int32 }{
	{{2, 12}, {1, 4}}, {{2, 15}, {1, 6}}, {{2, 18}, {1, 8}}, {{2, 21}, {1, 9}},
	{{2, 24}, {1, 10}}, {{2, 29}, {1, 11}}, {{2, 36}, {1, 12}}, {{2, 45}, {1, 13}},
	{{2, 56}, {1, 14}}, {{2, 68}, {1, 15}}, {{0, 0}, {1, 5}}, {{0, 0}, {1, 8}},
	{{0, 0}, {1, 11}}, {{0, 0}, {1, 14}}, {{2, 30}, {0, 0}}, {{2, 75}, {0, 0}},
}

// guideWeights are a2 of the box filter by z (section 7.17.3).
var guideWeights = func() (all [256]int32) {
	for z := range all {
		all[z] = int32((z<<8 + z/2) / (z + 1))
	}
	all[0], all[255] = 1, 256
	return all
}()

// guide applies the self-guided filter (section 7.17.2).
func (u *restorationBuffers) guide(to []uint16, stride int, unit *restorationUnit) {
	params := &guideParams[unit.set&15]
	w0, w1 := int32(unit.xqd[0]), int32(unit.xqd[1])
	w2 := 128 - w0 - w1
	for pass, p := range params {
		if p.radius > 0 {
			u.box(pass, int(p.radius), p.strength)
			u.smooth(pass)
		}
	}
	whole := int32(1)<<u.depth - 1
	for y := range u.height {
		row := to[y*stride:][:u.width]
		source := u.source[(y+restorationMargin)*sourceStride+restorationMargin:][:u.width]
		first, second := u.guided[0][y*unitWidth:][:u.width], u.guided[1][y*unitWidth:][:u.width]
		for x, sample := range source {
			v := int32(sample) << 4
			a, b := v, v
			if params[0].radius > 0 {
				a = first[x]
			}
			if params[1].radius > 0 {
				b = second[x]
			}
			row[x] = clipSample((w1*v+w0*a+w2*b+1<<10)>>11, whole)
		}
	}
}

// box computes A and B of the box filter (section 7.17.3). The first pass needs every other row only.
func (u *restorationBuffers) box(pass, radius int, strength int32) {
	n := int32(2*radius+1) * int32(2*radius+1)
	scale := uint64((1<<20 + n*n*strength/2) / (n * n * strength))
	reciprocal := (1<<12 + n/2) / n
	shift := u.depth - 8
	roundSquare, round := int32(1)<<(2*shift)>>1, int32(1)<<shift>>1
	width := u.width + 2*restorationMargin
	for i := 0; i < u.height+2; i += 2 - pass {
		u.sumColumns(i+2-radius, 2*radius+1, width)
		sums, squares := u.sums[2-radius:], u.squares[2-radius:]
		a, b := u.a[i*boxStride:][:u.width+2], u.b[i*boxStride:][:u.width+2]
		sum, square := int32(0), int32(0)
		for j := range 2 * radius {
			sum += sums[j]
			square += squares[j]
		}
		for j := range a {
			sum += sums[j+2*radius]
			square += squares[j+2*radius]
			s, d := (square+roundSquare)>>(2*shift), (sum+round)>>shift
			p := max(0, s*n-d*d)
			z := min((uint64(p)*scale+1<<19)>>20, 255)
			weight := guideWeights[z]
			a[j] = weight
			b[j] = int32((int64(256-weight)*int64(sum)*int64(reciprocal) + 1<<11) >> 12)
			sum -= sums[j]
			square -= squares[j]
		}
	}
}

// sumColumns sums the samples and their squares in columns of the source, from a row on.
func (u *restorationBuffers) sumColumns(row, count, width int) {
	sums, squares := u.sums[:width], u.squares[:width]
	for x, v := range u.source[row*sourceStride:][:width] {
		sums[x], squares[x] = int32(v), int32(v)*int32(v)
	}
	for i := 1; i < count; i++ {
		for x, v := range u.source[(row+i)*sourceStride:][:width] {
			sums[x] += int32(v)
			squares[x] += int32(v) * int32(v)
		}
	}
}

// smooth computes the output of the box filter from A and B.
func (u *restorationBuffers) smooth(pass int) {
	for y := range u.height {
		out := u.guided[pass][y*unitWidth:][:u.width]
		source := u.source[(y+restorationMargin)*sourceStride+restorationMargin:][:u.width]
		row := func(of *[(stripeHeight + 2) * boxStride]int32, i int) []int32 {
			return of[(y+1+i)*boxStride:][:u.width+2]
		}
		switch {
		case pass == 1:
			a0, a1, a2 := row(&u.a, -1), row(&u.a, 0), row(&u.a, 1)
			b0, b1, b2 := row(&u.b, -1), row(&u.b, 0), row(&u.b, 1)
			for x, v := range source {
				out[x] = (cross(a0, a1, a2, x)*int32(v) + cross(b0, b1, b2, x) + 1<<8) >> 9
			}
		case y&1 == 0:
			a0, a2, b0, b2 := row(&u.a, -1), row(&u.a, 1), row(&u.b, -1), row(&u.b, 1)
			for x, v := range source {
				out[x] = ((sides(a0, x)+sides(a2, x))*int32(v) + sides(b0, x) + sides(b2, x) + 1<<8) >> 9
			}
		default:
			a1, b1 := row(&u.a, 0), row(&u.b, 0)
			for x, v := range source {
				out[x] = (sides(a1, x)*int32(v) + sides(b1, x) + 1<<7) >> 8
			}
		}
	}
}

// sides weights three values of a row by 5, 6 and 5.
func sides(row []int32, x int) int32 {
	r := row[x : x+3 : x+3]
	return 5*(r[0]+r[2]) + 6*r[1]
}

// cross weights the values of a square by 4, and those at its corners by 3.
func cross(above, row, below []int32, x int) int32 {
	a, r, b := above[x:x+3:x+3], row[x:x+3:x+3], below[x:x+3:x+3]
	return 3*(a[0]+a[2]+b[0]+b[2]) + 4*(a[1]+r[0]+r[1]+r[2]+b[1])
}
