package hevc

import (
	"math/bits"
)

// A residue is the residual of a transform block, and what is the same for many of them.
type residue struct {
	coefs [32 * 32]int32 // in rows; zeros between blocks
	out   [32 * 32]int32 // residual samples, in rows
	luma  [32 * 32]int32 // out of the luma block, for cross-component prediction
	mid   [32 * 32]int64 // between the passes of the transform

	scale int // ResScaleVal of the chroma block

	qp      [3]int // of each plane, with the offset of its bit depth
	factors [3][4]factor
	list    *scalingList
}

// A factor is how the levels of blocks of a size are scaled (section 8.6.4.2): the product is rounded and shifted.
type factor struct {
	scale, add int64
	shift      uint
}

func (r *residue) start(sps *sps, pps *pps) {
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

// chromaQPs is table 8-10: QpC of 4:2:0 by qPi, from 30 to 42.
var chromaQPs = [13]int{29, 30, 31, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37}

// chromaQP is QpC by qPi.
func chromaQP(qp, format int) int {
	switch {
	case format != 1:
		return min(qp, 51)
	case qp < 30:
		return qp
	case qp > 42:
		return qp - 6
	default:
		return chromaQPs[qp-30]
	}
}

var levelScale = [6]int64{40, 45, 51, 57, 64, 72}

// setQP finds the factors for the QP of the quantization group and the offsets of the slice (section 8.6.1).
func (r *residue) setQP(d *decoder) {
	for c := range d.count {
		offset := 6 * (d.sps.depth[c] - 8)
		qp := d.tree.qp
		if c > 0 {
			qp = max(-offset, min(qp+d.cur.chromaQP[c]+d.tree.chromaOffset[c], 57))
			qp = chromaQP(qp, d.sps.chroma)
		}
		qp += offset
		if r.qp[c] == qp {
			continue
		}
		r.qp[c] = qp
		for size := range r.factors[c] {
			shift := uint(d.sps.depth[c] + size + 2 - 5)
			r.factors[c][size] = factor{levelScale[qp%6] << (qp / 6), 1 << (shift - 1), shift}
		}
	}
}

// sigContexts are the contexts of sig_coeff_flag (section 9.3.4.2.5): for luma and chroma, blocks of 4x4, 8x8 and larger
// ones, the order, whether the 4x4 block is the first one, which of those on the right and below are coded, and the place
// in the order.
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

// flatContexts are those of blocks without transform, if transform_skip_context_enabled_flag.
var flatContexts = func() (t [2][2][4][16]uint8) {
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

// orderOf is the order of the coefficients (section 7.4.9.11).
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

// readLast reads the place of the last coefficient.
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
		x = (2+x&1)<<k + int(d.bypasses(k))
	}
	if y > 3 {
		k := uint(y>>1 - 1)
		y = (2+y&1)<<k + int(d.bypasses(k))
	}
	return x, y
}

// afterGreater1 is greater1Ctx after a flag, by the one before.
var afterGreater1 = [2][4]uint8{{0, 2, 3, 3}, {0, 0, 0, 0}}

// A blockCoding is the state of reading the coefficients of a transform block, in blocks of 4x4.
type blockCoding struct {
	plane, chroma int // chroma is 0 for luma and 1 for the others
	log           uint
	bypass        bool // cu_transquant_bypass_flag
	isSkipped     bool // transform_skip_flag
	isFlat        bool // either
	isRDPCM       bool
	canHide       bool // signs
	blocks        *scan
	within        *scan
	last          int // block, and in start the last place in it
	start         int
	contexts      *[2][4][16]uint8 // of sig_coeff_flag
	scaling       factor
	list          []uint8 // of the scaling list, or nil
	rice          int     // index of the statistics

	coded      [9]uint16 // coded_sub_block_flag of each row of blocks
	greater1   uint8     // greater1Ctx, 0 after a level above 1
	places     [32]uint8 // of the coefficients of a 4x4 block that are not 0, in the order they are coded
	levels     [32]int32 // of those places
	count      int
	maxX, maxY int // of blocks with coefficients
	total      int // coefficients
}

// residual decodes the coefficients of a transform block (section 7.3.8.11) and adds its residual to the prediction.
// The place is in samples of the plane.
func (d *decoder) residual(c int, x0, y0 int, log uint, mode uint8) {
	b := &d.coding
	d.startCoding(b, c, log, mode)
	for i := b.last; i >= 0; i-- {
		bx, by := int(b.blocks.x[i&63])&7, int(b.blocks.y[i&63])&7
		around := b.coded[by]>>(bx+1)&1 | b.coded[by+1]>>bx&1<<1
		infer := false // that the first coefficient is not 0, if no other one is
		if i < b.last && i > 0 {
			if d.bin(ctxCodedBlock+uint8(2*b.chroma)+uint8(around&1|around>>1)) == 0 {
				continue
			}
			infer = true
		}
		b.coded[by] |= 1 << bx
		d.readPlaces(b, i, int(around), infer)
		if b.count == 0 {
			continue
		}
		b.total += b.count
		b.maxX, b.maxY = max(b.maxX, bx), max(b.maxY, by)
		d.readLevels(b, i, by<<2<<log+bx<<2)
	}
	d.reconstruct(c, x0, y0, log, mode)
}

// startCoding reads what is in front of the coefficients.
func (d *decoder) startCoding(b *blockCoding, c int, log uint, mode uint8) {
	sps, r := d.sps, &d.residue
	b.plane, b.chroma, b.log = c, min(c, 1), log
	b.bypass = d.block.bypass
	b.isSkipped = d.pps.skipEnabled && !b.bypass && log <= d.pps.maxSkip && d.bin(ctxSkip+uint8(b.chroma)) == 1
	b.isFlat = b.isSkipped || b.bypass
	order := d.orderOf(c, log, mode)
	x, y := d.readLast(c, log)
	if order == scanVertical {
		x, y = y, x
	}
	b.isRDPCM = sps.implicitRDPCM && b.isFlat && (mode == modeHorizontal || mode == modeVertical)
	b.canHide = d.pps.signHiding && !b.bypass && !b.isRDPCM

	b.blocks, b.within = &scans[order][(log-2)&3], &scans[order][2]
	b.last = int(b.blocks.index[(y>>2&7)<<3|x>>2&7])
	b.start = int(b.within.index[(y&3)<<3|x&3])
	b.contexts = &sigContexts[b.chroma][min(log-2, 2)][order]
	if sps.skipContext && b.isFlat {
		b.contexts = &flatContexts[b.chroma]
	}
	b.scaling = r.factors[c][(log-2)&3]
	b.list = nil
	if r.list != nil && !(b.isSkipped && log > 2) {
		b.list = r.list.factors[(log-2)&3][c]
	}
	b.rice = 2 * (1 - b.chroma)
	if b.isFlat {
		b.rice++
	}
	b.coded, b.greater1 = [9]uint16{}, 1
	b.maxX, b.maxY, b.total = 0, 0, 0
}

// readPlaces reads sig_coeff_flag of a 4x4 block. The arithmetic decoder is that of coder.bin, without a branch that no
// processor can predict, and with its state in registers.
func (d *decoder) readPlaces(b *blockCoding, i, around int, infer bool) {
	first := 0
	if i == 0 {
		first = 1
	}
	contexts := &b.contexts[first][around&3]
	count, from := 0, 15
	if i == b.last {
		b.places[0], count, from = uint8(b.start), 1, b.start-1
	}
	places, states := &b.places, &d.states
	value, span, n := d.value, d.span, d.n
	for at := from; at > 0; at-- {
		if n < 8 {
			value, n, d.pos = d.fill(value, n)
		}
		ctx := contexts[at&15]
		s := states[ctx]
		low := uint64(lowSpan[s&127][span>>6&3])
		high := span - low
		scaled := high << (n & 63)
		less := ^uint64(int64(value-scaled) >> 63) // all ones if it is the less probable symbol
		value -= scaled & less
		span = high ^ (high^low)&less
		shift := uint(bits.LeadingZeros64(span)) - 55
		span <<= shift & 63
		n -= shift
		states[ctx] = afterBin[uint(s)|uint(less&256)]
		places[count&31] = uint8(at)
		count += int((uint64(s) ^ less) & 1)
	}
	d.value, d.span, d.n = value, span, n
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

// readLevels reads the levels of a 4x4 block, whose first coefficient is at a place of the transform block.
func (d *decoder) readLevels(b *blockCoding, i, at int) {
	remaining := d.readFlags(b, i)
	if remaining != 0 && d.sps.bypassAlign {
		d.span = 256
	}
	count := b.count
	isHidden := b.canHide && int(b.places[0])-int(b.places[(count-1)&31]) > 3
	signCount := uint(count)
	if isHidden {
		signCount--
	}
	signs := d.bypasses(signCount) << (32 - signCount)
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
		d.storeFlat(b, signs, at)
	} else {
		d.store(b, signs, at)
	}
}

// readFlags reads which levels are above 1, and which is above 2 of the first such one. The result has bits set for the
// levels that go on.
func (d *decoder) readFlags(b *blockCoding, i int) uint32 {
	set := uint8(0)
	if i > 0 && b.plane == 0 {
		set = 2
	}
	if i < b.last && b.greater1 == 0 {
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

// store scales the levels (section 8.6.4.2). The first sign is the highest bit.
func (d *decoder) store(b *blockCoding, signs uint32, at int) {
	r, within := &d.residue, b.within
	scale := b.scaling.scale * 16
	for k := range b.count {
		sign := int32(signs) >> 31
		signs <<= 1
		v := b.levels[k&31] ^ sign - sign
		n := b.places[k&31] & 15
		place := at + int(within.y[n])<<b.log + int(within.x[n])
		if b.list != nil {
			scale = b.scaling.scale * int64(b.list[place])
		}
		w := (int64(v)*scale + b.scaling.add) >> b.scaling.shift
		if int64(int16(w)) != w {
			w = max(-32768, min(w, 32767))
		}
		r.coefs[place&1023] = int32(w)
	}
}

// storeFlat stores the levels of a block without quantization.
func (d *decoder) storeFlat(b *blockCoding, signs uint32, at int) {
	for k := range b.count {
		sign := int32(signs) >> 31
		signs <<= 1
		n := b.places[k&31] & 15
		place := at + int(b.within.y[n])<<b.log + int(b.within.x[n])
		d.residue.coefs[place&1023] = b.levels[k&31] ^ sign - sign
	}
}

// readRemaining reads coeff_abs_level_remaining (section 9.3.3.11) of the levels whose bits are set.
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
		// Levels have 16 bits: more is not allowed, and is cut off where it cannot overflow.
		levels[k] = int32(min(uint32(levels[k])+v, 32768))
		if uint32(levels[k]) > 3<<rice && rice < most {
			rice++
		}
	}
}

// adaptRice is what persistent_rice_adaptation_enabled_flag does with the first level of a 4x4 block.
func (d *decoder) adaptRice(i int, v uint32) {
	s := &d.rice[i&3]
	if v >= 3<<(*s/4) {
		*s = min(*s+1, 4*28)
	} else if 2*v < 1<<(*s/4) && *s > 0 {
		*s--
	}
}

// readLevel reads a level by its Rice parameter: a prefix of ones, and a suffix.
func (d *decoder) readLevel(rice uint) uint32 {
	if d.n < loaded {
		d.load()
	}
	// 16 bins are looked at, and as many of them taken as needed: a bin that is not taken was not decoded.
	const ahead = 16
	rest := d.n - ahead
	q := d.value >> (rest & 63) * inverse[d.span&511] >> inverseBits
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
	d.n -= used
	d.value -= taken * d.span << (d.n & 63)
	low := uint32(taken) & (1<<suffix - 1)
	if prefix > 3 {
		return (1<<(prefix-3)+2)<<rice + low
	}
	return uint32(prefix)<<rice + low
}

// readLongLevel is readLevel for those of more than 16 bins.
func (d *decoder) readLongLevel(rice uint) uint32 {
	prefix := uint(0)
	for d.bypass() == 1 {
		if prefix++; prefix > 32 {
			d.breaks("a coefficient has a prefix of more than 32 bins")
			return 0
		}
	}
	if prefix <= 3 {
		return uint32(prefix)<<rice + d.manyBypasses(rice)
	}
	suffix := prefix - 3 + rice
	if suffix > 32 {
		d.breaks("a coefficient has a suffix of %d bins, expected at most 32", suffix)
		return 0
	}
	v := (uint64(1)<<(prefix-3)+2)<<rice + uint64(d.manyBypasses(suffix))
	return uint32(min(v, 1<<20))
}

// afterBin is the state after the more probable symbol, and from 256 on after the less probable one.
var afterBin = func() (t [512]uint8) {
	for i := range afterHigh {
		t[i], t[256+i] = afterHigh[i], afterLow[i]
	}
	return t
}()
