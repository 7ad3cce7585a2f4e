package av1

// A blockSize is a block size, in the order of the specification (section 6.10.4).
type blockSize uint8

const (
	block4x4 blockSize = iota
	block4x8
	block8x4
	block8x8
	block8x16
	block16x8
	block16x16
	block16x32
	block32x16
	block32x32
	block32x64
	block64x32
	block64x64
	block64x128
	block128x64
	block128x128
	block4x16
	block16x4
	block8x32
	block32x8
	block16x64
	block64x16
	blockSizes
)

// superblocks are the sizes of superblocks.
var superblocks = [2]blockSize{block64x64, block128x128}

// Tables by block size.
var (
	// blockWidth4Log2 and blockHeight4Log2 are the logarithms of the sides in 4 samples: Mi_Width_Log2, Mi_Height_Log2.
	blockWidth4Log2  = [blockSizes]uint8{0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 0, 2, 1, 3, 2, 4}
	blockHeight4Log2 = [blockSizes]uint8{0, 1, 0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 2, 0, 3, 1, 4, 2}
	// maxTxSizes is Max_Tx_Size_Rect.
	maxTxSizes = [blockSizes]txSize{tx4x4, tx4x8, tx8x4, tx8x8, tx8x16, tx16x8, tx16x16, tx16x32, tx32x16, tx32x32,
		tx32x64, tx64x32, tx64x64, tx64x64, tx64x64, tx64x64, tx4x16, tx16x4, tx8x32, tx32x8, tx16x64, tx64x16}
	// maxTxDepths is Max_Tx_Depth.
	maxTxDepths = [blockSizes]uint8{0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 2, 2, 3, 3, 4, 4}
	// splitTxSizes is Split_Tx_Size, by transform size.
	splitTxSizes = [txSizes]txSize{tx4x4, tx4x4, tx8x8, tx16x16, tx32x32, tx4x4, tx4x4, tx8x8, tx8x8, tx16x16, tx16x16,
		tx32x32, tx32x32, tx4x8, tx8x4, tx8x16, tx16x8, tx16x32, tx32x16}
)

// blockSizeOf is the inverse of the tables: block sizes by the logarithms of their sides in 4 samples.
var blockSizeOf = func() (t [6][6]blockSize) {
	for s := range blockSizes {
		t[blockWidth4Log2[s]][blockHeight4Log2[s]] = s
	}
	return t
}()

// txSizeOf has transform sizes by the logarithms of their sides in 4 samples.
var txSizeOf = func() (t [5][5]txSize) {
	for s := range txSizes {
		t[txWidthLog2[s]-2][txHeightLog2[s]-2] = s
	}
	return t
}()

// Partitions (section 6.10.4).
const (
	partitionNone = iota
	partitionHorizontal
	partitionVertical
	partitionSplit
	partitionHorizontalA
	partitionHorizontalB
	partitionVerticalA
	partitionVerticalB
	partitionHorizontal4
	partitionVertical4
)

// Intra prediction modes (section 6.10.6), with that of chroma alone.
const (
	modeDC = iota
	modeVertical
	modeHorizontal
	modeD45
	modeD135
	modeD113
	modeD157
	modeD203
	modeD67
	modeSmooth
	modeSmoothV
	modeSmoothH
	modePaeth
	modeCFL
)

func isDirectional(mode uint8) bool { return modeVertical <= mode && mode <= modeD67 }

// A block is a block that is being decoded. Positions and sizes are in units of 4x4 luma samples.
type block struct {
	row, column                   int
	size                          blockSize
	width, height                 int
	hasChroma                     bool
	hasAbove, hasLeft             bool // AvailU, AvailL
	hasAboveChroma, hasLeftChroma bool
	above, left                   *neighbor

	segment            int
	skip, lossless     bool
	isInter            bool // including intra block copies
	mode, uvMode       uint8
	angle, uvAngle     int  // AngleDeltaY, AngleDeltaUV
	usesFilter         bool // use_filter_intra
	filterMode         int
	cflAlpha           [3]int
	colors             [2]int // PaletteSizeY, PaletteSizeUV
	palette            [3][8]uint16
	tx                 txSize
	maxLumaX, maxLumaY int // MaxLumaW, MaxLumaH
	mv                 vector
	txTypes            [32 * 32]txType // of luma, by position in the block
	interBlock
}

// decodePartition decodes a partition (section 5.11.4).
func (d *decoder) decodePartition(row, column int, size blockSize) {
	if row >= d.miRows || column >= d.miColumns || d.fault != nil {
		return
	}
	log2 := int(blockWidth4Log2[size])
	half := 1 << log2 >> 1
	quarter := half >> 1
	hasRows, hasColumns := row+half < d.miRows, column+half < d.miColumns
	partition := partitionNone
	if size >= block8x8 {
		partition = d.readPartition(row, column, log2, hasRows, hasColumns)
	}
	l := log2
	sub := func(w, h int) blockSize { return blockSizeOf[w][h] }
	switch partition {
	case partitionNone:
		d.decodeBlock(row, column, size)
	case partitionHorizontal:
		d.decodeBlock(row, column, sub(l, l-1))
		if hasRows {
			d.decodeBlock(row+half, column, sub(l, l-1))
		}
	case partitionVertical:
		d.decodeBlock(row, column, sub(l-1, l))
		if hasColumns {
			d.decodeBlock(row, column+half, sub(l-1, l))
		}
	case partitionSplit:
		s := sub(l-1, l-1)
		d.decodePartition(row, column, s)
		d.decodePartition(row, column+half, s)
		d.decodePartition(row+half, column, s)
		d.decodePartition(row+half, column+half, s)
	case partitionHorizontalA:
		d.decodeBlock(row, column, sub(l-1, l-1))
		d.decodeBlock(row, column+half, sub(l-1, l-1))
		d.decodeBlock(row+half, column, sub(l, l-1))
	case partitionHorizontalB:
		d.decodeBlock(row, column, sub(l, l-1))
		d.decodeBlock(row+half, column, sub(l-1, l-1))
		d.decodeBlock(row+half, column+half, sub(l-1, l-1))
	case partitionVerticalA:
		d.decodeBlock(row, column, sub(l-1, l-1))
		d.decodeBlock(row+half, column, sub(l-1, l-1))
		d.decodeBlock(row, column+half, sub(l-1, l))
	case partitionVerticalB:
		d.decodeBlock(row, column, sub(l-1, l))
		d.decodeBlock(row, column+half, sub(l-1, l-1))
		d.decodeBlock(row+half, column+half, sub(l-1, l-1))
	case partitionHorizontal4:
		for i := range 4 {
			if i < 3 || row+quarter*i < d.miRows {
				d.decodeBlock(row+quarter*i, column, sub(l, l-2))
			}
		}
	default:
		for i := range 4 {
			if i < 3 || column+quarter*i < d.miColumns {
				d.decodeBlock(row, column+quarter*i, sub(l-2, l))
			}
		}
	}
}

// readPartition reads partition, split_or_horz or split_or_vert.
func (d *decoder) readPartition(row, column, log2 int, hasRows, hasColumns bool) int {
	ctx := 0
	if row > d.tile.top && int(d.tile.above[column].size) < log2 {
		ctx++
	}
	if column > d.tile.left && int(d.tile.beside[row&31].size) < log2 {
		ctx += 2
	}
	var cdf []uint16
	switch c := &d.contexts; log2 {
	case 1:
		cdf = c.partition8[ctx][:]
	case 5:
		cdf = c.partition128[ctx][:]
	default:
		cdf = c.partition[log2-2][ctx][:]
	}
	if hasRows && hasColumns {
		return d.symbol(cdf)
	}
	if !hasRows && !hasColumns {
		return partitionSplit
	}
	// The probability of a split is the sum of those of the partitions that split in the other direction.
	var others []int
	partition := partitionVertical
	if hasColumns {
		partition = partitionHorizontal
		others = []int{partitionVertical, partitionSplit, partitionHorizontalA, partitionVerticalA, partitionVerticalB,
			partitionVertical4}
	} else {
		others = []int{partitionHorizontal, partitionSplit, partitionHorizontalA, partitionHorizontalB, partitionVerticalA,
			partitionHorizontal4}
	}
	sum := uint16(0)
	for _, i := range others {
		if i >= len(cdf) {
			continue
		}
		sum += cdf[i-1]
		if i < len(cdf)-1 {
			sum -= cdf[i]
		}
	}
	if d.probable(sum) {
		return partitionSplit
	}
	return partition
}

// decodeBlock decodes a block (section 5.11.5).
func (d *decoder) decodeBlock(row, column int, size blockSize) {
	if d.fault != nil {
		return
	}
	b := &d.block
	b.row, b.column, b.size = row, column, size
	b.width, b.height = 1<<blockWidth4Log2[size], 1<<blockHeight4Log2[size]
	b.hasAbove, b.hasLeft = row > d.tile.top, column > d.tile.left
	b.above, b.left = &d.tile.above[column], &d.tile.beside[row&31]
	b.hasChroma, b.hasAboveChroma, b.hasLeftChroma = false, false, false
	if d.count > 1 {
		subX, subY := d.planes[1].subX != 0, d.planes[1].subY != 0
		narrow, low := subX && b.width == 1, subY && b.height == 1
		if b.hasChroma = (!low || row&1 != 0) && (!narrow || column&1 != 0); b.hasChroma {
			b.hasAboveChroma, b.hasLeftChroma = b.hasAbove, b.hasLeft
			if low {
				b.hasAboveChroma = row-1 > d.tile.top
			}
			if narrow {
				b.hasLeftChroma = column-1 > d.tile.left
			}
		}
	}
	d.readModes()
	if d.fault != nil {
		return
	}
	if b.colors != [2]int{} {
		d.readColorMaps()
	}
	d.readTxSize()
	d.setQuantizers()
	if b.skip {
		d.resetLevels()
	}
	switch {
	case d.motion != nil:
		d.keepMotion()
		d.predictInter()
	case b.isInter:
		d.copyBlock()
	}
	d.decodeResidual()
	d.keepBlock()
}

// readModes is intra_frame_mode_info (section 5.11.7).
func (d *decoder) readModes() {
	if d.motion != nil {
		d.readInterModes()
		return
	}
	b, c := &d.block, &d.contexts
	b.skip, b.segment = false, 0
	seg := &d.header.segmentation
	if seg.enabled && seg.preSkip {
		d.readSegment()
	}
	d.readSkip()
	if seg.enabled && !seg.preSkip {
		d.readSegment()
	}
	b.lossless = d.header.losslessArray[b.segment]
	d.readCDEF()
	d.readDeltas()
	b.colors, b.usesFilter, b.angle, b.uvAngle = [2]int{}, false, 0, 0
	b.isInter = d.header.allowBC && d.boolean(&c.intraBC)
	if b.isInter {
		b.mode, b.uvMode = modeDC, modeDC
		d.readVector()
		return
	}
	above, left := 0, 0
	if b.hasAbove {
		above = modeContexts[b.above.mode]
	}
	if b.hasLeft {
		left = modeContexts[b.left.mode]
	}
	b.mode = uint8(d.symbol(c.yMode[above][left][:]))
	d.readIntraTools()
}

// readIntraTools reads what belongs to the mode of an intra block.
func (d *decoder) readIntraTools() {
	b, c := &d.block, &d.contexts
	if b.size >= block8x8 && isDirectional(b.mode) {
		b.angle = d.symbol(c.angleDelta[b.mode-modeVertical][:]) - 3
	}
	if b.hasChroma {
		d.readUVMode()
	}
	if b.size >= block8x8 && b.width <= 16 && b.height <= 16 && d.header.allowScreenContent {
		d.readPalettes()
	}
	if d.sequence.enableFilterIntra && b.mode == modeDC && b.colors[0] == 0 && max(b.width, b.height) <= 8 {
		if b.usesFilter = d.boolean(&c.filterIntra[b.size]); b.usesFilter {
			b.filterMode = d.symbol(c.filterIntraMode[:])
		}
	}
}

// readSkip is read_skip (section 5.11.11).
func (d *decoder) readSkip() {
	b, s := &d.block, &d.header.segmentation
	if s.enabled && s.preSkip && s.feature[b.segment][segmentSkip] {
		return
	}
	b.skip = d.boolean(&d.contexts.skip[b.aboveSkip()+b.leftSkip()])
}

// modeContexts is Intra_Mode_Context.
var modeContexts = [13]int{0, 1, 2, 3, 4, 4, 4, 4, 3, 0, 1, 2, 0}

func (b *block) aboveSkip() int {
	if b.hasAbove {
		return int(b.above.skip)
	}
	return 0
}

func (b *block) leftSkip() int {
	if b.hasLeft {
		return int(b.left.skip)
	}
	return 0
}

// readUVMode reads uv_mode and what depends on it.
func (d *decoder) readUVMode() {
	b, c := &d.block, &d.contexts
	allowsCFL := max(b.width, b.height) <= 8
	if b.lossless {
		allowsCFL = d.chromaSize(b.size) == block4x4
	}
	if allowsCFL {
		b.uvMode = uint8(d.symbol(c.uvModeCFL[b.mode][:]))
	} else {
		b.uvMode = uint8(d.symbol(c.uvMode[b.mode][:]))
	}
	if b.uvMode == modeCFL {
		signs := d.symbol(c.cflSigns[:]) + 1
		signU, signV := signs/3, signs%3
		b.cflAlpha[1] = d.readAlpha(signU, signV)
		b.cflAlpha[2] = d.readAlpha(signV, signU)
	}
	if b.size >= block8x8 && isDirectional(b.uvMode) {
		b.uvAngle = d.symbol(c.angleDelta[b.uvMode-modeVertical][:]) - 3
	}
}

// readAlpha reads CflAlphaU or CflAlphaV. A sign is 0 for zero, 1 for negative, 2 for positive.
func (d *decoder) readAlpha(sign, other int) int {
	if sign == 0 {
		return 0
	}
	v := 1 + d.symbol(d.contexts.cflAlpha[(sign-1)*3+other][:])
	if sign == 1 {
		return -v
	}
	return v
}

// chromaSize returns the size of the chroma of a block in chroma samples: get_plane_residual_size.
func (d *decoder) chromaSize(size blockSize) blockSize {
	w, h := blockWidth4Log2[size], blockHeight4Log2[size]
	p := &d.planes[1]
	return blockSizeOf[w-min(w, uint8(p.subX))][h-min(h, uint8(p.subY))]
}

// readSegment is read_segment_id (section 5.11.9).
func (d *decoder) readSegment() {
	b := &d.block
	at := b.row*d.miColumns + b.column
	corner, above, left := -1, -1, -1
	if b.hasAbove {
		above = int(d.segments[at-d.miColumns])
	}
	if b.hasLeft {
		left = int(d.segments[at-1])
	}
	if b.hasAbove && b.hasLeft {
		corner = int(d.segments[at-d.miColumns-1])
	}
	predicted := left
	switch {
	case above < 0:
		predicted = max(left, 0)
	case left < 0 || corner == above:
		predicted = above
	}
	if b.skip {
		b.segment = predicted
	} else {
		ctx := 0
		switch {
		case corner < 0:
		case corner == above && corner == left:
			ctx = 2
		case corner == above || corner == left || above == left:
			ctx = 1
		}
		last := d.header.segmentation.lastActive
		v := deinterleave(d.symbol(d.contexts.segment[ctx][:]), predicted, last+1)
		b.segment = min(max(v, 0), last)
	}
	d.keepSegment()
}

// keepSegment keeps the segment of the block.
func (d *decoder) keepSegment() {
	b := &d.block
	at := b.row*d.miColumns + b.column
	for y := range min(b.height, d.miRows-b.row) {
		row := d.segments[at+y*d.miColumns:][:min(b.width, d.miColumns-b.column)]
		for x := range row {
			row[x] = uint8(b.segment)
		}
	}
}

// deinterleave is neg_deinterleave.
func deinterleave(diff, ref, limit int) int {
	switch near := 2 * min(ref, limit-ref-1); {
	case ref == 0:
		return diff
	case ref >= limit-1:
		return limit - diff - 1
	case diff <= near && diff&1 != 0:
		return ref + (diff+1)>>1
	case diff <= near:
		return ref - diff>>1
	case 2*ref < limit:
		return diff
	default:
		return limit - diff - 1
	}
}

// readCDEF is read_cdef (section 5.11.56).
func (d *decoder) readCDEF() {
	b := &d.block
	if b.skip || !d.header.cdef.isOn {
		return
	}
	row, column := b.row>>4, b.column>>4
	if d.cdefIndex[row*d.cdefColumns+column] >= 0 {
		return
	}
	index := int8(d.read(d.header.cdef.bits))
	for y := row; y < row+(b.height+15)>>4; y++ {
		for x := column; x < min(column+(b.width+15)>>4, d.cdefColumns); x++ {
			if at := y*d.cdefColumns + x; at < len(d.cdefIndex) {
				d.cdefIndex[at] = index
			}
		}
	}
}

// readDeltas is read_delta_qindex and read_delta_lf (sections 5.11.35 and 5.11.36).
func (d *decoder) readDeltas() {
	b, t, h := &d.block, &d.columnState, d.header
	reads := d.tile.readDeltas
	d.tile.readDeltas = false
	if reads && !(b.skip && b.size == superblocks[d.sbLog2-6]) {
		if v := d.readDelta(&d.contexts.deltaQ); v != 0 {
			t.qIndex = min(max(t.qIndex+v<<h.deltaQShift, 1), 255)
		}
		if h.deltaLFPresent {
			count := 1
			if h.deltaLFMulti {
				count = d.count + 1
			}
			for i := range count {
				cdf := &d.contexts.deltaLF
				if h.deltaLFMulti {
					cdf = &d.contexts.deltaLFMulti[i]
				}
				v := int(t.deltaLF[i]) + d.readDelta(cdf)<<h.deltaLFShift
				t.deltaLF[i] = int8(min(max(v, -63), 63))
			}
		}
	}
	if reads && h.deltaLFPresent {
		d.picture.deltaLF[b.row*4>>d.sbLog2*d.sbColumns+b.column*4>>d.sbLog2] = t.deltaLF
	}
}

// readDelta reads a delta: its magnitude, and its sign unless it is 0.
func (d *decoder) readDelta(cdf *[4]uint16) int {
	v := d.symbol4(cdf)
	if v == 3 {
		n := d.read(3) + 1
		v = d.read(n) + 1<<n + 1
	}
	if v != 0 && d.flag() {
		return -v
	}
	return v
}

// readTxSize is read_block_tx_size (section 5.11.16).
func (d *decoder) readTxSize() {
	b := &d.block
	b.tx = maxTxSizes[b.size]
	switch {
	case b.lossless:
		b.tx = tx4x4
	case b.size == block4x4 || !d.header.txSelect:
	case b.isInter && !b.skip:
		d.readTxTree()
		return
	case !b.isInter:
		for range d.readTxDepth() {
			b.tx = splitTxSizes[b.tx]
		}
	}
	d.fillTx(b.row, b.column, b.width, b.height, b.tx)
}

// fillTx keeps the transform size of a part of the block.
func (d *decoder) fillTx(row, column, width, height int, tx txSize) {
	w := min(width, d.miColumns-column)
	for y := range min(height, d.miRows-row) {
		fill := d.blocks[(row+y)*d.miColumns+column:][:w]
		for x := range fill {
			fill[x] = uint8(tx)
		}
	}
}

// readTxDepth reads tx_depth.
func (d *decoder) readTxDepth() int {
	b := &d.block
	ctx := 0
	if b.hasAbove {
		w := b.above.tx
		if b.above.isInter {
			w = b.above.size + 2
		}
		if w >= txWidthLog2[b.tx] {
			ctx++
		}
	}
	if b.hasLeft {
		h := b.left.tx
		if b.left.isInter {
			h = b.left.size + 2
		}
		if h >= txHeightLog2[b.tx] {
			ctx++
		}
	}
	if depth := maxTxDepths[b.size]; depth >= 2 {
		return d.symbol(d.contexts.txDepth[depth-2][ctx][:])
	}
	if d.boolean(&d.contexts.tx8[ctx]) {
		return 1
	}
	return 0
}

// resetLevels is reset_block_context: the block has no coefficients.
func (d *decoder) resetLevels() {
	b := &d.block
	for c := range d.count {
		if c > 0 && !b.hasChroma {
			return
		}
		p := &d.planes[c]
		w, h := (b.width+int(p.subX))>>p.subX, (b.height+int(p.subY))>>p.subY
		above := d.tile.aboveLevels[c][b.column>>p.subX:]
		clear(above[:min(w, len(above))])
		left := d.tile.leftLevels[c][(b.row&31)>>p.subY:]
		clear(left[:min(h, len(left))])
	}
}

// keepBlock keeps what later blocks and filters need to know about the block.
func (d *decoder) keepBlock() {
	b, t := &d.block, &d.tile
	w, h := min(b.width, len(t.above)-b.column), b.height
	n := neighbor{mode: b.mode, isInter: b.isInter, colors: [2]uint8{uint8(b.colors[0]), uint8(b.colors[1])}}
	if b.skip {
		n.skip = 1
	}
	n.size, n.tx = blockWidth4Log2[b.size], txWidthLog2[b.tx]
	above := t.above[b.column:][:w]
	for i := range above {
		above[i] = n
	}
	n.size, n.tx = blockHeight4Log2[b.size], txHeightLog2[b.tx]
	left := t.beside[b.row&31:][:h]
	for i := range left {
		left[i] = n
	}
	if b.isInter && !b.skip && !b.lossless {
		d.keepTxTree(above, left)
	}
	if b.hasChroma {
		p := &d.planes[1]
		x, y := b.column>>p.subX, (b.row&31)>>p.subY
		for i := range min((b.width+int(p.subX))>>p.subX, len(t.aboveUV)-x) {
			t.aboveUV[x+i] = b.uvMode
		}
		for i := range (b.height + int(p.subY)) >> p.subY {
			t.leftUV[y+i] = b.uvMode
		}
	}
	for i, colors := range b.colors {
		if colors == 0 {
			continue
		}
		for x := range w {
			t.aboveColors[i][b.column+x] = b.palette[i]
		}
		for y := range h {
			t.leftColors[i][b.row&31+y] = b.palette[i]
		}
	}
	if b.skip {
		for y := range min(b.height, d.miRows-b.row) {
			row := d.blocks[(b.row+y)*d.miColumns+b.column:][:min(b.width, d.miColumns-b.column)]
			for x := range row {
				row[x] |= blockSkip
			}
		}
	}
	if d.header.allowBC {
		d.keepCopy()
	}
}
