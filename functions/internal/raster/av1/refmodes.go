package av1

// readReferences is read_ref_frames (section 5.11.25).
func (d *decoder) readReferences() {
	b, h := &d.block, d.header
	b.ref = [2]int8{lastFrame, noFrame}
	switch {
	case b.skipMode:
		b.ref = h.inter.skipModeFrames
		return
	case d.hasFeature(segmentReference):
		b.ref[0] = int8(h.segmentation.data[b.segment][segmentReference])
		return
	case d.hasFeature(segmentSkip) || d.hasFeature(segmentGlobalMV):
		return
	}
	for _, n := range [2]*motionBlock{b.usesAbove, b.usesLeft} {
		for _, ref := range n.ref {
			if ref > intraFrame {
				b.refCounts[ref]++
			}
		}
	}
	isCompound := h.inter.selectsReference && b.size.isLarge() &&
		d.boolean(&d.interSymbols.compoundMode[d.compoundModeContext()])
	switch {
	case !isCompound:
		b.ref[0] = d.readSingleReference()
	case d.boolean(&d.interSymbols.refType[d.refTypeContext()]):
		d.readBothReferences()
	default:
		d.readSameReferences()
	}
}

// refsOf returns how many of the blocks above and to the left have one of some references.
func (b *interBlock) refsOf(refs ...int) int {
	n := 0
	for _, ref := range refs {
		n += int(b.refCounts[ref])
	}
	return n
}

// moreOf is ref_count_ctx: whether the first, both or the second kind of references is more frequent nearby.
func moreOf(first, second int) int {
	switch {
	case first < second:
		return 0
	case first == second:
		return 1
	default:
		return 2
	}
}

// The contexts of choices between references.

func (b *interBlock) directionContext() int {
	return moreOf(b.refsOf(lastFrame, last2Frame, last3Frame, goldenFrame),
		b.refsOf(backwardFrame, alternate2, alternateFrame))
}

func (b *interBlock) forwardContext() int {
	return moreOf(b.refsOf(lastFrame, last2Frame), b.refsOf(last3Frame, goldenFrame))
}

func (b *interBlock) lastContext() int   { return moreOf(b.refsOf(lastFrame), b.refsOf(last2Frame)) }
func (b *interBlock) goldenContext() int { return moreOf(b.refsOf(last3Frame), b.refsOf(goldenFrame)) }

func (b *interBlock) alternateContext() int {
	return moreOf(b.refsOf(backwardFrame, alternate2), b.refsOf(alternateFrame))
}

func (b *interBlock) backwardContext() int {
	return moreOf(b.refsOf(backwardFrame), b.refsOf(alternate2))
}

func (b *interBlock) otherLastContext() int {
	return moreOf(b.refsOf(last2Frame), b.refsOf(last3Frame, goldenFrame))
}

// readSingleReference reads single_ref_p1 to single_ref_p6.
func (d *decoder) readSingleReference() int8 {
	b, c := &d.block, &d.interSymbols.singleRef
	is := func(ctx, i int) bool { return d.boolean(&c[ctx][i]) }
	if is(b.directionContext(), 0) {
		switch {
		case is(b.alternateContext(), 1):
			return alternateFrame
		case is(b.backwardContext(), 5):
			return alternate2
		default:
			return backwardFrame
		}
	}
	if is(b.forwardContext(), 2) {
		if is(b.goldenContext(), 4) {
			return goldenFrame
		}
		return last3Frame
	}
	if is(b.lastContext(), 3) {
		return last2Frame
	}
	return lastFrame
}

// readBothReferences reads references of which one may be ahead: comp_ref and comp_bwdref.
func (d *decoder) readBothReferences() {
	b, c := &d.block, &d.interSymbols
	is := func(ctx, i int) bool { return d.boolean(&c.forwardRef[ctx][i]) }
	switch isLater := is(b.forwardContext(), 0); {
	case isLater && is(b.goldenContext(), 2):
		b.ref[0] = goldenFrame
	case isLater:
		b.ref[0] = last3Frame
	case is(b.lastContext(), 1):
		b.ref[0] = last2Frame
	default:
		b.ref[0] = lastFrame
	}
	switch {
	case d.boolean(&c.backwardRef[b.alternateContext()][0]):
		b.ref[1] = alternateFrame
	case d.boolean(&c.backwardRef[b.backwardContext()][1]):
		b.ref[1] = alternate2
	default:
		b.ref[1] = backwardFrame
	}
}

// readSameReferences reads references in the same direction: uni_comp_ref.
func (d *decoder) readSameReferences() {
	b := &d.block
	is := func(ctx, i int) bool { return d.boolean(&d.interSymbols.sameRef[ctx][i]) }
	switch {
	case is(b.directionContext(), 0):
		b.ref = [2]int8{backwardFrame, alternateFrame}
	case !is(b.otherLastContext(), 1):
		b.ref = [2]int8{lastFrame, last2Frame}
	case is(b.goldenContext(), 2):
		b.ref = [2]int8{lastFrame, goldenFrame}
	default:
		b.ref = [2]int8{lastFrame, last3Frame}
	}
}

// isAhead is check_backward.
func isAhead(ref int8) bool { return ref >= backwardFrame }

// compoundModeContext returns the context of comp_mode.
func (d *decoder) compoundModeContext() int {
	b := &d.block
	above, left := b.usesAbove, b.usesLeft
	if !b.hasAbove || !b.hasLeft {
		n := above
		if b.hasLeft {
			n = left
		}
		switch {
		case !b.hasAbove && !b.hasLeft:
			return 1
		case n.isCompound():
			return 3
		default:
			return count(isAhead(n.ref[0]))
		}
	}
	switch {
	case above.isCompound() && left.isCompound():
		return 4
	case left.isCompound():
		return 2 + count(isAhead(above.ref[0]) || !above.isInter())
	case above.isCompound():
		return 2 + count(isAhead(left.ref[0]) || !left.isInter())
	default:
		return count(isAhead(above.ref[0]) != isAhead(left.ref[0]))
	}
}

// hasSameDirection reports whether a block is predicted from two frames in the same direction.
func (m *motionBlock) hasSameDirection() bool {
	return m.isCompound() && isAhead(m.ref[0]) == isAhead(m.ref[1])
}

// refTypeContext returns the context of comp_ref_type.
func (d *decoder) refTypeContext() int {
	b := &d.block
	above, left := b.usesAbove, b.usesLeft
	switch {
	case above.isInter() && left.isInter():
		return refTypeBetween(above, left)
	case b.hasAbove && b.hasLeft && above.isCompound():
		return 1 + 2*count(above.hasSameDirection())
	case b.hasAbove && b.hasLeft && left.isCompound():
		return 1 + 2*count(left.hasSameDirection())
	case b.hasAbove && b.hasLeft:
		return 2
	case above.isCompound():
		return 4 * count(above.hasSameDirection())
	case left.isCompound():
		return 4 * count(left.hasSameDirection())
	default:
		return 2
	}
}

// refTypeBetween returns the context of comp_ref_type between two inter blocks.
func refTypeBetween(above, left *motionBlock) int {
	isSame := count(isAhead(above.ref[0]) == isAhead(left.ref[0]))
	sameAbove, sameLeft := above.hasSameDirection(), left.hasSameDirection()
	switch {
	case !above.isCompound() && !left.isCompound():
		return 1 + 2*isSame
	case !above.isCompound() && !sameLeft || !left.isCompound() && !sameAbove:
		return 1
	case !above.isCompound() || !left.isCompound():
		return 3 + isSame
	case !sameAbove && !sameLeft:
		return 0
	case !sameAbove || !sameLeft:
		return 2
	default:
		return 3 + count((above.ref[0] == backwardFrame) == (left.ref[0] == backwardFrame))
	}
}
