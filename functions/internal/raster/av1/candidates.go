package av1

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

// raise adds to the weights of the nearest candidates, which are the first ones.
func (s *vectorStack) raise(nearest int) {
	for i := range nearest {
		s.weights[i] += nearestWeight
	}
}

// clampVectors limits the candidates to the surroundings of the frame. Vectors count so much for a unit of 4 samples.
func (d *decoder) clampVectors(s *vectorStack, unit int) {
	b := &d.block
	for i := range s.count {
		for list := range 1 + count(s.isCompound) {
			v := &s.vectors[i][list]
			v.y = clampVector(v.y, b.row, b.height, d.miRows, unit)
			v.x = clampVector(v.x, b.column, b.width, d.miColumns, unit)
		}
	}
}

// clampVector is clamp_mv_row or clamp_mv_col.
func clampVector(v int16, at, size, total, unit int) int16 {
	const border = 4 // MV_BORDER, in units
	least, most := -(at+size+border)*unit, (total-at+border)*unit
	return int16(min(max(int(v), least), most))
}

// An edge is the blocks above the current one, or to the left of it, whose vectors are candidates (sections 7.10.2.2
// and 7.10.2.3).
type edge struct {
	row, column         int // of the next block
	stepRow, stepColumn int
	left                int // units that are left
	side, least         int // of the current block, and how many units a block counts as at least
	sides               *[blockSizes]uint8
}

// above returns the blocks of a row above: the first, third or fifth.
func (d *decoder) above(delta int) edge {
	b := &d.block
	e := edge{row: b.row + delta, column: b.column, stepColumn: 1, side: b.width, sides: &blockWidth4Log2}
	if e.set(delta, d.miColumns-b.column); delta < -1 {
		e.row += b.row & 1
		e.column += 1 - b.column&1
	}
	return e
}

// beside returns the blocks of a column to the left.
func (d *decoder) beside(delta int) edge {
	b := &d.block
	e := edge{row: b.row, column: b.column + delta, stepRow: 1, side: b.height, sides: &blockHeight4Log2}
	if e.set(delta, d.miRows-b.row); delta < -1 {
		e.row += 1 - b.row&1
		e.column += b.column & 1
	}
	return e
}

// set sets the number of units. The frame has so many from the block on.
func (e *edge) set(delta, inFrame int) {
	e.left, e.least = min(e.side, inFrame, 16), 1
	if delta < -1 {
		e.least = 2
	}
	if e.side >= 16 {
		e.least = 4
	}
}

// hasNext reports whether an edge has a next block, in the tile.
func (d *decoder) hasNext(e *edge) bool { return e.left > 0 && d.isInside(e.row, e.column) }

// pass passes the next block, and returns its weight.
func (e *edge) pass(size blockSize) (weight int) {
	step := max(min(e.side, 1<<e.sides[size]), e.least)
	e.row, e.column, e.left = e.row+step*e.stepRow, e.column+step*e.stepColumn, e.left-step
	return 2 * step
}

// pointWeight is the weight of a block at one point.
const pointWeight = 4

// unitAt returns the index of the unit of 4x4 luma samples at a point beside the current block, if that is in the tile
// (section 7.10.2.4).
func (d *decoder) unitAt(deltaRow, deltaColumn int) (at int, ok bool) {
	row, column := d.block.row+deltaRow, d.block.column+deltaColumn
	return row*d.miColumns + column, d.isInside(row, column)
}

// isInside is is_inside: it reports whether a position is inside the tile.
func (d *decoder) isInside(row, column int) bool {
	t := &d.tile
	return t.left <= column && column < t.right && t.top <= row && row < t.bottom
}
