package hevc

import (
	"math/bits"
)

// A residualState holds the residual of the current transform block, and the scale factors of the current QP.
type residualState struct {
	coefficients [32 * 32]int32 // in raster order; all 0 between blocks
	out          [32 * 32]int32 // residual samples in raster order
	luma         [32 * 32]int32 // rY of cross-component prediction
	intermediate [32 * 32]int64 // between the two passes of the transform

	scale int // ResScaleVal of the current chroma block

	qp      [3]int // Qp'Y, Qp'Cb and Qp'Cr, which include QpBdOffset
	factors [3][4]scaleFactor
	list    *scalingList
}

// A scaleFactor scales levels (section 8.6.4.2): the product is rounded by add and shifted.
type scaleFactor struct {
	scale, add int64
	shift      uint
}

func (r *residualState) start(sps *sps, pps *pps) {
	r.list = nil
	if sps.scalingEnabled {
		switch {
		case pps.scaling != nil:
			r.list = pps.scaling
		case sps.scaling != nil:
			r.list = sps.scaling
		default:
			r.list = defaultScaling
		}
	}
	r.qp = [3]int{-1, -1, -1}
}

// chromaQPTable has QpC for ChromaArrayType 1 and qPi from 30 to 42 (table 8-10).
var chromaQPTable = [13]int{29, 30, 31, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37}

// chromaQP returns QpC for qPi.
func chromaQP(qp, format int) int {
	switch {
	case format != 1:
		return min(qp, 51)
	case qp < 30:
		return qp
	case qp > 42:
		return qp - 6
	default:
		return chromaQPTable[qp-30]
	}
}

var levelScale = [6]int64{40, 45, 51, 57, 64, 72}

// setQP derives the scale factors for QpY and the chroma QP offsets (section 8.6.1).
func (r *residualState) setQP(d *decoder) {
	for c := range d.count {
		offset := 6 * (d.sps.depth[c] - 8)
		qp := d.quadtree.qp
		if c > 0 {
			qp = max(-offset, min(qp+d.slice.chromaQP[c]+d.quadtree.chromaOffset[c], 57))
			qp = chromaQP(qp, d.sps.chroma)
		}
		qp += offset
		if r.qp[c] == qp {
			continue
		}
		r.qp[c] = qp
		for size := range r.factors[c] {
			shift := uint(d.sps.depth[c] + size + 2 - 5)
			r.factors[c][size] = scaleFactor{levelScale[qp%6] << (qp / 6), 1 << (shift - 1), shift}
		}
	}
}

// sigContexts has the context index of sig_coeff_flag (section 9.3.4.2.5) by: luma or chroma; block size 4x4, 8x8 or
// larger; scan order; first sub-block or another; csbfCtx; scan position.
var sigContexts = func() (t [2][3][3][2][4][16]uint8) {
	for c := range t {
		for size := range t[c] {
			for order := range t[c][size] {
				for first := range t[c][size][order] {
					for coded := range t[c][size][order][first] {
						for n := range 16 {
							x, y := int(scans[order][2].x[n]), int(scans[order][2].y[n])
							ctx := sigContext(c, size, order, first == 1, coded, x, y)
							t[c][size][order][first][coded][n] = uint8(ctxSig + 27*c + ctx)
						}
					}
				}
			}
		}
	}
	return t
}()

func sigContext(c, size, order int, isFirst bool, coded, x, y int) int {
	if size == 0 {
		return [16]int{0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8}[4*y+x]
	}
	if isFirst && x == 0 && y == 0 {
		return 0
	}
	ctx := 0
	switch coded {
	case 0:
		ctx = [7]int{2, 1, 1, 0, 0, 0, 0}[x+y]
	case 1:
		ctx = max(0, 2-y)
	case 2:
		ctx = max(0, 2-x)
	case 3:
		ctx = 2
	}
	switch {
	case c == 1 && size == 1:
		return ctx + 9
	case c == 1:
		return ctx + 12
	}
	if !isFirst {
		ctx += 3
	}
	switch {
	case size > 1:
		return ctx + 21
	case order == scanDiagonal:
		return ctx + 9
	default:
		return ctx + 15
	}
}

// skipContexts replace sigContexts in blocks without transform, if transform_skip_context_enabled_flag is set.
var skipContexts = func() (t [2][2][4][16]uint8) {
	for c := range t {
		for first := range t[c] {
			for coded := range t[c][first] {
				for n := range 16 {
					t[c][first][coded][n] = uint8(ctxSig + 42 + c)
				}
			}
		}
	}
	return t
}()

// orderOf returns scanIdx (section 7.4.9.11).
func (d *decoder) orderOf(c int, log uint, mode uint8) int {
	if log == 2 || log == 3 && (c == 0 || d.sps.chroma == 3) {
		switch {
		case mode >= 6 && mode <= 14:
			return scanVertical
		case mode >= 22 && mode <= 30:
			return scanHorizontal
		}
	}
	return scanDiagonal
}

// readLast reads the position of the last significant coefficient.
func (d *decoder) readLast(c int, log uint) (x, y int) {
	offset, shift := uint8(15), log-2
	if c == 0 {
		offset, shift = uint8(3*(log-2)+(log-1)>>2), (log+1)>>2
	}
	limit := uint8(2*log - 1)
	var prefix [2]uint8
	for i, ctx := range [2]uint8{ctxLastX + offset, ctxLastY + offset} {
		n := uint8(0)
		for n < limit && d.bin(ctx+n>>shift) == 1 {
			n++
		}
		prefix[i] = n
	}
	x, y = int(prefix[0]), int(prefix[1])
	if x > 3 {
		k := uint(x>>1 - 1)
		x = (2+x&1)<<k + int(d.bypassBins(k))
	}
	if y > 3 {
		k := uint(y>>1 - 1)
		y = (2+y&1)<<k + int(d.bypassBins(k))
	}
	return x, y
}

// afterGreater1 has greater1Ctx after coeff_abs_level_greater1_flag, by the flag and the value before.
var afterGreater1 = [2][4]uint8{{0, 2, 3, 3}, {0, 0, 0, 0}}

// A coefficientState is the parsing state of residual_coding, by sub-blocks of 4x4 coefficients.
type coefficientState struct {
	plane, chroma    int // component; and 0 for luma or 1 for chroma
	log              uint
	bypass           bool // cu_transquant_bypass_flag
	isSkipped        bool // transform_skip_flag
	withoutTransform bool // isSkipped or bypass
	isRDPCM          bool
	signHiding       bool // sign data hiding may apply
	subBlockScan     *scan
	coefficientScan  *scan
	lastSubBlock     int // of the last significant coefficient; and its scan position there
	lastPosition     int
	contexts         *[2][4][16]uint8 // ctxIdx of sig_coeff_flag, of sigContexts
	scaling          scaleFactor
	list             []uint8 // scaling factors of the block; nil for flat scaling
	rice             int     // index of StatCoeff

	codedSubBlocks [9]uint16 // coded_sub_block_flag: bits by column, elements by row
	greater1       uint8     // greater1Ctx; 0 after a level above 1
	positions      [32]uint8 // scan positions of the significant coefficients of a sub-block, in decoding order
	levels         [32]int32 // absolute levels at these positions
	count          int
	maxX, maxY     int // of sub-blocks with coefficients
	total          int // number of coefficients of the block
}

// residual decodes residual_coding of a transform block (section 7.3.8.11) and adds the residual to the prediction.
// The position is in samples of the plane.
func (d *decoder) residual(c int, x0, y0 int, log uint, mode uint8) {
	b := &d.coefficients
	d.startCoefficients(b, c, log, mode)
	for i := b.lastSubBlock; i >= 0; i-- {
		bx, by := int(b.subBlockScan.x[i&63])&7, int(b.subBlockScan.y[i&63])&7
		around := b.codedSubBlocks[by]>>(bx+1)&1 | b.codedSubBlocks[by+1]>>bx&1<<1
		infer := false // inferSbDcSigCoeffFlag
		if i < b.lastSubBlock && i > 0 {
			if d.bin(ctxCodedBlock+uint8(2*b.chroma)+uint8(around&1|around>>1)) == 0 {
				continue
			}
			infer = true
		}
		b.codedSubBlocks[by] |= 1 << bx
		d.readSignificant(b, i, int(around), infer)
		if b.count == 0 {
			continue
		}
		b.total += b.count
		b.maxX, b.maxY = max(b.maxX, bx), max(b.maxY, by)
		d.readLevels(b, i, by<<2<<log+bx<<2)
	}
	d.reconstruct(c, x0, y0, log, mode)
}

// startCoefficients reads the syntax elements before the first sub-block.
func (d *decoder) startCoefficients(b *coefficientState, c int, log uint, mode uint8) {
	sps, r := d.sps, &d.residuals
	b.plane, b.chroma, b.log = c, min(c, 1), log
	b.bypass = d.cu.bypass
	b.isSkipped = d.pps.skipEnabled && !b.bypass && log <= d.pps.maxSkip && d.bin(ctxSkip+uint8(b.chroma)) == 1
	b.withoutTransform = b.isSkipped || b.bypass
	order := d.orderOf(c, log, mode)
	x, y := d.readLast(c, log)
	if order == scanVertical {
		x, y = y, x
	}
	b.isRDPCM = sps.implicitRDPCM && b.withoutTransform && (mode == modeHorizontal || mode == modeVertical)
	b.signHiding = d.pps.signHiding && !b.bypass && !b.isRDPCM

	b.subBlockScan, b.coefficientScan = &scans[order][(log-2)&3], &scans[order][2]
	b.lastSubBlock = int(b.subBlockScan.index[(y>>2&7)<<3|x>>2&7])
	b.lastPosition = int(b.coefficientScan.index[(y&3)<<3|x&3])
	b.contexts = &sigContexts[b.chroma][min(log-2, 2)][order]
	if sps.skipContext && b.withoutTransform {
		b.contexts = &skipContexts[b.chroma]
	}
	b.scaling = r.factors[c][(log-2)&3]
	b.list = nil
	if r.list != nil && !(b.isSkipped && log > 2) {
		b.list = r.list.factors[(log-2)&3][c]
	}
	b.rice = 2 * (1 - b.chroma)
	if b.withoutTransform {
		b.rice++
	}
	b.codedSubBlocks, b.greater1 = [9]uint16{}, 1
	b.maxX, b.maxY, b.total = 0, 0, 0
}

// readSignificant reads sig_coeff_flag of a sub-block. It is engine.bin with its state in registers, and without the
// branch on the symbol, which no processor can predict.
func (d *decoder) readSignificant(b *coefficientState, i, around int, infer bool) {
	first := 0
	if i == 0 {
		first = 1
	}
	contexts := &b.contexts[first][around&3]
	count, from := 0, 15
	if i == b.lastSubBlock {
		b.positions[0], count, from = uint8(b.lastPosition), 1, b.lastPosition-1
	}
	places, states := &b.positions, &d.states
	value, span, n := d.value, d.ivlRange, d.spareBits
	for at := from; at > 0; at-- {
		if n < 8 {
			value, n, d.pos = d.fill(value, n)
		}
		ctx := contexts[at&15]
		s := states[ctx]
		low := uint64(rangeLPS[s&127][span>>6&3])
		high := span - low
		scaled := high << (n & 63)
		less := ^uint64(int64(value-scaled) >> 63) // all ones for the less probable symbol
		value -= scaled & less
		span = high ^ (high^low)&less
		shift := uint(bits.LeadingZeros64(span)) - 55
		span <<= shift & 63
		n -= shift
		states[ctx] = nextState[uint(s)|uint(less&256)]
		places[count&31] = uint8(at)
		count += int((uint64(s) ^ less) & 1)
	}
	d.value, d.ivlRange, d.spareBits = value, span, n
	if from >= 0 {
		if infer && count == 0 {
			places[0], count = 0, 1
		} else if d.bin(contexts[0]) == 1 {
			places[count&31] = 0
			count++
		}
	}
	b.count = count
}

// readLevels reads the levels of sub-block i. Its first coefficient is at index at of the block.
func (d *decoder) readLevels(b *coefficientState, i, at int) {
	remaining := d.readGreaterFlags(b, i)
	if remaining != 0 && d.sps.bypassAlign {
		d.ivlRange = 256
	}
	count := b.count
	isHidden := b.signHiding && int(b.positions[0])-int(b.positions[(count-1)&31]) > 3
	signCount := uint(count)
	if isHidden {
		signCount--
	}
	signs := d.bypassBins(signCount) << (32 - signCount)
	if remaining != 0 {
		d.readRemaining(&b.levels, remaining, b.rice)
	}
	if isHidden {
		sum := int32(0)
		for k := range count {
			sum += b.levels[k&31]
		}
		signs |= uint32(sum) & 1 << (32 - count)
	}
	if b.bypass {
		d.storeUnscaled(b, signs, at)
	} else {
		d.storeScaled(b, signs, at)
	}
}

// readGreaterFlags reads coeff_abs_level_greater1_flag and coeff_abs_level_greater2_flag. The result has a bit for
// each level that coeff_abs_level_remaining follows for.
func (d *decoder) readGreaterFlags(b *coefficientState, i int) uint32 {
	set := uint8(0)
	if i > 0 && b.plane == 0 {
		set = 2
	}
	if i < b.lastSubBlock && b.greater1 == 0 {
		set++
	}
	greater1, base := uint8(1), uint8(ctxGreater1+16*b.chroma+4*int(set))
	count := b.count
	flags := uint32(0)
	for k := range min(count, 8) {
		bin := d.bin(base + greater1)
		flags |= uint32(bin) << k
		greater1 = afterGreater1[bin&1][greater1&3]
	}
	b.greater1 = greater1
	for k := range count {
		b.levels[k&31] = 1 + int32(flags>>k&1)
	}
	remaining := flags
	if flags != 0 {
		first := bits.TrailingZeros32(flags)
		if d.bin(uint8(ctxGreater2+4*b.chroma)+set) == 1 {
			b.levels[first&31] = 3
		} else {
			remaining &^= 1 << first
		}
	}
	return (remaining | 0xffffff00) & (1<<count - 1)
}

// storeScaled scales the levels (section 8.6.4.2). The sign of the first is the highest bit of signs.
func (d *decoder) storeScaled(b *coefficientState, signs uint32, at int) {
	r, within := &d.residuals, b.coefficientScan
	scale := b.scaling.scale * 16
	for k := range b.count {
		sign := int32(signs) >> 31
		signs <<= 1
		v := b.levels[k&31] ^ sign - sign
		n := b.positions[k&31] & 15
		place := at + int(within.y[n])<<b.log + int(within.x[n])
		if b.list != nil {
			scale = b.scaling.scale * int64(b.list[place])
		}
		w := (int64(v)*scale + b.scaling.add) >> b.scaling.shift
		if int64(int16(w)) != w {
			w = max(-32768, min(w, 32767))
		}
		r.coefficients[place&1023] = int32(w)
	}
}

// storeUnscaled stores the levels of a block with cu_transquant_bypass_flag.
func (d *decoder) storeUnscaled(b *coefficientState, signs uint32, at int) {
	for k := range b.count {
		sign := int32(signs) >> 31
		signs <<= 1
		n := b.positions[k&31] & 15
		place := at + int(b.coefficientScan.y[n])<<b.log + int(b.coefficientScan.x[n])
		d.residuals.coefficients[place&1023] = b.levels[k&31] ^ sign - sign
	}
}

// readRemaining reads coeff_abs_level_remaining (section 9.3.3.11) of the levels whose bits are set in which.
func (d *decoder) readRemaining(levels *[32]int32, which uint32, riceIndex int) {
	rice, most := uint(0), uint(4)
	isPersistent := d.sps.persistentRice
	if isPersistent {
		rice, most = uint(d.rice[riceIndex&3])/4, 32
	}
	isFirst := true
	for ; which != 0; which &= which - 1 {
		k := bits.TrailingZeros32(which) & 31
		v := d.readLevel(rice)
		if isPersistent && isFirst {
			d.adaptRice(riceIndex, v)
			isFirst = false
		}
		// Levels have 16 bits in conforming streams; larger ones are clipped so that nothing overflows.
		levels[k] = int32(min(uint32(levels[k])+v, 32768))
		if uint32(levels[k]) > 3<<rice && rice < most {
			rice++
		}
	}
}

// adaptRice updates StatCoeff by the first level of a sub-block that has coeff_abs_level_remaining.
func (d *decoder) adaptRice(i int, v uint32) {
	s := &d.rice[i&3]
	if v >= 3<<(*s/4) {
		*s = min(*s+1, 4*28)
	} else if 2*v < 1<<(*s/4) && *s > 0 {
		*s--
	}
}

// readLevel reads coeff_abs_level_remaining: a unary prefix, and a suffix whose length depends on the Rice parameter.
func (d *decoder) readLevel(rice uint) uint32 {
	if d.spareBits < minLoaded {
		d.load()
	}
	// It looks ahead by 16 bypass bins, and consumes as many as the code has.
	const ahead = 16
	rest := d.spareBits - ahead
	q := d.value >> (rest & 63) * reciprocals[d.ivlRange&511] >> reciprocalBits
	prefix := uint(bits.LeadingZeros16(^uint16(q)))
	suffix := rice
	if prefix > 3 {
		suffix = prefix - 3 + rice
	}
	used := prefix + 1 + suffix
	if used > ahead {
		return d.readLongLevel(rice)
	}
	taken := q >> (ahead - used)
	d.spareBits -= used
	d.value -= taken * d.ivlRange << (d.spareBits & 63)
	low := uint32(taken) & (1<<suffix - 1)
	if prefix > 3 {
		return (1<<(prefix-3)+2)<<rice + low
	}
	return uint32(prefix)<<rice + low
}

// readLongLevel is readLevel for codes of more than 16 bins.
func (d *decoder) readLongLevel(rice uint) uint32 {
	prefix := uint(0)
	for d.bypassBin() == 1 {
		if prefix++; prefix > 32 {
			d.setFault("a coefficient has a prefix of more than 32 bins")
			return 0
		}
	}
	if prefix <= 3 {
		return uint32(prefix)<<rice + d.bypassBins32(rice)
	}
	suffix := prefix - 3 + rice
	if suffix > 32 {
		d.setFault("a coefficient has a suffix of %d bins, expected at most 32", suffix)
		return 0
	}
	v := (uint64(1)<<(prefix-3)+2)<<rice + uint64(d.bypassBins32(suffix))
	return uint32(min(v, 1<<20))
}

// nextState is nextStateMPS, followed from 256 on by nextStateLPS.
var nextState = func() (t [512]uint8) {
	for i := range nextStateMPS {
		t[i], t[256+i] = nextStateMPS[i], nextStateLPS[i]
	}
	return t
}()
