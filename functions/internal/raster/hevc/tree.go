package hevc

// Intra prediction modes (table 8-1). Modes 2 to 34 are angular.
const (
	modePlanar     = 0
	modeDC         = 1
	modeHorizontal = 10
	modeVertical   = 26
	modeLast       = 34
	modeDerived    = 4 // intra_chroma_pred_mode 4: the mode of luma
)

// quadtreeState is the parsing state of the coding quadtree.
type quadtreeState struct {
	depthAbove []uint8   // CtDepth by column of 8 luma samples
	depthLeft  [8]uint8  // CtDepth by row of 8 luma samples
	modeAbove  [16]uint8 // IntraPredModeY within the CTU, by column of 4 samples
	modeLeft   [16]uint8 // by row of 4 samples

	at, x, y                           int  // the CTU: its raster address and the position of its first luma sample
	left, above, aboveLeft, aboveRight bool // availability of neighbouring CTUs (section 6.4.1)
	filterLeft, filterAbove            bool // whether the left and upper edges of the CTU are deblocked
	mask                               int  // CtbSizeY - 1
	qpGroupLog, chromaOffsetLog        uint // Log2 of the sizes of quantization groups
	qp, qpGroup, qpLast                int  // QpY, qPY_PRED, and QpY of the previous coding unit
	isDeltaCoded, isOffsetCoded        bool
	chromaOffset                       [3]int // CuQpOffset
	spread                             [16]uint8
}

func (t *quadtreeState) start(sps *sps, pps *pps) {
	t.depthAbove = resize(t.depthAbove, (sps.width+7)/8)
	t.mask = 1<<sps.ctb - 1
	t.qpGroupLog, t.chromaOffsetLog = sps.ctb-uint(pps.deltaQPDepth), sps.ctb-uint(pps.chromaOffsetDepth)
	for i := range t.spread {
		t.spread[i] = uint8(i&1 | i&2<<1 | i&4<<2 | i&8<<3)
	}
}

func (t *quadtreeState) startSlice(s *slice) {
	t.startQP(s)
	t.chromaOffset = [3]int{}
}

// startQP sets qPY_PREV at the start of a slice, tile, or row of a wavefront (section 8.6.1).
func (t *quadtreeState) startQP(s *slice) { t.qp, t.qpLast = s.qp, s.qp }

// zScanOrder returns the z-scan order of the 4x4 block at a luma position within its coding tree block.
func (t *quadtreeState) zScanOrder(x, y int) uint8 {
	return t.spread[x>>2&15&(t.mask>>2)] | t.spread[y>>2&15&(t.mask>>2)]<<1
}

// A codingBlock holds the syntax elements of the current coding unit.
type codingBlock struct {
	bypass    bool // cu_transquant_bypass_flag
	split     bool // PART_NxN: four prediction blocks
	luma      [4]uint8
	chroma    [4]uint8
	isDerived [4]bool // intra_chroma_pred_mode is 4
}

// decodeCTU decodes a coding tree unit (section 7.3.8.2).
func (d *decoder) decodeCTU(at int) error {
	if err := d.check(at); err != nil {
		return err
	}
	t := &d.quadtree
	d.ctbs[at].slice = len(d.slices)
	x, y := at%d.ctbColumns, at/d.ctbColumns
	t.at, t.x, t.y = at, x<<d.sps.ctb, y<<d.sps.ctb
	t.left = x > 0 && d.inSameSliceAndTile(at, at-1)
	t.above = y > 0 && d.inSameSliceAndTile(at, at-d.ctbColumns)
	t.aboveLeft = x > 0 && y > 0 && d.inSameSliceAndTile(at, at-d.ctbColumns-1)
	t.aboveRight = x+1 < d.ctbColumns && y > 0 && d.inSameSliceAndTile(at, at-d.ctbColumns+1)
	t.filterLeft = x > 0 && d.filtersAcross(at, at-1)
	t.filterAbove = y > 0 && d.filtersAcross(at, at-d.ctbColumns)
	if !t.left {
		t.modeLeft = [16]uint8{modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC,
			modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC}
	}
	t.modeAbove = [16]uint8{modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC,
		modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC, modeDC}
	d.residuals.setQP(d)
	if d.slice.sao[0] || d.slice.sao[1] {
		d.readSAO(at)
	}
	d.codingTree(t.x, t.y, d.sps.ctb, 0)
	if d.pps.wavefront && !d.isFirstInTileRow(at) && d.isFirstInTileRow(at-1) {
		d.saved[0] = d.contextVariables
	}
	return d.fault
}

// check calls Options.Check at the start of each row of coding tree units of a tile.
func (d *decoder) check(at int) error {
	if d.options.Check != nil && d.isFirstInTileRow(at) {
		return d.options.Check()
	}
	return nil
}

// setFault records an error in the data. Decoding goes on to the end of the coding tree unit, which keeps hot loops
// free of error handling.
func (d *decoder) setFault(detail string, args ...any) {
	if d.fault == nil {
		d.fault = damaged(detail, args...)
	}
}

// codingTree decodes coding_quadtree (section 7.3.8.4).
func (d *decoder) codingTree(x, y int, log uint, depth uint8) {
	t, sps := &d.quadtree, d.sps
	size := 1 << log
	split := log > sps.minCb
	if split && x+size <= sps.width && y+size <= sps.height {
		split = d.bin(ctxSplitCU+d.splitContext(x, y, depth)) == 1
	}
	if d.pps.deltaQP && log >= t.qpGroupLog {
		d.startQuantizationGroup(x, y)
	}
	if d.slice.chromaOffsets && log >= t.chromaOffsetLog {
		t.isOffsetCoded = false
	}
	if !split {
		d.codingUnit(x, y, log, depth)
		return
	}
	half := size / 2
	d.codingTree(x, y, log-1, depth+1)
	if x+half < sps.width {
		d.codingTree(x+half, y, log-1, depth+1)
	}
	if y+half < sps.height {
		d.codingTree(x, y+half, log-1, depth+1)
	}
	if x+half < sps.width && y+half < sps.height {
		d.codingTree(x+half, y+half, log-1, depth+1)
	}
}

// splitContext returns ctxInc of split_cu_flag: the number of neighbours on the left and above with a greater CtDepth
// (section 9.3.4.2.2).
func (d *decoder) splitContext(x, y int, depth uint8) uint8 {
	t := &d.quadtree
	n := uint8(0)
	if (t.left || x > t.x) && t.depthLeft[y&t.mask>>3&7] > depth {
		n++
	}
	if (t.above || y > t.y) && t.depthAbove[x>>3] > depth {
		n++
	}
	return n
}

// startQuantizationGroup starts a quantization group and derives qPY_PRED (section 8.6.1).
func (d *decoder) startQuantizationGroup(x, y int) {
	t := &d.quadtree
	t.isDeltaCoded = false
	left, above := t.qpLast, t.qpLast
	if x > t.x {
		left = int(d.qp[y>>3*d.blockStride+(x-1)>>3])
	}
	if y > t.y {
		above = int(d.qp[(y-1)>>3*d.blockStride+x>>3])
	}
	t.qpGroup = (left + above + 1) >> 1
	t.qp = t.qpGroup
	d.residuals.setQP(d)
}

// codingUnit decodes coding_unit (section 7.3.8.5).
func (d *decoder) codingUnit(x, y int, log uint, depth uint8) {
	t, b, sps := &d.quadtree, &d.cu, d.sps
	b.bypass = d.pps.bypassEnabled && d.bin(ctxBypassCU) == 1
	b.split = log == sps.minCb && d.bin(ctxPartMode) == 0
	pcm := !b.split && sps.pcm && log >= sps.pcmMin && log <= sps.pcmMax && d.terminateBin()
	if pcm {
		d.readPCMSamples(x, y, log)
		d.storeLumaMode(x, y, log, modeDC)
	} else {
		d.readModes(x, y, log)
		maxDepth := sps.depthIntra
		if b.split {
			maxDepth++
		}
		d.transformTree(transformNode{x: x, y: y, log: log, maxDepth: maxDepth, cb: 1, cr: 1})
	}
	flags := uint8(0)
	if b.bypass || pcm && sps.pcmUnfiltered {
		flags = unfiltered
	}
	t.qpLast = t.qp
	qp := int8(t.qp)
	n := 1 << log >> 3
	for i := range n {
		at := (y>>3+i)*d.blockStride + x>>3
		for j := range d.qp[at : at+n] {
			d.qp[at+j] = qp
			d.edges[at+j] |= flags
		}
		t.depthLeft[(y&t.mask>>3+i)&7] = depth
		t.depthAbove[x>>3+i] = depth
	}
	if pcm {
		d.markEdges(x, y, log)
	}
}

// storeLumaMode stores the luma mode of a prediction block for the derivation of later ones.
func (d *decoder) storeLumaMode(x, y int, log uint, mode uint8) {
	t := &d.quadtree
	x, y = x&t.mask>>2, y&t.mask>>2
	for i := range 1 << log >> 2 {
		t.modeAbove[(x+i)&15], t.modeLeft[(y+i)&15] = mode, mode
	}
}

// readModes reads the intra prediction modes of a coding unit (sections 8.4.2 and 8.4.3).
func (d *decoder) readModes(x, y int, log uint) {
	b := &d.cu
	count, size := 1, log
	if b.split {
		count, size = 4, log-1
	}
	var isPredicted [4]bool
	for i := range count {
		isPredicted[i] = d.bin(ctxPrevIntra) == 1
	}
	for i := range count {
		bx, by := x+i&1<<size, y+i>>1<<size
		candidates := d.mostProbableModes(bx, by)
		if isPredicted[i] {
			index := d.bypassBin()
			if index == 1 {
				index += d.bypassBin()
			}
			b.luma[i] = candidates[index]
		} else {
			b.luma[i] = remainingMode(candidates, uint8(d.bypassBins(5)))
		}
		d.storeLumaMode(bx, by, size, b.luma[i])
	}
	switch d.sps.chroma {
	case 0:
		return
	case 3:
	default:
		count = 1
	}
	for i := range count {
		d.readChromaMode(i)
	}
}

// mostProbableModes returns candModeList of a prediction block (section 8.4.2).
func (d *decoder) mostProbableModes(x, y int) [3]uint8 {
	t := &d.quadtree
	a, b := t.modeLeft[y&t.mask>>2&15], t.modeAbove[x&t.mask>>2&15]
	switch {
	case a != b:
		third := uint8(modePlanar)
		if a == modePlanar || b == modePlanar {
			third = modeDC
			if a == modeDC || b == modeDC {
				third = modeVertical
			}
		}
		return [3]uint8{a, b, third}
	case a < 2:
		return [3]uint8{modePlanar, modeDC, modeVertical}
	default:
		return [3]uint8{a, 2 + (a+29)&31, 2 + (a-2+1)&31}
	}
}

// remainingMode returns the mode for rem_intra_luma_pred_mode, which skips the candidates.
func remainingMode(c [3]uint8, mode uint8) uint8 {
	if c[0] > c[1] {
		c[0], c[1] = c[1], c[0]
	}
	if c[0] > c[2] {
		c[0], c[2] = c[2], c[0]
	}
	if c[1] > c[2] {
		c[1], c[2] = c[2], c[1]
	}
	for _, v := range c {
		if mode >= v {
			mode++
		}
	}
	return mode
}

// readChromaMode reads the chroma mode of a prediction block (section 8.4.3).
func (d *decoder) readChromaMode(i int) {
	b := &d.cu
	coded := uint8(modeDerived)
	if d.bin(ctxChromaMode) == 1 {
		coded = uint8(d.bypassBins(2))
	}
	luma := b.luma[i]
	mode := luma
	if b.isDerived[i] = coded == modeDerived; !b.isDerived[i] {
		mode = [4]uint8{modePlanar, modeVertical, modeHorizontal, modeDC}[coded&3]
		if mode == luma {
			mode = modeLast
		}
	}
	if d.sps.chroma == 2 {
		mode = modes422[mode]
	}
	b.chroma[i] = mode
}

// modes422 maps modes for 4:2:2 (table 8-3), where chroma samples are twice as wide as high.
var modes422 = [35]uint8{
	0, 1, 2, 2, 2, 2, 3, 5, 7, 8, 10, 12, 13, 15, 17, 18, 19, 20, 21, 22, 23, 23, 24, 24, 25, 25, 26, 27, 27, 28, 28, 29,
	29, 30, 31,
}

// A transformNode is a node of the transform tree. Bits 0 of cb and cr are cbf_cb and cbf_cr; bits 1 are those of the
// second chroma block of 4:2:2.
type transformNode struct {
	x, y         int
	baseX, baseY int // of the parent, for chroma of 4x4 luma blocks
	log          uint
	depth        int
	maxDepth     int
	index        int   // blkIdx
	part         uint8 // index of the prediction block
	luma         bool
	cb, cr       uint8
}

// transformTree decodes transform_tree (section 7.3.8.8).
func (d *decoder) transformTree(t transformNode) {
	sps := d.sps
	isForced := d.cu.split && t.depth == 0
	split := t.log > sps.maxTb || isForced
	if !split && t.log > sps.minTb && t.depth < t.maxDepth {
		split = d.bin(ctxSplitTransform+uint8(5-t.log)) == 1
	}
	if sps.chroma == 0 {
		t.cb, t.cr = 0, 0
	} else if t.log > 2 || sps.chroma == 3 {
		two := sps.chroma == 2 && (!split || t.log == 3)
		t.cb = d.chromaFlags(t.cb, t.depth, two)
		t.cr = d.chromaFlags(t.cr, t.depth, two)
	}
	if !split {
		ctx := uint8(ctxCbfLuma)
		if t.depth == 0 {
			ctx++
		}
		t.luma = d.bin(ctx) == 1
		d.transformUnit(&t)
		return
	}
	half := 1 << t.log / 2
	child := t
	child.baseX, child.baseY, child.log, child.depth = t.x, t.y, t.log-1, t.depth+1
	for i := range 4 {
		child.x, child.y, child.index = t.x+i&1*half, t.y+i>>1*half, i
		if isForced {
			child.part = uint8(i)
		}
		d.transformTree(child)
	}
}

// chromaFlags reads cbf_cb or cbf_cr unless that of the parent is 0.
func (d *decoder) chromaFlags(parent uint8, depth int, two bool) uint8 {
	if parent == 0 {
		return 0
	}
	ctx := uint8(ctxCbfChroma + min(depth, 4))
	v := d.bin(ctx)
	if two {
		v |= d.bin(ctx) << 1
	}
	return v
}

// transformUnit decodes transform_unit (section 7.3.8.10): it predicts each block and adds its residual.
func (d *decoder) transformUnit(t *transformNode) {
	chroma := d.sps.chroma
	if t.luma || t.cb|t.cr != 0 {
		d.readDeltaQP()
		if d.slice.chromaOffsets && t.cb|t.cr != 0 && !d.cu.bypass && !d.quadtree.isOffsetCoded {
			d.readChromaOffset()
		}
	}
	mode := d.cu.luma[t.part&3]
	d.predict(0, t.x, t.y, t.log, mode)
	if t.luma {
		d.residuals.scale = 0
		d.residual(0, t.x, t.y, t.log, mode)
	}
	d.markEdges(t.x, t.y, t.log)
	switch {
	case chroma == 0:
	case chroma == 3:
		d.chromaUnit(t, t.x, t.y, t.log, t.part&3)
	case t.log > 2:
		d.chromaUnit(t, t.x, t.y, t.log-1, 0)
	case t.index == 3:
		d.chromaUnit(t, t.baseX, t.baseY, 2, 0)
	}
}

// chromaUnit decodes the chroma blocks of a transform unit; 4:2:2 has two of each component, one above the other.
func (d *decoder) chromaUnit(t *transformNode, x, y int, log uint, part uint8) {
	sps := d.sps
	mode := d.cu.chroma[part]
	x, y = x>>sps.subX, y>>sps.subY
	count := 1
	if sps.chroma == 2 {
		count = 2
	}
	isCross := d.pps.crossComponent && t.luma && d.cu.isDerived[part]
	for c, flags := range [3]uint8{0, t.cb, t.cr} {
		if c == 0 {
			continue
		}
		scale := 0
		if isCross {
			scale = d.readCrossComponentScale(c)
		}
		for i := range count {
			at := y + i<<log
			d.predict(c, x, at, log, mode)
			if flags>>i&1 == 1 {
				d.residuals.scale = scale
				d.residual(c, x, at, log, mode)
			} else if scale != 0 {
				d.addCrossComponentOnly(c, x, at, log, scale)
			}
		}
	}
}

// readCrossComponentScale reads cross_comp_pred (section 7.3.8.12) and returns ResScaleVal.
func (d *decoder) readCrossComponentScale(c int) int {
	ctx := uint8(ctxScaleAbs + 4*(c-1))
	n := uint8(0)
	for n < 4 && d.bin(ctx+n) == 1 {
		n++
	}
	if n == 0 {
		return 0
	}
	scale := 1 << (n - 1)
	if d.bin(uint8(ctxScaleSign+c-1)) == 1 {
		return -scale
	}
	return scale
}

// readDeltaQP reads cu_qp_delta_abs and cu_qp_delta_sign_flag once for each quantization group (section 7.4.9.14).
func (d *decoder) readDeltaQP() {
	t := &d.quadtree
	if !d.pps.deltaQP || t.isDeltaCoded {
		return
	}
	t.isDeltaCoded = true
	v := 0
	for v < 5 && d.bin(ctxDeltaQP+uint8(min(v, 1))) == 1 {
		v++
	}
	if v == 5 {
		k := uint(0)
		for d.bypassBin() == 1 {
			v += 1 << k
			if k++; k > 15 {
				d.setFault("a QP delta has a suffix of more than 15 bits")
				return
			}
		}
		v += int(d.bypassBins(k))
	}
	if v > 0 && d.bypassBin() == 1 {
		v = -v
	}
	offset := 6 * (d.sps.depth[0] - 8)
	if v < -(26+offset/2) || v > 25+offset/2 {
		d.setFault("a QP delta is %d, expected %d to %d", v, -(26 + offset/2), 25+offset/2)
		return
	}
	t.qp = (t.qpGroup+v+52+2*offset)%(52+offset) - offset
	d.residuals.setQP(d)
}

// readChromaOffset reads cu_chroma_qp_offset_flag and cu_chroma_qp_offset_idx.
func (d *decoder) readChromaOffset() {
	t, list := &d.quadtree, d.pps.chromaOffsetList
	t.isOffsetCoded, t.chromaOffset = true, [3]int{}
	if d.bin(ctxChromaOffset) == 1 {
		i := 0
		for i < len(list)-1 && d.bin(ctxChromaIndex) == 1 {
			i++
		}
		t.chromaOffset = list[i]
	}
	d.residuals.setQP(d)
}

// readPCMSamples reads pcm_sample (section 7.3.8.7).
func (d *decoder) readPCMSamples(x, y int, log uint) {
	r := bitReader{data: d.data, pos: 8 * d.nextByte()}
	for c := range d.count {
		p := &d.planes[c]
		depth := d.sps.pcmDepth[c]
		shift := d.sps.depth[c] - depth
		width, height := 1<<log>>p.subX, 1<<log>>p.subY
		at := p.base + y>>p.subY*p.stride + x>>p.subX
		for range height {
			row := p.pix[at : at+width]
			for i := range row {
				row[i] = uint16(r.u(depth) << shift)
			}
			at += p.stride
		}
	}
	if err := d.init((r.pos + 7) / 8); err != nil && d.fault == nil {
		d.fault = err
	}
}
