package av1

// A fieldMotion is a vector that was projected from another frame, and the distance between the frames that it is for.
type fieldMotion struct {
	vector
	distance int8 // 0 if there is none
}

const (
	maxFrameDistance = 31        // MAX_FRAME_DISTANCE
	maxSavedVector   = 1<<12 - 1 // REFMVS_LIMIT
)

// saveMotion is the process of section 7.19. Only vectors at odd positions are ever used.
func (d *decoder) saveMotion() []savedMotion {
	h := &d.header.inter
	columns, rows := d.miColumns/2, d.miRows/2
	saved := make([]savedMotion, columns*rows)
	for y := range rows {
		for x := range columns {
			m, to := d.motionAt(2*y+1, 2*x+1), &saved[y*columns+x]
			to.ref = noFrame
			for list, ref := range m.ref {
				if ref <= intraFrame || d.sequence.distance(h.orderHints[ref], d.header.orderHint) >= 0 {
					continue
				}
				if v := m.mv[list]; max(v.y, -v.y) <= maxSavedVector && max(v.x, -v.x) <= maxSavedVector {
					*to = savedMotion{v, ref}
				}
			}
		}
	}
	return saved
}

// startField estimates the motion field (section 7.9).
func (d *decoder) startField(f *codedFrame) {
	s, h, refs := d.inter, &d.header.inter, &f.refs
	s.field = resize(s.field, d.miColumns/2*(d.miRows/2))
	isAhead := func(ref int) bool { return d.sequence.distance(h.orderHints[ref], d.header.orderHint) > 0 }
	if refs[0].header.inter.orderHints[alternateFrame] != h.orderHints[goldenFrame] {
		d.project(refs[0], lastFrame, -1)
	}
	left := 1 // MFMV_STACK_SIZE - 2
	for _, ref := range [...]int{backwardFrame, alternate2, alternateFrame} {
		if isAhead(ref) && (ref != alternateFrame || left >= 0) && d.project(refs[ref-lastFrame], ref, 1) {
			left--
		}
	}
	if left >= 0 {
		d.project(refs[last2Frame-lastFrame], last2Frame, -1)
	}
}

// project projects the vectors of a reference frame (section 7.9.2). It reports whether that has any.
func (d *decoder) project(from *codedFrame, ref, sign int) bool {
	h := from.header
	if from.stored.motion == nil || h.miRows() != d.miRows || h.miColumns() != d.miColumns || h.isIntra() {
		return false
	}
	hint := d.header.inter.orderHints[ref]
	toCurrent := d.sequence.distance(hint, d.header.orderHint)
	if max(toCurrent, -toCurrent) > maxFrameDistance {
		return true
	}
	columns, rows := d.miColumns/2, d.miRows/2
	for y := range rows {
		for x := range columns {
			m := &from.stored.motion[y*columns+x]
			if m.ref <= intraFrame {
				continue
			}
			distance := d.sequence.distance(hint, h.inter.orderHints[m.ref])
			if distance <= 0 || distance > maxFrameDistance {
				continue
			}
			p := projected(m.vector, toCurrent*sign, distance)
			toY, okY := projectedPosition(y, int(p.y), sign, rows, 0)
			toX, okX := projectedPosition(x, int(p.x), sign, columns, 8)
			if okY && okX {
				d.inter.field[toY*columns+toX] = fieldMotion{m.vector, int8(distance)}
			}
		}
	}
	return true
}

// projectionFactors is Div_Mult.
var projectionFactors = func() (t [maxFrameDistance + 1]int) {
	for i := 1; i <= maxFrameDistance; i++ {
		t[i] = 1 << 14 / i
	}
	return t
}()

// projected is get_mv_projection (section 7.9.3).
func projected(v vector, numerator, denominator int) vector {
	factor := min(max(numerator, -maxFrameDistance), maxFrameDistance) * projectionFactors[denominator]
	component := func(c int16) int16 {
		const most = 1<<14 - 1
		return int16(min(max(roundSigned(int(c)*factor, 14), -most), most))
	}
	return vector{y: component(v.y), x: component(v.x)}
}

// projectedPosition is the function project of section 7.9.4.
func projectedPosition(at, delta, sign, size, reach int) (int, bool) {
	base := at &^ 7
	offset := delta >> 6
	if delta < 0 {
		offset = -(-delta >> 6)
	}
	at += sign * offset
	return at, 0 <= at && at < size && base-reach <= at && at < base+8+reach
}

// scanField adds candidates of the motion field (section 7.10.2.5).
func (d *decoder) scanField() {
	b := &d.block
	stepX, stepY := 2, 2
	if b.width >= 16 {
		stepX = 4
	}
	if b.height >= 16 {
		stepY = 4
	}
	for y := 0; y < min(b.height, 16); y += stepY {
		for x := 0; x < min(b.width, 16); x += stepX {
			d.addFromField(y, x)
		}
	}
	if min(b.width, b.height) < 2 || max(b.width, b.height) >= 16 {
		return
	}
	for _, at := range [3][2]int{{b.height, -2}, {b.height, b.width}, {b.height - 2, b.width}} {
		row, column := b.row&15+at[0], b.column&15+at[1]
		if row < 16 && 0 <= column && column < 16 {
			d.addFromField(at[0], at[1])
		}
	}
}

// addFromField is the process of section 7.10.2.6.
func (d *decoder) addFromField(deltaRow, deltaColumn int) {
	b, s := &d.block, &d.inter.stack
	row, column := (b.row+deltaRow)|1, (b.column+deltaColumn)|1
	if !d.isInside(row, column) {
		return
	}
	isFirst := deltaRow == 0 && deltaColumn == 0
	if isFirst {
		s.zero = 1
	}
	m := &d.inter.field[row/2*(d.miColumns/2)+column/2]
	if m.distance == 0 {
		return
	}
	var v [2]vector
	isNear := true
	for list := range 1 + count(s.isCompound) {
		to := d.sequence.distance(d.header.orderHint, d.header.inter.orderHints[b.ref[list]])
		v[list] = d.lowered(projected(m.vector, to, int(m.distance)))
		dy, dx := int(v[list].y)-int(s.global[list].y), int(v[list].x)-int(s.global[list].x)
		isNear = isNear && max(dy, -dy) < 16 && max(dx, -dx) < 16
	}
	if isFirst && isNear {
		s.zero = 0
	}
	s.add(v, 2)
}
