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

const (
	maxCandidates = 8   // MAX_REF_MV_STACK_SIZE
	nearestWeight = 640 // REF_CAT_LEVEL
)

// A vectorStack has the candidates for the motion vectors of a block (section 7.10.2).
type vectorStack struct {
	count   int                          // NumMvFound
	vectors [maxCandidates + 1][2]vector // RefStackMv
	weights [maxCandidates + 1]int
	global  [2]vector // GlobalMvs

	hasMatch, hasNew             bool // FoundMatch, NewMvCount
	isCompound                   bool
	newContext, refContext, zero int
	drl                          [maxCandidates + 1]uint8 // DrlCtxStack
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
	isAbove := d.foundMatch(func() { d.scanAbove(-1) })
	isLeft := d.foundMatch(func() { d.scanLeft(-1) })
	if max(b.width, b.height) <= 16 {
		isAbove = d.foundMatch(func() { d.scanAt(-1, b.width) }) || isAbove
	}
	nearby := count(isAbove, isLeft)
	nearest, hasNew := s.count, s.hasNew
	for i := range nearest {
		s.weights[i] += nearestWeight
	}
	if d.header.inter.useRefMVs {
		d.scanField()
	}
	isAbove = d.foundMatch(func() { d.scanAt(-1, -1) }) || isAbove
	isAbove = d.foundMatch(func() { d.scanAbove(-3) }) || isAbove
	isLeft = d.foundMatch(func() { d.scanLeft(-3) }) || isLeft
	if b.height > 1 {
		isAbove = d.foundMatch(func() { d.scanAbove(-5) }) || isAbove
	}
	if b.width > 1 {
		isLeft = d.foundMatch(func() { d.scanLeft(-5) }) || isLeft
	}
	s.sort(0, nearest)
	s.sort(nearest, s.count)
	if s.count < 2 {
		d.searchMore()
	}
	s.setContexts(nearby, count(isAbove, isLeft), hasNew)
	d.clampVectors()
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

// scanAbove scans a row above (section 7.10.2.2).
func (d *decoder) scanAbove(delta int) {
	b := &d.block
	row, column, least := b.row+delta, b.column, 1
	if delta < -1 {
		row += b.row & 1
		column += 1 - b.column&1
		least = 2
	}
	if b.width >= 16 {
		least = 4
	}
	end := min(b.width, d.miColumns-b.column, 16)
	for i := 0; i < end && d.isInside(row, column+i); {
		n := d.motionAt(row, column+i)
		step := max(min(b.width, 1<<blockWidth4Log2[n.size]), least)
		d.addNeighbor(n, 2*step)
		i += step
	}
}

// scanLeft scans a column to the left (section 7.10.2.3).
func (d *decoder) scanLeft(delta int) {
	b := &d.block
	row, column, least := b.row, b.column+delta, 1
	if delta < -1 {
		row += 1 - b.row&1
		column += b.column & 1
		least = 2
	}
	if b.height >= 16 {
		least = 4
	}
	end := min(b.height, d.miRows-b.row, 16)
	for i := 0; i < end && d.isInside(row+i, column); {
		n := d.motionAt(row+i, column)
		step := max(min(b.height, 1<<blockHeight4Log2[n.size]), least)
		d.addNeighbor(n, 2*step)
		i += step
	}
}

// scanAt looks at a block if it is decoded (section 7.10.2.4).
func (d *decoder) scanAt(deltaRow, deltaColumn int) {
	row, column := d.block.row+deltaRow, d.block.column+deltaColumn
	if !d.isInside(row, column) {
		return
	}
	if n := d.motionAt(row, column); n.isDecoded {
		d.addNeighbor(n, 4)
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

// add adds a candidate, or weight to the same one.
func (s *vectorStack) add(v [2]vector, weight int) {
	for i := range s.count {
		if s.vectors[i] == v {
			s.weights[i] += weight
			return
		}
	}
	if s.count < maxCandidates {
		s.vectors[s.count], s.weights[s.count] = v, weight
		s.count++
	}
}

// sort is the process of section 7.10.2.11.
func (s *vectorStack) sort(start, end int) {
	for end > start {
		next := start
		for i := start + 1; i < end; i++ {
			if s.weights[i-1] < s.weights[i] {
				s.weights[i-1], s.weights[i] = s.weights[i], s.weights[i-1]
				s.vectors[i-1], s.vectors[i] = s.vectors[i], s.vectors[i-1]
				next = i
			}
		}
		end = next
	}
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

// clampVectors limits the candidates to the surroundings of the frame.
func (d *decoder) clampVectors() {
	b, s := &d.block, &d.inter.stack
	for i := range s.count {
		for list := range 1 + count(s.isCompound) {
			v := &s.vectors[i][list]
			v.y = clampEighths(v.y, b.row, b.height, d.miRows)
			v.x = clampEighths(v.x, b.column, b.width, d.miColumns)
		}
	}
}

// clampEighths is clamp_mv_row or clamp_mv_col.
func clampEighths(v int16, at, size, total int) int16 {
	const border = 128 // MV_BORDER
	least, most := -at*32-border-size*32, (total-size-at)*32+border+size*32
	return int16(min(max(int(v), least), most))
}
