package av1

import "reflect"

// maxBlock is the largest side of a block, in samples.
const maxBlock = 128

// maxRows is the largest number of rows of a reference that a block is predicted from.
const maxRows = 2*maxBlock + 8

// An interState is the state of decoding inter frames.
type interState struct {
	refs     [8]frameRef // by reference frame
	field    []fieldMotion
	segments []uint8 // PrevSegmentIds; nil if all are 0
	stack    vectorStack

	localWarp warpParams // LocalWarpParams
	local     shear      // of localWarp

	predicted [2][maxBlock * maxBlock]int32 // preds
	overlap   [maxBlock * maxBlock / 2]int32
	middle    [maxRows * maxBlock]int16 // filtered across
	row       [maxRows + 8]uint16       // of a reference
	mask      [maxBlock * maxBlock]uint8
	stride    int // of the mask
}

// A frameRef is a frame that blocks are predicted from.
type frameRef struct {
	planes         *[3]storedPlane
	xScale, yScale int // in 1/16384
	xStep, yStep   int // in 1/1024 sample
	isValid        bool
	isScaled       bool
	global         shear
}

// startInter prepares the references of a frame, and what it stores as one.
func (d *decoder) startInter(f *codedFrame) error {
	d.initial, d.motion = nil, nil
	d.isReference = f.stored != nil
	if !d.header.isIntra() {
		d.startReferences(f)
	}
	if d.isReference && d.header.endsWithoutUpdate {
		d.startContexts()
		f.stored.contexts = d.savedContexts
	}
	return nil
}

func (d *decoder) startReferences(f *codedFrame) {
	if d.inter == nil {
		d.inter = new(interState)
	}
	h := d.header
	d.motion = make([]motionBlock, d.miColumns*d.miRows)
	for ref := lastFrame; ref <= alternateFrame; ref++ {
		d.inter.refs[ref] = newFrameRef(f.refs[ref-lastFrame], h)
		d.inter.refs[ref].global = newShear(&h.inter.global[ref].params)
	}
	d.inter.segments = nil
	if h.inter.primary != noPrimary {
		primary := f.refs[h.inter.primary]
		d.initial = primary.stored.contexts.fresh()
		if p := primary.header; p.miColumns() == d.miColumns && p.miRows() == d.miRows {
			d.inter.segments = primary.stored.segments
		}
	}
	if h.inter.useRefMVs {
		d.startField(f)
	}
}

func newFrameRef(f *codedFrame, h *frameHeader) frameRef {
	const noScale = 1 << 14
	w, height := f.header.upscaledWidth, f.header.height
	r := frameRef{planes: &f.stored.planes}
	r.xScale, r.yScale = (w<<14+h.width/2)/h.width, (height<<14+h.height/2)/h.height
	r.xStep, r.yStep = (r.xScale+8)>>4, (r.yScale+8)>>4
	r.isScaled = r.xScale != noScale || r.yScale != noScale
	r.isValid = 2*h.width >= w && 2*h.height >= height && h.width <= 16*w && h.height <= 16*height
	return r
}

// releaseReferences drops what belongs to a picture.
func (d *decoder) releaseReferences() {
	if d.inter != nil {
		d.inter.refs, d.inter.segments = [8]frameRef{}, nil
	}
	d.block.usesAbove, d.block.usesLeft = nil, nil
}

// fresh returns a copy whose counters of symbols are 0 (load_cdfs).
func (s *savedContexts) fresh() *savedContexts {
	c := *s
	reset := func(cdf []uint16) { cdf[len(cdf)-1] = 0 }
	eachFunction(reflect.ValueOf(&c.contexts).Elem(), reset)
	eachFunction(reflect.ValueOf(&c.interSymbols).Elem(), reset)
	eachFunction(reflect.ValueOf(&c.coefficients).Elem(), reset)
	return &c
}

// saveContexts stores the distribution functions at the end of a tile (section 7.4).
func (d *decoder) saveContexts(f *codedFrame, column int) {
	switch {
	case d.header.endsWithoutUpdate:
	case len(d.columns) > 1:
		f.stored.contexts = d.columns[column].savedContexts
	default:
		f.stored.contexts = d.savedContexts
	}
}

// predictInter is the part of compute_prediction (section 5.11.33) for inter blocks.
func (d *decoder) predictInter() {
	b := &d.block
	if !b.isInter {
		return
	}
	if b.motionMode == motionWarps {
		d.estimateWarp()
	}
	for plane := range d.count {
		if plane > 0 && !b.hasChroma {
			return
		}
		d.predictPlane(plane)
	}
}

// predictPlane predicts a plane of the block. Chroma of small blocks is predicted in parts, with the motion of the luma
// blocks that it belongs to, if all are inter blocks.
func (d *decoder) predictPlane(plane int) {
	b, p := &d.block, &d.planes[plane]
	w, h := max(b.width*4>>p.subX, 4), max(b.height*4>>p.subY, 4)
	x, y := b.column>>p.subX*4, b.row>>p.subY*4
	if b.blendsIntra {
		d.predictBlended(plane, x, y, w, h)
	}
	row, column := b.row>>p.subY<<p.subY, b.column>>p.subX<<p.subX
	if row == b.row && column == b.column || !d.areInter(row, column) {
		d.predictPart(plane, x, y, w, h, d.motionAt(b.row, b.column))
		return
	}
	partW, partH := b.width*4>>p.subX, b.height*4>>p.subY
	for i := 0; i*partH < h; i++ {
		for j := 0; j*partW < w; j++ {
			d.predictPart(plane, x+j*partW, y+i*partH, partW, partH, d.motionAt(row+i, column+j))
		}
	}
}

// areInter reports whether the blocks from a position up to the current one are inter blocks.
func (d *decoder) areInter(row, column int) bool {
	b := &d.block
	for y := row; y <= b.row; y++ {
		for x := column; x <= b.column; x++ {
			if !d.motionAt(y, x).isInter() {
				return false
			}
		}
	}
	return true
}

// predictBlended predicts the intra part of a block.
func (d *decoder) predictBlended(plane, x, y, w, h int) {
	b := &d.block
	modes := [4]uint8{modeDC, modeVertical, modeHorizontal, modeSmooth}
	q := prediction{plane: plane, x: x, y: y, w: w, h: h, mode: modes[b.intraMode&3]}
	q.hasAbove, q.hasLeft = b.hasAbove, b.hasLeft
	if plane > 0 {
		q.hasAbove, q.hasLeft = b.hasAboveChroma, b.hasLeftChroma
	}
	d.predictIntra(&q, false, false, false)
}

// predictPart is predict_inter (section 7.11.3.1).
func (d *decoder) predictPart(plane, x, y, w, h int, m *motionBlock) {
	b, s, p := &d.block, d.inter, &d.planes[plane]
	lists := 1 + count(m.isCompound())
	for list := range lists {
		to := s.predicted[list][:w*h]
		if warp, shear := d.warpOf(m, list, w, h); warp != nil {
			d.warpBlock(to, plane, &s.refs[m.ref[list]], warp, shear, x, y, w, h, m.isCompound())
		} else {
			d.interpolateBlock(to, plane, m, list, x, y, w, h)
		}
	}
	to := p.pix[p.index(x, y):]
	most := int32(1)<<d.depth - 1
	switch {
	case b.blendsIntra:
		d.blendIntra(to, p, w, h)
	case lists == 1:
		writeSamples(to, p.stride, w, s.predicted[0][:w*h], most)
	default:
		d.combine(to, plane, w, h, m)
	}
	if b.motionMode == motionOverlaps {
		d.overlapBlock(plane, w, h)
	}
}

// writeSamples writes rows of w samples.
func writeSamples(to []uint16, stride, w int, from []int32, most int32) {
	for ; len(from) > 0; from = from[w:] {
		row := to[:w]
		for i, v := range from[:w] {
			row[i] = clipSample(v, most)
		}
		to = to[min(stride, len(to)):]
	}
}

// interRounds returns InterRound0, InterRound1 and InterPostRound (section 7.11.3.2).
func (d *decoder) interRounds(isCompound bool) (across, down, after uint) {
	across, down = 3, 11
	if d.depth == 12 {
		across, down = 5, 9
	}
	if isCompound {
		down = 7
	}
	return across, down, 14 - across - down
}

// interpolateBlock predicts samples with a vector of a block (sections 7.11.3.3 and 7.11.3.4).
func (d *decoder) interpolateBlock(to []int32, plane int, m *motionBlock, list, x, y, w, h int) {
	const half = 1 << 3 // of a sample
	p, r := &d.planes[plane], &d.inter.refs[m.ref[list]]
	start := func(at, v, scale int) int {
		base := (at<<4+v+half)*scale - half<<14
		return roundSigned(base, 14+4-10) + 32
	}
	i := interpolation{
		x: start(x, 2*int(m.mv[list].x)>>p.subX, r.xScale), y: start(y, 2*int(m.mv[list].y)>>p.subY, r.yScale),
		xStep: r.xStep, yStep: r.yStep, w: w, h: h,
		down: smallFilter(m.filters[0], h), across: smallFilter(m.filters[1], w),
	}
	i.acrossRound, i.downRound, _ = d.interRounds(m.isCompound() && !d.block.isOverlapping)
	i.run(to, &r.planes[plane], d.inter)
}

// smallFilter returns the filter for a side of a block.
func smallFilter(filter uint8, size int) int {
	const fourTaps, fourTapsSmooth = 4, 5
	switch {
	case size > 4 || filter > 2:
		return int(filter)
	case filter == 1:
		return fourTapsSmooth
	default:
		return fourTaps
	}
}

// An interpolation predicts samples between those of a reference (section 7.11.3.4).
type interpolation struct {
	x, y         int // of the first sample, in 1/1024
	xStep, yStep int
	w, h         int
	across, down int // filters

	acrossRound, downRound uint
}

func (i *interpolation) run(to []int32, from *storedPlane, s *interState) {
	const unscaled = 1 << 10
	rows := ((i.h-1)*i.yStep+unscaled-1)>>10 + 8
	columns := ((i.w-1)*i.xStep+i.x&1023)>>10 + 8
	for r := range rows {
		source := from.samples(i.x>>10-3, i.y>>10+r-3, columns, &s.row)
		middle := s.middle[r*i.w:][:i.w]
		if i.xStep == unscaled {
			filterAcross(middle, source, &interpolationFilters[i.across][i.x>>6&15], i.acrossRound)
		} else {
			i.filterScaled(middle, source)
		}
	}
	for r := range i.h {
		at := i.y&1023 + i.yStep*r
		filterDown(to[r*i.w:][:i.w], s.middle[at>>10*i.w:], &interpolationFilters[i.down][at>>6&15], i.downRound)
	}
}

// filterAcross filters samples at the same distance from those of the reference.
func filterAcross(to []int16, from []uint16, taps *[8]int32, round uint) {
	if taps[3] == 128 {
		for i, v := range from[3:][:len(to)] {
			to[i] = int16(v << (7 - round))
		}
		return
	}
	from = from[:len(to)+7]
	t0, t1, t2, t3, t4, t5, t6, t7 := taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7]
	half := int32(1) << round >> 1
	for i := range to {
		f := from[i : i+8 : i+8]
		sum := t0*int32(f[0]) + t1*int32(f[1]) + t2*int32(f[2]) + t3*int32(f[3]) + t4*int32(f[4]) + t5*int32(f[5]) +
			t6*int32(f[6]) + t7*int32(f[7])
		to[i] = int16((sum + half) >> round)
	}
}

// filterScaled filters samples at different distances from those of the reference.
func (i *interpolation) filterScaled(to []int16, from []uint16) {
	half := int32(1) << i.acrossRound >> 1
	at := i.x & 1023
	for c := range to {
		taps := &interpolationFilters[i.across][at>>6&15]
		sum := half
		for k, v := range from[at>>10:][:8] {
			sum += taps[k] * int32(v)
		}
		to[c] = int16(sum >> i.acrossRound)
		at += i.xStep
	}
}

// filterDown filters columns of the rows of from, which have len(to) samples.
func filterDown(to []int32, from []int16, taps *[8]int32, round uint) {
	w := len(to)
	half := int32(1) << round >> 1
	if taps[3] == 128 {
		for i, v := range from[3*w:][:w] {
			to[i] = (int32(v)<<7 + half) >> round
		}
		return
	}
	r0, r1, r2, r3 := from[:w], from[w:][:w], from[2*w:][:w], from[3*w:][:w]
	r4, r5, r6, r7 := from[4*w:][:w], from[5*w:][:w], from[6*w:][:w], from[7*w:][:w]
	t0, t1, t2, t3, t4, t5, t6, t7 := taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7]
	for i := range to {
		sum := t0*int32(r0[i]) + t1*int32(r1[i]) + t2*int32(r2[i]) + t3*int32(r3[i]) + t4*int32(r4[i]) + t5*int32(r5[i]) +
			t6*int32(r6[i]) + t7*int32(r7[i])
		to[i] = (sum + half) >> round
	}
}

// overlapBlock blends the block with predictions by the motion of blocks above and to the left (section 7.11.3.9).
func (d *decoder) overlapBlock(plane, w, h int) {
	b, p := &d.block, &d.planes[plane]
	if size := d.planeSize(plane); b.hasAbove && size >= block8x8 {
		left := min(4, int(blockWidth4Log2[b.size]))
		for x := b.column; left > 0 && x < min(d.miColumns, b.column+b.width); {
			n := d.motionAt(b.row-1, x|1)
			step := min(max(1<<blockWidth4Log2[n.size], 2), 16)
			if n.isInter() {
				left--
				d.overlap(plane, n, x, b.row, min(w, step*4>>p.subX), min(h>>1, 32>>p.subY), true)
			}
			x += step
		}
	}
	if !b.hasLeft {
		return
	}
	left := min(4, int(blockHeight4Log2[b.size]))
	for y := b.row; left > 0 && y < min(d.miRows, b.row+b.height); {
		n := d.motionAt(y|1, b.column-1)
		step := min(max(1<<blockHeight4Log2[n.size], 2), 16)
		if n.isInter() {
			left--
			d.overlap(plane, n, b.column, y, min(w>>1, 32>>p.subX), min(h, step*4>>p.subY), false)
		}
		y += step
	}
}

// planeSize is get_plane_residual_size.
func (d *decoder) planeSize(plane int) blockSize {
	if plane == 0 {
		return d.block.size
	}
	return d.chromaSize(d.block.size)
}

// overlapMasks are Obmc_Mask_2 to Obmc_Mask_32: that of n samples starts at n.
var overlapMasks = [64]uint8{
	2: 45, 64,
	4: 39, 50, 59, 64,
	8: 36, 42, 48, 53, 57, 61, 64, 64,
	16: 34, 37, 40, 43, 46, 49, 52, 54, 56, 58, 60, 61, 64, 64, 64, 64,
	32: 33, 35, 36, 38, 40, 41, 43, 44, 45, 47, 48, 50, 51, 52, 53, 55, 56, 57, 58, 59, 60, 60, 61, 62, 64, 64, 64, 64, 64,
	64, 64, 64,
}

// overlap predicts a part of the block with the motion of another one and blends it (section 7.11.3.10).
func (d *decoder) overlap(plane int, n *motionBlock, column, row, w, h int, isAbove bool) {
	p, most := &d.planes[plane], int32(1)<<d.depth-1
	x, y := column*4>>p.subX, row*4>>p.subY
	from := d.inter.overlap[:w*h]
	d.block.isOverlapping = true
	d.interpolateBlock(from, plane, n, 0, x, y, w, h)
	d.block.isOverlapping = false
	mask := overlapMasks[w:]
	if isAbove {
		mask = overlapMasks[h:]
	}
	for i := range h {
		to := p.pix[p.index(x, y+i):][:w]
		for j, v := range from[i*w:][:w] {
			weight := int32(mask[j&31])
			if isAbove {
				weight = int32(mask[i&31])
			}
			to[j] = uint16((weight*int32(to[j]) + (64-weight)*int32(clipSample(v, most)) + 32) >> 6)
		}
	}
}
