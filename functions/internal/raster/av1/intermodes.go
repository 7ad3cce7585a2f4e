package av1

// Motion modes (section 6.10.26).
const (
	motionSimple = iota
	motionOverlaps
	motionWarps
)

// Types of compound prediction (section 6.10.28).
const (
	compoundWedge = iota
	compoundDifference
	compoundAverage
	compoundIntra
	compoundDistance
)

// An interBlock is what inter frames state for a block beside the fields of intra frames.
type interBlock struct {
	ref        [2]int8   // RefFrame
	mvs        [2]vector // Mv
	skipMode   bool
	filters    [2]uint8 // interp_filter
	motionMode uint8

	blendsIntra    bool  // interintra
	intraMode      uint8 // interintra_mode
	usesIntraWedge bool  // wedge_interintra

	compoundType  uint8
	compoundGroup uint8 // comp_group_idx
	compoundIndex uint8 // compound_idx
	wedge         uint8 // wedge_index
	wedgeSign     uint8
	invertsMask   bool // mask_type
	usesAbove     *motionBlock
	usesLeft      *motionBlock
	samples       [8]warpSample // CandList
	sampleCount   int           // NumSamples
	scanned       int           // NumSamplesScanned
	refCounts     [8]uint8      // how often the blocks above and to the left have a reference
	isOverlapping bool          // a part is predicted by the motion of another block
}

// noBlock stands for a block outside of the tile.
var noBlock = motionBlock{ref: [2]int8{intraFrame, noFrame}}

// readInterModes is inter_frame_mode_info (section 5.11.18).
func (d *decoder) readInterModes() {
	b := &d.block
	b.interBlock = interBlock{usesAbove: &noBlock, usesLeft: &noBlock}
	if b.hasAbove {
		b.usesAbove = d.motionAt(b.row-1, b.column)
	}
	if b.hasLeft {
		b.usesLeft = d.motionAt(b.row, b.column-1)
	}
	b.skip, b.segment = false, 0
	d.readInterSegment(true)
	if b.skipMode = d.readSkipMode(); b.skipMode {
		b.skip = true
	} else {
		d.readSkip()
	}
	if !d.header.segmentation.preSkip {
		d.readInterSegment(false)
	}
	b.lossless = d.header.losslessArray[b.segment]
	d.readCDEF()
	d.readDeltas()
	b.colors, b.usesFilter, b.angle, b.uvAngle = [2]int{}, false, 0, 0
	b.ref = [2]int8{intraFrame, noFrame}
	if b.isInter = d.readIsInter(); b.isInter {
		d.readInterBlock()
		return
	}
	b.mode = uint8(d.symbol(d.interSymbols.yMode[sizeGroups[b.size]][:]))
	d.readIntraTools()
}

// sizeGroups is Size_Group.
var sizeGroups = [blockSizes]uint8{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 0, 0, 1, 1, 2, 2}

// hasFeature is seg_feature_active.
func (d *decoder) hasFeature(feature int) bool {
	s := &d.header.segmentation
	return s.enabled && s.feature[d.block.segment][feature]
}

// readInterSegment is inter_segment_id (section 5.11.19), before the skip flag and after it.
func (d *decoder) readInterSegment(isBefore bool) {
	b, s, t := &d.block, &d.header.segmentation, &d.tile
	switch {
	case !s.enabled:
		return
	case !s.updatesMap:
		b.segment = d.predictedSegment()
		d.keepSegment()
		return
	case isBefore && !s.preSkip:
		return
	}
	isPredicted := false
	if s.isTemporal && (isBefore || !b.skip) {
		ctx := t.abovePredicted[b.column] + t.leftPredicted[b.row&31]
		isPredicted = d.boolean(&d.interSymbols.segmentPredicted[ctx])
	}
	if isPredicted {
		b.segment = d.predictedSegment()
		d.keepSegment()
	} else {
		d.readSegment()
	}
	if s.isTemporal {
		fillBytes(t.abovePredicted[b.column:][:min(b.width, len(t.abovePredicted)-b.column)], uint8(count(isPredicted)))
		fillBytes(t.leftPredicted[b.row&31:][:b.height], uint8(count(isPredicted)))
	}
}

func fillBytes(to []uint8, v uint8) {
	for i := range to {
		to[i] = v
	}
}

// predictedSegment is get_segment_id (section 5.11.21).
func (d *decoder) predictedSegment() int {
	b, before := &d.block, d.inter.segments
	if before == nil {
		return 0
	}
	segment := uint8(maxSegments - 1)
	for y := range min(b.height, d.miRows-b.row) {
		for _, s := range before[(b.row+y)*d.miColumns+b.column:][:min(b.width, d.miColumns-b.column)] {
			segment = min(segment, s)
		}
	}
	return int(segment)
}

// readSkipMode is read_skip_mode (section 5.11.10).
func (d *decoder) readSkipMode() bool {
	b := &d.block
	if !d.header.inter.skipMode || !b.size.isLarge() || d.hasFeature(segmentSkip) || d.hasFeature(segmentReference) ||
		d.hasFeature(segmentGlobalMV) {
		return false
	}
	return d.boolean(&d.interSymbols.skipMode[b.usesAbove.skipMode+b.usesLeft.skipMode])
}

// readIsInter is read_is_inter (section 5.11.20).
func (d *decoder) readIsInter() bool {
	b := &d.block
	switch {
	case b.skipMode:
		return true
	case d.hasFeature(segmentReference):
		return d.header.segmentation.data[b.segment][segmentReference] != intraFrame
	case d.hasFeature(segmentGlobalMV):
		return true
	}
	isAboveIntra, isLeftIntra := !b.usesAbove.isInter(), !b.usesLeft.isInter()
	ctx := 0
	switch {
	case b.hasAbove && b.hasLeft && isAboveIntra && isLeftIntra:
		ctx = 3
	case b.hasAbove && b.hasLeft:
		ctx = count(isAboveIntra || isLeftIntra)
	case b.hasAbove:
		ctx = 2 * count(isAboveIntra)
	case b.hasLeft:
		ctx = 2 * count(isLeftIntra)
	}
	return d.boolean(&d.interSymbols.isInter[ctx])
}

// readInterBlock is inter_block_mode_info (section 5.11.23).
func (d *decoder) readInterBlock() {
	b := &d.block
	d.readReferences()
	for _, ref := range b.ref {
		if ref > intraFrame && !d.inter.refs[ref].isValid {
			d.fault = damaged("it predicts a block from a frame that is more than twice as large, or less than a 16th")
			return
		}
	}
	isCompound := b.ref[1] > intraFrame
	d.findVectors()
	d.readInterMode(isCompound)
	index := d.readVectorIndex()
	d.assignVectors(isCompound, index)
	d.readInterIntra(isCompound)
	d.readMotionMode(isCompound)
	d.readCompoundType(isCompound)
	d.readFilters()
	b.uvMode = modeDC
}

// readInterMode reads the mode: YMode.
func (d *decoder) readInterMode(isCompound bool) {
	b, c, s := &d.block, &d.interSymbols, &d.inter.stack
	switch {
	case b.skipMode:
		b.mode = modeNearestNearest
	case d.hasFeature(segmentSkip) || d.hasFeature(segmentGlobalMV):
		b.mode = modeGlobal
	case isCompound:
		contexts := [3][5]uint8{{0, 1, 1, 1, 1}, {1, 2, 3, 4, 4}, {4, 4, 5, 6, 7}} // Compound_Mode_Ctx_Map
		ctx := contexts[s.refContext>>1][min(s.newContext, 4)]
		b.mode = modeNearestNearest + uint8(d.symbol(c.modes[ctx][:]))
	case !d.boolean(&c.newMV[s.newContext]):
		b.mode = modeNew
	case !d.boolean(&c.zeroMV[s.zero]):
		b.mode = modeGlobal
	case !d.boolean(&c.refMV[s.refContext]):
		b.mode = modeNearest
	default:
		b.mode = modeNear
	}
}

// readVectorIndex reads RefMvIdx: which candidate is used.
func (d *decoder) readVectorIndex() int {
	b, s := &d.block, &d.inter.stack
	first := 0
	switch {
	case b.mode == modeNew || b.mode == modeNewNew:
	case has(b.mode, modeNear):
		first = 1
	default:
		return 0
	}
	index := first
	for i := first; i < first+2 && s.count > i+1; i++ {
		if !d.boolean(&d.interSymbols.drl[s.drl[i]]) {
			return i
		}
		index = i + 1
	}
	return index
}

// assignVectors is assign_mv (section 5.11.26).
func (d *decoder) assignVectors(isCompound bool, index int) {
	b, s := &d.block, &d.inter.stack
	for i := range 1 + count(isCompound) {
		mode := singleModes[b.mode][i]
		at := index
		if mode == modeNearest || mode == modeNew && s.count <= 1 {
			at = 0
		}
		b.mvs[i] = s.vectors[at][i]
		switch mode {
		case modeGlobal:
			b.mvs[i] = s.global[i]
		case modeNew:
			d.readDifference(&b.mvs[i])
		}
		const limit = 1 << 14
		if v := b.mvs[i]; max(int(v.y), -int(v.y)) >= limit || max(int(v.x), -int(v.x)) >= limit {
			d.fault = damaged("it has a motion vector of %d,%d, expected less than %d", v.x, v.y, limit)
		}
	}
}

// readDifference is read_mv (section 5.11.31).
func (d *decoder) readDifference(v *vector) {
	joint := d.symbol4(&d.interSymbols.vectors.joint)
	if joint >= 2 {
		v.y += d.readVectorComponent(0)
	}
	if joint&1 != 0 {
		v.x += d.readVectorComponent(1)
	}
}

// readVectorComponent is read_mv_component (section 5.11.32).
func (d *decoder) readVectorComponent(i int) int16 {
	c := &d.interSymbols.vectors
	isNegative := d.boolean(&c.sign[i])
	class := d.symbol(c.class[i][:])
	whole := 0
	fractions, high := &c.fraction[i], &c.high[i]
	if class == 0 {
		whole = count(d.boolean(&c.class0Bit[i]))
		fractions, high = &c.class0Fraction[i][whole], &c.class0High[i]
	} else {
		for j := range class {
			whole |= count(d.boolean(&c.bit[i][j])) << j
		}
	}
	fraction, eighth := 3, 1
	if !d.header.forceInteger {
		fraction = d.symbol4(fractions)
	}
	if d.header.inter.allowHighPrecision {
		eighth = count(d.boolean(high))
	}
	v := whole<<3 + fraction<<1 + eighth + 1
	if class > 0 {
		v += 2 << (class + 2)
	}
	if isNegative {
		return int16(-v)
	}
	return int16(v)
}

// readInterIntra is read_interintra_mode (section 5.11.28).
func (d *decoder) readInterIntra(isCompound bool) {
	b, c := &d.block, &d.interSymbols
	if b.skipMode || !d.sequence.enableInterIntra || isCompound || b.size < block8x8 || b.size > block32x32 {
		return
	}
	group := sizeGroups[b.size] - 1
	if b.blendsIntra = d.boolean(&c.interIntra[group]); !b.blendsIntra {
		return
	}
	b.intraMode = uint8(d.symbol4(&c.interIntraMode[group]))
	b.ref[1] = intraFrame
	if b.usesIntraWedge = d.boolean(&c.wedgeInterIntra[b.size]); b.usesIntraWedge {
		b.wedge = uint8(d.symbol(c.wedgeIndex[b.size][:]))
	}
}

// readMotionMode is read_motion_mode (section 5.11.27).
func (d *decoder) readMotionMode(isCompound bool) {
	b, c, h := &d.block, &d.interSymbols, &d.header.inter
	if b.skipMode || !h.isMotionModeSwitchable || !b.size.isLarge() {
		return
	}
	if !d.header.forceInteger && b.mode == modeGlobal && h.global[b.ref[0]].kind > translation {
		return
	}
	if isCompound || b.blendsIntra || !d.hasOverlaps() {
		return
	}
	d.findSamples()
	if d.header.forceInteger || b.sampleCount == 0 || !h.allowWarp || d.inter.refs[b.ref[0]].isScaled {
		b.motionMode = uint8(count(d.boolean(&c.overlaps[b.size])))
		return
	}
	b.motionMode = uint8(d.symbol(c.motionMode[b.size][:]))
}

// hasOverlaps is has_overlappable_candidates (section 7.10.3).
func (d *decoder) hasOverlaps() bool {
	b := &d.block
	if b.hasAbove {
		for x := b.column; x < min(d.miColumns, b.column+b.width); x += 2 {
			if d.motionAt(b.row-1, x|1).isInter() {
				return true
			}
		}
	}
	if b.hasLeft {
		for y := b.row; y < min(d.miRows, b.row+b.height); y += 2 {
			if d.motionAt(y|1, b.column-1).isInter() {
				return true
			}
		}
	}
	return false
}

// hasWedges reports whether Wedge_Bits of a block size is not 0.
func (s blockSize) hasWedges() bool {
	return block8x8 <= s && s <= block32x32 || s == block8x32 || s == block32x8
}

// readCompoundType is read_compound_type (section 5.11.29).
func (d *decoder) readCompoundType(isCompound bool) {
	b, c := &d.block, &d.interSymbols
	b.compoundIndex, b.compoundType = 1, compoundAverage
	switch {
	case b.skipMode:
		return
	case b.blendsIntra && b.usesIntraWedge:
		b.compoundType = compoundWedge
	case b.blendsIntra:
		b.compoundType = compoundIntra
	}
	if !isCompound {
		return
	}
	if d.sequence.enableMasks {
		b.compoundGroup = uint8(count(d.boolean(&c.compoundGroup[d.compoundGroupContext()])))
	}
	switch {
	case b.compoundGroup == 0:
		if d.sequence.enableDistance && !d.boolean(&c.compoundIndex[d.compoundIndexContext()]) {
			b.compoundIndex, b.compoundType = 0, compoundDistance
		}
		return
	case !b.size.hasWedges() || d.boolean(&c.compoundType[b.size]):
		b.compoundType = compoundDifference
		b.invertsMask = d.flag()
	default:
		b.compoundType = compoundWedge
		b.wedge = uint8(d.symbol(c.wedgeIndex[b.size][:]))
		b.wedgeSign = uint8(d.bit())
	}
}

func (d *decoder) compoundGroupContext() int {
	ctx := 0
	for _, n := range [2]*motionBlock{d.block.usesAbove, d.block.usesLeft} {
		if n.isCompound() {
			ctx += int(n.compoundGroup)
		} else if n.ref[0] == alternateFrame {
			ctx += 3
		}
	}
	return min(ctx, 5)
}

func (d *decoder) compoundIndexContext() int {
	b := &d.block
	ctx := 0
	if d.refDistance(b.ref[0]) == d.refDistance(b.ref[1]) {
		ctx = 3
	}
	for _, n := range [2]*motionBlock{b.usesAbove, b.usesLeft} {
		if n.isCompound() {
			ctx += int(n.compoundIndex)
		} else if n.ref[0] == alternateFrame {
			ctx++
		}
	}
	return ctx
}

// refDistance is how far a reference frame is in time.
func (d *decoder) refDistance(ref int8) int {
	v := d.sequence.distance(d.header.inter.orderHints[ref], d.header.orderHint)
	return max(v, -v)
}

// readFilters reads interp_filter.
func (d *decoder) readFilters() {
	b, h := &d.block, &d.header.inter
	if h.filter != switchableFilter {
		b.filters = [2]uint8{h.filter, h.filter}
		return
	}
	if !d.needsFilters() {
		return
	}
	for i := range b.filters {
		if i > 0 && !d.sequence.enableDualFilter {
			b.filters[1] = b.filters[0]
			return
		}
		b.filters[i] = uint8(d.symbol(d.interSymbols.filter[d.filterContext(i)][:]))
	}
}

// needsFilters is needs_interp_filter.
func (d *decoder) needsFilters() bool {
	b, global := &d.block, &d.header.inter.global
	switch {
	case b.skipMode || b.motionMode == motionWarps:
		return false
	case b.size.isLarge() && b.mode == modeGlobal:
		return global[b.ref[0]].kind == translation
	case b.size.isLarge() && b.mode == modeGlobalGlobal:
		return global[b.ref[0]].kind == translation || global[b.ref[1]].kind == translation
	default:
		return true
	}
}

func (d *decoder) filterContext(i int) int {
	const absent = 3
	b := &d.block
	ctx := (i*2 + count(b.ref[1] > intraFrame)) * 4
	kind := func(has bool, n *motionBlock) uint8 {
		if has && (n.ref[0] == b.ref[0] || n.ref[1] == b.ref[0]) {
			return n.filters[i]
		}
		return absent
	}
	left, above := kind(b.hasLeft, b.usesLeft), kind(b.hasAbove, b.usesAbove)
	switch {
	case left == above || above == absent:
		return ctx + int(left)
	case left == absent:
		return ctx + int(above)
	default:
		return ctx + absent
	}
}

// keepMotion keeps how the block is predicted.
func (d *decoder) keepMotion() {
	b := &d.block
	m := motionBlock{mv: b.mvs, ref: b.ref, size: b.size, mode: b.mode, filters: b.filters, compoundGroup: b.compoundGroup,
		compoundIndex: b.compoundIndex, skipMode: uint8(count(b.skipMode)), isDecoded: true}
	w := min(b.width, d.miColumns-b.column)
	for y := range min(b.height, d.miRows-b.row) {
		row := d.motion[(b.row+y)*d.miColumns+b.column:][:w]
		for x := range row {
			row[x] = m
		}
	}
}
