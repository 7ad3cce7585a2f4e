package av1

// Frame types (section 6.8.2).
const (
	keyFrame       = 0
	interFrame     = 1
	intraOnlyFrame = 2
	switchFrame    = 3
)

// allFrames is refresh_frame_flags of a frame that replaces all references.
const allFrames = 0xff

// parseFrame parses a frame header (section 5.9.2) of a layer. The slots are the reference frames. The rest of the
// payload follows byte-aligned.
func (s *sequence) parseFrame(payload []byte, temporal, spatial int, slots frameSlots) (*frameHeader, []byte, error) {
	p := headerParser{sequence: s, bits: &bits{b: payload}, slots: slots}
	h := &p.frameHeader
	h.kind, h.isShown, h.isResilient, h.refresh = keyFrame, true, true, allFrames
	h.upscaledWidth, h.height = s.Width, s.Height
	if !s.isReduced {
		p.parseKind()
	}
	if h.showsExisting {
		return h, nil, p.check()
	}
	p.parseTools(temporal, spatial)
	if h.isIntra() {
		p.parseSize()
	} else if err := p.parseReferences(); err != nil {
		return nil, nil, err
	}
	if h.upscaledWidth > s.Width || h.height > s.Height {
		return nil, nil, damaged("it has a frame of %dx%d pixels, more than the %dx%d of its sequence header",
			h.upscaledWidth, h.height, s.Width, s.Height)
	}
	p.parseRest()
	rest := p.align()
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	return h, rest, h.tiles.check()
}

// A headerParser is the state of parsing a frame header.
type headerParser struct {
	*sequence
	*bits
	frameHeader
	slots         frameSlots
	primary       *frameHeader // that of primary_ref_frame, or nil
	overridesSize bool         // frame_size_override_flag
	frameID       int          // current_frame_id
}

func (p *headerParser) check() error {
	if p.isShort {
		return damaged("its frame header ends early")
	}
	return nil
}

// Limits of tiles: MAX_TILE_COLS and MAX_TILE_ROWS.
const maxTileColumns, maxTileRows = 64, 64

// check refuses more tiles than the specification allows, because the decoder keeps a state for each column.
func (t *tileInfo) check() error {
	if t.columns() > maxTileColumns || t.rows() > maxTileRows {
		return damaged("it has %dx%d tiles, expected at most %dx%d", t.columns(), t.rows(), maxTileColumns, maxTileRows)
	}
	return nil
}

func (h *frameHeader) isIntra() bool { return h.kind == keyFrame || h.kind == intraOnlyFrame }

// miColumns and miRows are MiCols and MiRows.
func (h *frameHeader) miColumns() int { return 2 * ((h.width + 7) >> 3) }
func (h *frameHeader) miRows() int    { return 2 * ((h.height + 7) >> 3) }

// parseKind parses the fields from show_existing_frame to error_resilient_mode.
func (p *headerParser) parseKind() {
	hasTimes := p.hasDecoderModel && !p.equalInterval
	if p.showsExisting = p.flag(); p.showsExisting {
		p.existing = p.read(3)
		return // what follows is not needed
	}
	p.kind, p.isShown = p.read(2), p.flag()
	switch {
	case !p.isShown:
		p.isShowable = p.flag()
	case hasTimes:
		p.read(p.presentationTimeBits)
	}
	p.isShowable = p.isShowable || p.isShown && p.kind != keyFrame
	p.isResilient = p.kind == switchFrame || p.kind == keyFrame && p.isShown || p.flag()
}

// parseTools parses the fields from disable_cdf_update up to the size.
func (p *headerParser) parseTools(temporal, spatial int) {
	p.disableCDFUpdate = p.flag()
	p.allowScreenContent = p.screenContentTools == 1
	if p.screenContentTools == selectInFrame {
		p.allowScreenContent = p.flag()
	}
	if p.allowScreenContent {
		p.forceInteger = p.forceMV == 1
		if p.forceMV == selectInFrame {
			p.forceInteger = p.flag()
		}
	}
	p.frameID = p.read(p.frameIDBits)
	p.overridesSize = p.kind == switchFrame || !p.isReduced && p.flag()
	p.orderHint = p.read(p.orderHintBits)
	p.inter.primary = noPrimary
	if !p.isIntra() && !p.isResilient {
		p.inter.primary = p.read(3)
	}
	if p.hasDecoderModel {
		p.skipRemovalTimes(temporal, spatial)
	}
	if p.kind != switchFrame && (p.kind != keyFrame || !p.isShown) {
		p.refresh = p.read(8)
	}
	if (!p.isIntra() || p.refresh != allFrames) && p.isResilient {
		for i := range p.slots {
			hint := p.read(p.orderHintBits) // ref_order_hint
			if slot := p.slots[i]; slot != nil && slot.header.orderHint != hint {
				p.slots[i] = nil
			}
		}
	}
}

// skipRemovalTimes skips the removal times of the operating points that the frame is in.
func (p *headerParser) skipRemovalTimes(temporal, spatial int) {
	if hasTimes := p.flag(); !hasTimes {
		return
	}
	for _, point := range p.points {
		if point.hasDecoderModel && point.includes(temporal, spatial) {
			p.read(p.removalTimeBits)
		}
	}
}

// includes reports whether an operating point includes a layer.
func (o operatingPoint) includes(temporal, spatial int) bool {
	return o.layers == 0 || o.layers>>temporal&1 != 0 && o.layers>>(8+spatial)&1 != 0
}

// parseSize parses the fields from frame_size to allow_intrabc.
func (p *headerParser) parseSize() {
	p.parseFrameSize()
	if p.allowScreenContent && p.upscaledWidth == p.frameHeader.width {
		p.allowBC = p.flag()
	}
}

// parseFrameSize parses frame_size and render_size (sections 5.9.5 and 5.9.6).
func (p *headerParser) parseFrameSize() {
	if p.overridesSize {
		p.upscaledWidth, p.frameHeader.height = p.read(p.widthBits)+1, p.read(p.heightBits)+1
	}
	p.parseSuperres()
	if hasRenderSize := p.flag(); hasRenderSize {
		p.read(32)
	}
}

// parseSuperres parses superres_params (section 5.9.8).
func (p *headerParser) parseSuperres() {
	p.superresDenominator = 8
	if p.enableSuperres && p.flag() {
		p.superresDenominator = p.read(3) + 9
	}
	narrow := (p.upscaledWidth*8 + p.superresDenominator/2) / p.superresDenominator
	// Decoders keep 16 columns at least, which the specification does not mention.
	p.frameHeader.width = max(narrow, min(p.upscaledWidth, 16))
}

// parseRest parses the fields that follow the size and those of references.
func (p *headerParser) parseRest() {
	p.endsWithoutUpdate = p.isReduced || p.disableCDFUpdate || p.flag()
	p.parseTiles()
	p.parseQuantizer()
	p.parseSegmentation()
	p.parseDeltas()
	p.findLossless()
	p.parseLoopFilter()
	p.parseCDEF()
	p.parseRestoration()
	p.txSelect = !p.lossless && p.flag()
	p.parseSkipMode()
	p.inter.allowWarp = !p.isIntra() && !p.isResilient && p.enableWarp && p.flag()
	p.reducedTxSet = p.flag()
	p.parseGlobalMotion()
	p.parseFilmGrain()
}

// tileLog2 is tile_log2.
func tileLog2(size, target int) int {
	k := 0
	for size<<k < target {
		k++
	}
	return k
}

// parseTiles parses tile_info (section 5.9.15).
func (p *headerParser) parseTiles() {
	const maxWidth, maxArea = 4096, 4096 * 2304
	sbLog2 := p.sbLog2()
	shift := int(sbLog2) - 2
	mask := 1<<shift - 1
	columns, rows := (p.miColumns()+mask)>>shift, (p.miRows()+mask)>>shift
	maxWidthSB, maxAreaSB := maxWidth>>sbLog2, maxArea>>(2*sbLog2)
	minColumnsLog2 := tileLog2(maxWidthSB, columns)
	minLog2 := max(minColumnsLog2, tileLog2(maxAreaSB, rows*columns))
	t := &p.tiles
	if isUniform := p.flag(); isUniform {
		t.columnsLog2 = p.increment(minColumnsLog2, tileLog2(1, min(columns, maxTileColumns)))
		t.columnStarts = uniformStarts(columns, t.columnsLog2, shift)
		t.rowsLog2 = p.increment(max(minLog2-t.columnsLog2, 0), tileLog2(1, min(rows, maxTileRows)))
		t.rowStarts = uniformStarts(rows, t.rowsLog2, shift)
	} else {
		var widest int
		t.columnStarts, widest = p.readStarts(columns, maxWidthSB, shift)
		area := rows * columns
		if minLog2 > 0 {
			area >>= minLog2 + 1
		}
		t.rowStarts, _ = p.readStarts(rows, max(area/max(widest, 1), 1), shift)
		t.columnsLog2, t.rowsLog2 = tileLog2(1, len(t.columnStarts)), tileLog2(1, len(t.rowStarts))
	}
	t.columnStarts, t.rowStarts = append(t.columnStarts, p.miColumns()), append(t.rowStarts, p.miRows())
	if t.columnsLog2 > 0 || t.rowsLog2 > 0 {
		t.contextTile = p.read(t.rowsLog2 + t.columnsLog2)
		t.sizeBytes = p.read(2) + 1
	}
}

// sbLog2 is the logarithm of the size of superblocks in luma samples.
func (s *sequence) sbLog2() uint {
	if s.uses128 {
		return 7
	}
	return 6
}

// increment reads flags that increase v up to a limit.
func (p *headerParser) increment(v, limit int) int {
	for v < limit && p.flag() {
		v++
	}
	return v
}

// uniformStarts returns MiColStarts or MiRowStarts of tiles of the same size.
func uniformStarts(count, log2, shift int) []int {
	var starts []int
	size := (count + 1<<log2 - 1) >> log2
	for at := 0; at < count; at += size {
		starts = append(starts, at<<shift)
	}
	return starts
}

// readStarts reads the sizes of tiles, and returns the largest of them, too.
func (p *headerParser) readStarts(count, limit, shift int) (starts []int, largest int) {
	for at := 0; at < count && !p.isShort; {
		starts = append(starts, at<<shift)
		size := nonSymmetric(p.bits, min(count-at, limit)) + 1
		largest = max(largest, size)
		at += size
	}
	return starts, largest
}

// readDelta is read_delta_q.
func (p *headerParser) readDelta() int {
	if isCoded := p.flag(); !isCoded {
		return 0
	}
	return p.signed(7)
}

// parseQuantizer parses quantization_params (section 5.9.12).
func (p *headerParser) parseQuantizer() {
	q := &p.quantizer
	q.base = p.read(8)
	q.deltaDC[0] = p.readDelta()
	if !p.Gray {
		differs := p.hasSeparateUVDelta && p.flag()
		q.deltaDC[1], q.deltaAC[1] = p.readDelta(), p.readDelta()
		q.deltaDC[2], q.deltaAC[2] = q.deltaDC[1], q.deltaAC[1]
		if differs {
			q.deltaDC[2], q.deltaAC[2] = p.readDelta(), p.readDelta()
		}
	}
	if q.usesMatrix = p.flag(); q.usesMatrix {
		q.matrix[0], q.matrix[1] = p.read(4), p.read(4)
		q.matrix[2] = q.matrix[1]
		if p.hasSeparateUVDelta {
			q.matrix[2] = p.read(4)
		}
	}
}

// parseSegmentation parses segmentation_params (section 5.9.14).
func (p *headerParser) parseSegmentation() {
	s := &p.segmentation
	if s.enabled = p.flag(); !s.enabled {
		return
	}
	s.updatesMap = p.primary == nil || p.flag()
	s.isTemporal = p.primary != nil && s.updatesMap && p.flag()
	if p.primary == nil || p.flag() {
		p.parseFeatures()
	} else {
		s.feature, s.data = p.primary.segmentation.feature, p.primary.segmentation.data
	}
	for i := range maxSegments {
		for j, isOn := range s.feature[i] {
			if isOn {
				s.lastActive = i
				s.preSkip = s.preSkip || j >= segmentReference
			}
		}
	}
}

// parseFeatures parses the features of segments.
func (p *headerParser) parseFeatures() {
	s := &p.segmentation
	widths := [segmentFeatures]int{8, 6, 6, 6, 6, 3, 0, 0}
	limits := [segmentFeatures]int{255, 63, 63, 63, 63, 7, 0, 0}
	for i := range maxSegments {
		for j := range segmentFeatures {
			if s.feature[i][j] = p.flag(); !s.feature[i][j] {
				continue
			}
			var v int
			if j < segmentReference {
				v = p.signed(1 + widths[j])
			} else {
				v = p.read(widths[j])
			}
			s.data[i][j] = min(max(v, -limits[j]), limits[j])
		}
	}
}

// parseDeltas parses delta_q_params and delta_lf_params (sections 5.9.17 and 5.9.18).
func (p *headerParser) parseDeltas() {
	p.deltaQPresent = p.quantizer.base > 0 && p.flag()
	if !p.deltaQPresent {
		return
	}
	p.deltaQShift = uint(p.read(2))
	p.deltaLFPresent = !p.allowBC && p.flag()
	if p.deltaLFPresent {
		p.deltaLFShift = uint(p.read(2))
		p.deltaLFMulti = p.flag()
	}
}

// segmentQIndex is get_qindex(1, segment) (section 7.12.2).
func (h *frameHeader) segmentQIndex(segment int) int { return h.qIndex(segment, h.quantizer.base) }

// qIndex is get_qindex(0, segment), with CurrentQIndex or base_q_idx.
func (h *frameHeader) qIndex(segment, current int) int {
	if s := &h.segmentation; s.enabled && s.feature[segment][segmentQuantizer] {
		return min(max(current+s.data[segment][segmentQuantizer], 0), 255)
	}
	return current
}

// findLossless derives LosslessArray, CodedLossless and AllLossless.
func (p *headerParser) findLossless() {
	q := &p.quantizer
	p.lossless = true
	for i := range maxSegments {
		p.losslessArray[i] = p.segmentQIndex(i) == 0 && q.deltaDC == [3]int{} && q.deltaAC == [3]int{}
		p.lossless = p.lossless && p.losslessArray[i]
	}
	p.allLossless = p.lossless && p.frameHeader.width == p.upscaledWidth
}

// parseLoopFilter parses loop_filter_params (section 5.9.11).
func (p *headerParser) parseLoopFilter() {
	f := &p.loopFilter
	f.refDeltas, f.deltaEnabled = [8]int{1, 0, 0, 0, -1, 0, -1, -1}, true
	if p.lossless || p.allowBC {
		return
	}
	if p.primary != nil {
		f.refDeltas, f.modeDeltas = p.primary.loopFilter.refDeltas, p.primary.loopFilter.modeDeltas
	}
	f.level[0], f.level[1] = p.read(6), p.read(6)
	if !p.Gray && (f.level[0] != 0 || f.level[1] != 0) {
		f.level[2], f.level[3] = p.read(6), p.read(6)
	}
	f.sharpness = p.read(3)
	f.deltaEnabled = p.flag()
	if updates := f.deltaEnabled && p.flag(); !updates {
		return
	}
	for _, deltas := range [2][]int{f.refDeltas[:], f.modeDeltas[:]} {
		for i := range deltas {
			if isUpdated := p.flag(); isUpdated {
				deltas[i] = p.signed(7)
			}
		}
	}
}

// parseCDEF parses cdef_params (section 5.9.19).
func (p *headerParser) parseCDEF() {
	c := &p.cdef
	if c.isOn = !p.lossless && !p.allowBC && p.enableCDEF; !c.isOn {
		return
	}
	secondary := func() int {
		v := p.read(2)
		if v == 3 {
			v = 4
		}
		return v
	}
	c.damping, c.bits = p.read(2)+3, p.read(2)
	for i := range 1 << c.bits {
		c.yPrimary[i], c.ySecondary[i] = p.read(4), secondary()
		if !p.Gray {
			c.uvPrimary[i], c.uvSecondary[i] = p.read(4), secondary()
		}
	}
}

// parseRestoration parses lr_params (section 5.9.20).
func (p *headerParser) parseRestoration() {
	l := &p.frameHeader.restoration
	if p.allLossless || p.allowBC || !p.enableRestoration {
		return
	}
	types := [4]restorationType{restoreNone, restoreSwitchable, restoreWiener, restoreSelfGuided}
	usesChroma := false
	for i := range p.planeCount() {
		l.kind[i] = types[p.read(2)]
		l.usesAny = l.usesAny || l.kind[i] != restoreNone
		usesChroma = usesChroma || i > 0 && l.kind[i] != restoreNone
	}
	if !l.usesAny {
		return
	}
	shift := p.read(1)
	if p.uses128 {
		shift++
	} else if shift > 0 {
		shift += p.read(1)
	}
	size := uint(6 + shift)
	l.sizeLog2 = [3]uint{size, size, size}
	if p.StepX == 2 && p.StepY == 2 && usesChroma && p.flag() {
		l.sizeLog2[1], l.sizeLog2[2] = size-1, size-1
	}
}

// planeCount is NumPlanes.
func (s *sequence) planeCount() int {
	if s.Gray {
		return 1
	}
	return 3
}

// parseFilmGrain parses film_grain_params (section 5.9.30). Grain is not applied: pictures are shown smaller.
func (p *headerParser) parseFilmGrain() {
	if !p.sequence.hasFilmGrain || !p.isShown && !p.isShowable {
		return
	}
	if applies := p.flag(); !applies {
		return
	}
	p.read(16) // grain_seed
	if isUpdated := p.kind != interFrame || p.flag(); !isUpdated {
		p.read(3) // film_grain_params_ref_idx
		return
	}
	points := func() int {
		n := p.read(4)
		p.skip(16 * n)
		return n
	}
	luma := points()
	fromLuma := !p.Gray && p.flag()
	cb, cr := 0, 0
	if !p.Gray && !fromLuma && (p.StepX != 2 || p.StepY != 2 || luma > 0) {
		cb, cr = points(), points()
	}
	p.read(2) // grain_scaling_minus_8
	lag := p.read(2)
	positions := 2 * lag * (lag + 1)
	if luma > 0 {
		p.skip(8 * positions)
		positions++
	}
	for _, n := range [2]int{cb, cr} {
		if fromLuma || n > 0 {
			p.skip(8 * positions)
		}
	}
	p.read(4) // ar_coeff_shift_minus_6, grain_scale_shift
	for _, n := range [2]int{cb, cr} {
		if n > 0 {
			p.read(25)
		}
	}
	p.read(2) // overlap_flag, clip_to_restricted_range
}
