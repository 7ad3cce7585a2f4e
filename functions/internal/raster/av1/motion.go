package av1

// A motionBlock is how a block is predicted, as later blocks and the loop filter need to know it.
type motionBlock struct {
	mv            [2]vector // in units of 1/8 sample
	ref           [2]int8   // RefFrames: noFrame, intraFrame, or a reference
	size          blockSize
	mode          uint8    // YMode
	filters       [2]uint8 // InterpFilters: down and across
	compoundGroup uint8    // comp_group_idx
	compoundIndex uint8    // compound_idx
	skipMode      uint8
	isDecoded     bool
}

// isCompound reports whether a block is predicted from two frames.
func (m *motionBlock) isCompound() bool { return m.ref[1] > intraFrame }

// isInter reports whether a block is predicted from other frames.
func (m *motionBlock) isInter() bool { return m.ref[0] > intraFrame }

// isLarge reports whether both sides of a block have 8 samples or more.
func (s blockSize) isLarge() bool { return min(blockWidth4Log2[s], blockHeight4Log2[s]) > 0 }

// Modes of inter prediction (section 6.10.22), after those of intra prediction.
const (
	modeNearest = iota + modeCFL + 1
	modeNear
	modeGlobal
	modeNew
	modeNearestNearest
	modeNearNear
	modeNearestNew
	modeNewNearest
	modeNearNew
	modeNewNear
	modeGlobalGlobal
	modeNewNew
)

// singleModes are the modes of both vectors of compound modes (get_mode).
var singleModes = [modeNewNew + 1][2]uint8{
	modeNearest: {modeNearest}, modeNear: {modeNear}, modeGlobal: {modeGlobal}, modeNew: {modeNew},
	modeNearestNearest: {modeNearest, modeNearest}, modeNearNear: {modeNear, modeNear},
	modeNearestNew: {modeNearest, modeNew}, modeNewNearest: {modeNew, modeNearest},
	modeNearNew: {modeNear, modeNew}, modeNewNear: {modeNew, modeNear},
	modeGlobalGlobal: {modeGlobal, modeGlobal}, modeNewNew: {modeNew, modeNew},
}

// has reports whether a mode is a mode of one vector, or has it for either one.
func has(mode, single uint8) bool {
	return singleModes[mode][0] == single || singleModes[mode][1] == single
}

// motionAt returns the block at a position.
func (d *decoder) motionAt(row, column int) *motionBlock { return &d.motion[row*d.miColumns+column] }

// findVectors is find_mv_stack.
func (d *decoder) findVectors() {
	b, s := &d.block, &d.inter.stack
	*s = vectorStack{isCompound: b.ref[1] > intraFrame}
	s.global[0] = d.globalVector(b.ref[0])
	if s.isCompound {
		s.global[1] = d.globalVector(b.ref[1])
	}
	isAbove := d.foundMatch(func() { d.scan(d.above(-1)) })
	isLeft := d.foundMatch(func() { d.scan(d.beside(-1)) })
	if max(b.width, b.height) <= 16 {
		isAbove = d.foundMatch(func() { d.scanAt(-1, b.width) }) || isAbove
	}
	nearby := count(isAbove, isLeft)
	nearest, hasNew := s.count, s.hasNew
	s.raise(nearest)
	if d.header.inter.useRefMVs {
		d.scanField()
	}
	isAbove = d.foundMatch(func() { d.scanAt(-1, -1) }) || isAbove
	isAbove = d.foundMatch(func() { d.scan(d.above(-3)) }) || isAbove
	isLeft = d.foundMatch(func() { d.scan(d.beside(-3)) }) || isLeft
	if b.height > 1 {
		isAbove = d.foundMatch(func() { d.scan(d.above(-5)) }) || isAbove
	}
	if b.width > 1 {
		isLeft = d.foundMatch(func() { d.scan(d.beside(-5)) }) || isLeft
	}
	s.sort(0, nearest)
	s.sort(nearest, s.count)
	if s.count < 2 {
		d.searchMore()
	}
	s.setContexts(nearby, count(isAbove, isLeft), hasNew)
	const unit = 4 * 8 // eighths of samples, which vectors count
	d.clampVectors(s, unit)
}

func count(flags ...bool) int {
	n := 0
	for _, is := range flags {
		if is {
			n++
		}
	}
	return n
}

// foundMatch reports whether a scan finds a block with the same references.
func (d *decoder) foundMatch(scan func()) bool {
	s := &d.inter.stack
	s.hasMatch = false
	scan()
	return s.hasMatch
}

// globalVector is the process of section 7.10.2.1: the global motion at the middle of the block.
func (d *decoder) globalVector(ref int8) vector {
	b, g := &d.block, &d.header.inter.global[ref]
	w := &g.params
	switch g.kind {
	case identity:
		return vector{}
	case translation:
		return d.lowered(vector{y: int16(w[0] >> 13), x: int16(w[1] >> 13)})
	}
	x, y := b.column*4+b.width*2-1, b.row*4+b.height*2-1
	dx := (w[2]-1<<16)*x + w[3]*y + w[0]
	dy := w[4]*x + (w[5]-1<<16)*y + w[1]
	if d.header.inter.allowHighPrecision {
		return d.lowered(vector{y: int16(roundSigned(dy, 13)), x: int16(roundSigned(dx, 13))})
	}
	return d.lowered(vector{y: int16(roundSigned(dy, 14) * 2), x: int16(roundSigned(dx, 14) * 2)})
}

// roundSigned is Round2Signed.
func roundSigned(v int, shift uint) int {
	if v < 0 {
		return -((-v + 1<<shift>>1) >> shift)
	}
	return (v + 1<<shift>>1) >> shift
}

// lowered returns a vector with the precision of the frame (section 7.10.2.10).
func (d *decoder) lowered(v vector) vector {
	if d.header.inter.allowHighPrecision {
		return v
	}
	return vector{y: d.loweredComponent(v.y), x: d.loweredComponent(v.x)}
}

func (d *decoder) loweredComponent(v int16) int16 {
	switch {
	case d.header.forceInteger && v > 0:
		return (v + 3) >> 3 << 3
	case d.header.forceInteger:
		return -((3 - v) >> 3 << 3)
	case v&1 == 0:
		return v
	case v > 0:
		return v - 1
	default:
		return v + 1
	}
}

// scan scans the blocks of an edge.
func (d *decoder) scan(e edge) {
	for d.hasNext(&e) {
		n := d.motionAt(e.row, e.column)
		d.addNeighbor(n, e.pass(n.size))
	}
}

// scanAt looks at a block if it is decoded.
func (d *decoder) scanAt(deltaRow, deltaColumn int) {
	if at, ok := d.unitAt(deltaRow, deltaColumn); ok && d.motion[at].isDecoded {
		d.addNeighbor(&d.motion[at], pointWeight)
	}
}

// addNeighbor is the process of sections 7.10.2.7 to 7.10.2.9.
func (d *decoder) addNeighbor(n *motionBlock, weight int) {
	b, s := &d.block, &d.inter.stack
	if !n.isInter() {
		return
	}
	if s.isCompound {
		if n.ref == b.ref {
			d.addMatch([2]vector{d.candidate(n, 0), d.candidate(n, 1)}, n.mode, weight)
		}
		return
	}
	for list, ref := range n.ref {
		if ref == b.ref[0] {
			d.addMatch([2]vector{d.candidate(n, list)}, n.mode, weight)
		}
	}
}

// candidate returns a vector of a block, or the global one for the current block if it has that.
func (d *decoder) candidate(n *motionBlock, list int) vector {
	ref := n.ref[list]
	isGlobal := n.mode == modeGlobal || n.mode == modeGlobalGlobal
	if isGlobal && d.header.inter.global[ref].kind > translation && n.size.isLarge() {
		if d.inter.stack.isCompound {
			return d.inter.stack.global[list]
		}
		return d.inter.stack.global[0]
	}
	return d.lowered(n.mv[list])
}

func (d *decoder) addMatch(v [2]vector, mode uint8, weight int) {
	s := &d.inter.stack
	s.hasNew = s.hasNew || has(mode, modeNew)
	s.hasMatch = true
	s.add(v, weight)
}

// searchMore is the extra search process (section 7.10.2.12): it adds vectors of blocks with other references, and
// global ones.
func (d *decoder) searchMore() {
	b, s := &d.block, &d.inter.stack
	var same, other [2]vectorPair // of compound blocks: RefIdMvs and RefDiffMvs
	size := min(b.width, b.height, 16, d.miColumns-b.column, d.miRows-b.row)
	for pass := range 2 {
		for i := 0; i < size && s.count < 2; {
			row, column := b.row-1, b.column+i
			if pass == 1 {
				row, column = b.row+i, b.column-1
			}
			if !d.isInside(row, column) {
				break
			}
			n := d.motionAt(row, column)
			if s.isCompound {
				d.collect(n, &same, &other)
			} else {
				d.addOther(n)
			}
			if pass == 0 {
				i += 1 << blockWidth4Log2[n.size]
			} else {
				i += 1 << blockHeight4Log2[n.size]
			}
		}
	}
	if !s.isCompound {
		for i := s.count; i < 2; i++ {
			s.vectors[i][0] = s.global[0]
		}
		return
	}
	var pairs [2][2]vector
	for list := range 2 {
		all := &same[list]
		for _, v := range other[list].vectors[:other[list].count] {
			all.add(v)
		}
		all.add(s.global[list])
		all.add(s.global[list])
		pairs[0][list], pairs[1][list] = all.vectors[0], all.vectors[1]
	}
	s.addPairs(pairs)
}

// addPairs adds candidates until there are two.
func (s *vectorStack) addPairs(pairs [2][2]vector) {
	if s.count == 1 {
		if pairs[0] == s.vectors[0] {
			pairs[0] = pairs[1]
		}
		s.vectors[1], s.weights[1], s.count = pairs[0], 2, 2
		return
	}
	for i, pair := range pairs {
		s.vectors[s.count+i], s.weights[s.count+i] = pair, 2
	}
	s.count += 2
}

// turned returns a vector for another reference, whose direction in time may be the opposite one.
func (d *decoder) turned(v vector, from, to int8) vector {
	if h := &d.header.inter; h.isBackward[from] != h.isBackward[to] {
		return vector{y: -v.y, x: -v.x}
	}
	return v
}

// addOther adds the vectors of a block with any reference (section 7.10.2.13).
func (d *decoder) addOther(n *motionBlock) {
	s := &d.inter.stack
	for list, ref := range n.ref {
		if ref <= intraFrame {
			continue
		}
		v := [2]vector{d.turned(n.mv[list], ref, d.block.ref[0])}
		isNew := true
		for i := range s.count {
			isNew = isNew && s.vectors[i] != v
		}
		if isNew {
			s.vectors[s.count], s.weights[s.count] = v, 2
			s.count++
		}
	}
}

// A vectorPair is up to two vectors.
type vectorPair struct {
	vectors [2]vector
	count   int
}

// add adds a vector if there is room.
func (p *vectorPair) add(v vector) bool {
	if p.count == len(p.vectors) {
		return false
	}
	p.vectors[p.count] = v
	p.count++
	return true
}

// collect collects the vectors of a block for either reference of a compound block (section 7.10.2.13).
func (d *decoder) collect(n *motionBlock, same, other *[2]vectorPair) {
	for i, ref := range n.ref {
		if ref <= intraFrame {
			continue
		}
		for list, wanted := range d.block.ref {
			if ref != wanted || !same[list].add(n.mv[i]) {
				other[list].add(d.turned(n.mv[i], ref, wanted))
			}
		}
	}
}

// setContexts sets the contexts of modes (section 7.10.2.14).
func (s *vectorStack) setContexts(nearby, total int, hasNew bool) {
	for i := range max(s.count-1, 0) {
		switch {
		case s.weights[i] < nearestWeight:
			s.drl[i] = 2
		case s.weights[i+1] < nearestWeight:
			s.drl[i] = 1
		}
	}
	switch nearby {
	case 0:
		s.newContext, s.refContext = min(total, 1), total
	case 1:
		s.newContext, s.refContext = 3-count(hasNew), 2+total
	default:
		s.newContext, s.refContext = 5-count(hasNew), 5
	}
}
