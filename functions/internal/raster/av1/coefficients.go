package av1

// Classes of transform types by the direction in which they transform (get_tx_class).
const (
	class2D = iota
	classHorizontal
	classVertical
)

var txClasses = [walshHadamard + 1]uint8{
	verticalDCT: classVertical, verticalADST: classVertical, verticalFlipADST: classVertical,
	horizontalDCT: classHorizontal, horizontalADST: classHorizontal, horizontalFlipADST: classHorizontal,
}

// A scanned is a coefficient in the order of a scan.
type scanned struct {
	at     uint16 // its position, in rows of up to 32
	padded uint16 // the same in residualState.levels
	base   uint8  // what the position adds to the context of coeff_base
	more   uint8  // and to that of coeff_br
	y, x   uint8
	index  uint16 // coefficientIndex
}

// newScans returns the orders of coefficients, by class of transform and size.
func newScans() (t [3][txSizes][]scanned) {
	for s := range txSizes {
		w, h := 1<<min(txWidthLog2[s], 5), 1<<min(txHeightLog2[s], 5)
		var byColumn, byRow []uint16
		for x := range w {
			for y := range h {
				byColumn = append(byColumn, uint16(y*w+x))
			}
		}
		for i := range w * h {
			byRow = append(byRow, uint16(i))
		}
		for class, order := range [3][]uint16{diagonalScan(w, h), byColumn, byRow} {
			for _, at := range order {
				t[class][s] = append(t[class][s], newScanned(class, s, int(at), w))
			}
		}
	}
	return t
}

func newScanned(class int, tx txSize, at, w int) scanned {
	y, x := at/w, at%w
	c := scanned{at: uint16(at), padded: uint16(y*(w+levelPadding) + x), more: 14, y: uint8(y), x: uint8(x)}
	c.index = uint16(coefficientIndex(x, y, int(txWidthLog2[tx])))
	isNear := class == class2D && y < 2 && x < 2 || class == classHorizontal && x == 0 || class == classVertical && y == 0
	switch {
	case at == 0:
		c.more = 0
	case isNear:
		c.more = 7
	}
	switch class {
	case class2D:
		shape := 0
		if txHeightLog2[tx] > txWidthLog2[tx] {
			shape = 1
		} else if txHeightLog2[tx] < txWidthLog2[tx] {
			shape = 2
		}
		c.base = baseOffsets[shape][min(y, 4)][min(x, 4)]
	case classHorizontal:
		c.base = uint8(26 + 5*min(x, 2))
	default:
		c.base = uint8(26 + 5*min(y, 2))
	}
	return c
}

// diagonalScan returns Default_Scan: along diagonals, down if the block is high, up if it is wide, and in turn if it is
// square.
func diagonalScan(w, h int) []uint16 {
	var scan []uint16
	for i := range w + h - 1 {
		isDown := h > w || h == w && i&1 != 0
		for j := range i + 1 {
			y := i - j
			if isDown {
				y = j
			}
			if x := i - y; x < w && y < h {
				scan = append(scan, uint16(y*w+x))
			}
		}
	}
	return scan
}

// baseOffsets are added to the context of coeff_base of two-dimensional transforms, for each row and column up to 4
// (Coeff_Base_Ctx_Offset): of square blocks, high ones and wide ones.
var baseOffsets = [3][5][5]uint8{
	{{0, 1, 6, 6, 21}, {1, 6, 6, 21, 21}, {6, 6, 21, 21, 21}, {6, 21, 21, 21, 21}, {21, 21, 21, 21, 21}},
	{{0, 11, 11, 11, 11}, {11, 11, 11, 11, 11}, {6, 6, 21, 21, 21}, {6, 21, 21, 21, 21}, {21, 21, 21, 21, 21}},
	{{0, 16, 6, 6, 21}, {16, 16, 6, 21, 21}, {16, 16, 21, 21, 21}, {16, 16, 21, 21, 21}, {16, 16, 21, 21, 21}},
}

// decodeCoefficients reads the coefficients of a transform block (section 5.11.39), and reconstructs it.
func (d *decoder) decodeCoefficients(plane int, tx txSize, row, column int) {
	c := &d.coefficients
	p := &d.planes[plane]
	chroma := min(plane, 1)
	small, large := min(txWidthLog2[tx], txHeightLog2[tx])-2, max(txWidthLog2[tx], txHeightLog2[tx])-2
	size := int(small+large+1) >> 1 // txSzCtx
	above, left := d.levelsAround(plane, tx, row, column)
	if d.boolean(&c.allZero[size][d.zeroContext(plane, tx, above, left)]) {
		clear(above)
		clear(left)
		if plane == 0 && d.block.isInter {
			d.keepTxType(tx, row, column, dctDCT)
		}
		return
	}
	kind := d.txType(plane, tx, row, column)
	end := d.readEnd(chroma, size, tx, kind)
	sum, rows, columns := d.readLevels(plane, size, tx, kind, end, signContext(above, left))
	if d.fault != nil {
		return
	}
	for i := range above {
		above[i] = sum
	}
	for i := range left {
		left[i] = sum
	}
	x, y := column*4, row*4
	d.transforms.inverse(p.pix[p.index(x, y):], p.stride, d.residual.coef[:], tx, kind, rows, columns, d.depth)
}

// levelsAround returns the parts of AboveLevelContext and LeftLevelContext of a transform block, with those of
// AboveDcContext and LeftDcContext. They end with the frame.
func (d *decoder) levelsAround(plane int, tx txSize, row, column int) (above, left []uint8) {
	p := &d.planes[plane]
	w := min(1<<(txWidthLog2[tx]-2), d.miColumns>>p.subX-column)
	h := min(1<<(txHeightLog2[tx]-2), d.miRows>>p.subY-row)
	y := row & (31 >> p.subY)
	return d.tile.aboveLevels[plane][column:][:w], d.tile.leftLevels[plane][y:][:h]
}

// zeroContext returns the context of all_zero.
func (d *decoder) zeroContext(plane int, tx txSize, above, left []uint8) int {
	if plane > 0 {
		a, l := uint8(0), uint8(0)
		for _, v := range above {
			a |= v
		}
		for _, v := range left {
			l |= v
		}
		ctx := 7
		if a != 0 {
			ctx++
		}
		if l != 0 {
			ctx++
		}
		s := d.chromaSize(d.block.size)
		if blockWidth4Log2[s]+blockHeight4Log2[s]+4 > txWidthLog2[tx]+txHeightLog2[tx] {
			ctx += 3
		}
		return ctx
	}
	s := d.block.size
	if blockWidth4Log2[s]+2 == txWidthLog2[tx] && blockHeight4Log2[s]+2 == txHeightLog2[tx] {
		return 0
	}
	a, l := uint8(0), uint8(0)
	for _, v := range above {
		a = max(a, v&63)
	}
	for _, v := range left {
		l = max(l, v&63)
	}
	switch low, high := min(a, l), max(a, l); {
	case high == 0:
		return 1
	case low == 0 && high <= 3:
		return 2
	case low == 0:
		return 3
	case high <= 3:
		return 4
	case low <= 3:
		return 5
	default:
		return 6
	}
}

// signContext returns the context of dc_sign.
func signContext(above, left []uint8) int {
	sum := 0
	for _, v := range above {
		sum += int(signs[v>>6])
	}
	for _, v := range left {
		sum += int(signs[v>>6])
	}
	switch {
	case sum < 0:
		return 1
	case sum > 0:
		return 2
	default:
		return 0
	}
}

// signs are the signs by dcCategory.
var signs = [4]int8{0, -1, 1, 0}

// readEnd reads the number of coefficients up to the last one that is not 0.
func (d *decoder) readEnd(chroma, size int, tx txSize, kind txType) int {
	c := &d.coefficients
	ctx := 0
	if txClasses[kind] != class2D {
		ctx = 1
	}
	var n int
	switch min(txWidthLog2[tx], 5) + min(txHeightLog2[tx], 5) - 4 {
	case 0:
		n = d.symbol(c.end16[chroma][ctx][:])
	case 1:
		n = d.symbol(c.end32[chroma][ctx][:])
	case 2:
		n = d.symbol(c.end64[chroma][ctx][:])
	case 3:
		n = d.symbol(c.end128[chroma][ctx][:])
	case 4:
		n = d.symbol(c.end256[chroma][ctx][:])
	case 5:
		n = d.symbol(c.end512[chroma][:])
	default:
		n = d.symbol(c.end1024[chroma][:])
	}
	if n < 2 {
		return n + 1
	}
	n-- // the number of bits that follow
	end := 2
	if d.boolean(&c.endBit[size][chroma][n-1]) {
		end = 3
	}
	return end<<(n-1) + d.read(n-1) + 1
}

// readLevels reads the coefficients and dequantizes them (section 7.12.3). It returns the context for later blocks, and
// the number of rows and columns that have coefficients.
func (d *decoder) readLevels(
	plane, size int, tx txSize, kind txType, end, signContext int,
) (sum uint8, rows, columns int) {
	class := int(txClasses[kind])
	scan := d.tables.scans[class][tx][:end]
	d.scanLevels(min(plane, 1), size, tx, class, scan)
	return d.readSigns(plane, tx, kind, scan, signContext)
}

// levelPadding is the number of zeros after each row of levels, and of rows of them below.
const levelPadding = 4

// scanLevels reads the levels of the coefficients up to 15, from the last one to the first. They are stored with the
// level up to 3 in the upper bits. The coefficients that are not 0 are listed in residualState.found. The window is in
// a variable, and so in registers, while most symbols are read.
func (d *decoder) scanLevels(chroma, size int, tx txSize, class int, scan []scanned) {
	const mask = len(d.residual.levels) - 1 // spares checks of bounds
	c, r := &d.coefficients, &d.residual
	w, h := 1<<min(txWidthLog2[tx], 5), 1<<min(txHeightLog2[tx], 5)
	stride := w + levelPadding
	levels := &r.levels
	clear(levels[:stride*(h+levelPadding)])
	base, more := &c.base[size][chroma], &c.more[min(size, 3)][chroma]
	third, fourth, fifth := stride+1, 2, 2*stride // the neighbors beside those to the right and below
	switch class {
	case classHorizontal:
		third, fourth, fifth = 2, 3, 4
	case classVertical:
		third, fourth, fifth = 2*stride, 3*stride, 4*stride
	}
	last := len(scan) - 1
	level := 1 + d.symbol(c.baseEnd[size][chroma][lastContext(last, w*h)][:])
	if level == 3 {
		level = d.readMore(&more[scan[last].more])
	}
	levels[int(scan[last].padded)&mask] = uint8(level | min(level, 3)<<6)
	r.found[0] = uint16(last)
	found := 1
	bits := d.window
	for i := last - 1; i >= 0; i-- {
		p := &scan[i]
		n := int(p.padded)
		// The neighbors that both contexts depend on.
		near := uint(levels[(n+1)&mask]) + uint(levels[(n+stride)&mask]) + uint(levels[(n+third)&mask])
		sum := near + uint(levels[(n+fourth)&mask]) + uint(levels[(n+fifth)&mask])
		ctx := min((sum+64)>>7, 4) + uint(p.base)
		if i == 0 && class == class2D {
			ctx = 0
		}
		bits, level = bits.symbol4(&base[ctx], d.adapts)
		if bits.left < 0 {
			bits = d.refilled(bits)
		}
		if level == 0 {
			continue
		}
		r.found[found&(len(r.found)-1)] = uint16(i)
		found++
		if level == 3 {
			d.window = bits
			level = d.readMore(&more[min((near&63+1)>>1, 6)+uint(p.more)])
			bits = d.window
		}
		levels[n&mask] = uint8(level | min(level, 3)<<6)
	}
	d.window, r.count = bits, found
}

// lastContext returns the context of coeff_base_eob, for the index of the last coefficient of n.
func lastContext(last, n int) int {
	switch {
	case last == 0:
		return 0
	case last <= n/8:
		return 1
	case last <= n/4:
		return 2
	default:
		return 3
	}
}

// readMore reads coeff_br: by how much a level exceeds 3, up to 15. It returns the level.
func (d *decoder) readMore(cdf *[4]uint16) int {
	level := 3
	for range 4 {
		v := d.symbol4(cdf)
		level += v
		if v < 3 {
			break
		}
	}
	return level
}

// readSigns reads the signs of the coefficients that are not 0, and what exceeds level 14.
func (d *decoder) readSigns(
	plane int, tx txSize, kind txType, scan []scanned, signContext int,
) (sum uint8, rows, columns int) {
	r := &d.residual
	matrix := d.quantizerMatrix(plane, tx, kind)
	shift := uint(0) // of dqDenom
	if area := txWidthLog2[tx] + txHeightLog2[tx]; area > 10 {
		shift = 2
	} else if area > 8 {
		shift = 1
	}
	limit := int64(1) << (7 + d.depth)
	total, lastRow, lastColumn := 0, uint8(0), uint8(0)
	ac := int64(r.ac[plane])
	for j := r.count - 1; j >= 0; j-- {
		i := int(r.found[j&(len(r.found)-1)])
		p := &scan[i]
		level := int(r.levels[int(p.padded)&(len(r.levels)-1)] & 63)
		var isNegative bool
		if i == 0 {
			isNegative = d.boolean(&d.coefficients.dcSign[min(plane, 1)][signContext])
		} else {
			isNegative = d.flag()
		}
		if level == 15 {
			level = (level + d.readGolomb()) & 0xfffff
		}
		q := ac
		if p.at == 0 {
			q = int64(r.dc[plane])
			if level != 0 && isNegative {
				sum = 1 << 6
			} else if level != 0 {
				sum = 2 << 6
			}
		}
		if matrix != nil {
			q = (q*int64(matrix[p.at]) + 16) >> 5
		}
		total += level
		v := int64(level) * q & 0xffffff >> shift
		if isNegative {
			v = max(-v, -limit)
		} else {
			v = min(v, limit-1)
		}
		r.coef[p.index&1023] = int32(v)
		lastRow, lastColumn = max(lastRow, p.y), max(lastColumn, p.x)
	}
	return sum | uint8(min(total, 63)), int(lastRow) + 1, int(lastColumn) + 1
}

// readGolomb reads what a level exceeds 15 by.
func (d *decoder) readGolomb() int {
	n := 1
	for !d.flag() {
		if n++; n > 20 {
			d.fault = damaged("it has a coefficient of more than 20 bits")
			return 0
		}
	}
	return 1<<(n-1) + d.read(n-1) - 1
}

// txType reads or derives the transform type of a transform block that has coefficients.
func (d *decoder) txType(plane int, tx txSize, row, column int) txType {
	b := &d.block
	small, large := min(txWidthLog2[tx], txHeightLog2[tx]), max(txWidthLog2[tx], txHeightLog2[tx])
	if plane == 0 {
		kind := dctDCT
		if large <= 5 && (b.isInter || large < 5) && d.header.segmentQIndex(b.segment) > 0 {
			if b.isInter {
				kind = d.readInterTxType(small, large)
			} else {
				kind = d.readTxType(small)
			}
		}
		if b.isInter {
			d.keepTxType(tx, row, column, kind)
		}
		if b.lossless {
			return walshHadamard
		}
		return kind
	}
	switch {
	case b.lossless:
		return walshHadamard
	case large > 5:
		return dctDCT
	}
	kind := modeTxTypes[b.uvMode]
	if b.isInter {
		p := &d.planes[plane]
		y, x := max(b.row, row<<p.subY)-b.row, max(b.column, column<<p.subX)-b.column
		kind = b.txTypes[y*32+x]
		if !d.allowsInter(kind, small, large) {
			return dctDCT
		}
		return kind
	}
	if large == 5 || kind > adstADST {
		return dctDCT
	}
	return kind
}

// modeTxTypes is Mode_To_Txfm.
var modeTxTypes = [14]txType{dctDCT, adstDCT, dctADST, dctDCT, adstADST, adstDCT, dctADST, dctADST, adstDCT, adstADST,
	adstDCT, dctADST, adstADST, dctDCT}

// The orders of transform types (section 5.11.47).
var (
	intraTxSet1 = [7]txType{identityIdentity, dctDCT, verticalDCT, horizontalDCT, adstADST, adstDCT, dctADST}
	intraTxSet2 = [5]txType{identityIdentity, dctDCT, adstADST, adstDCT, dctADST}
	interTxSet1 = [16]txType{identityIdentity, verticalDCT, horizontalDCT, verticalADST, horizontalADST, verticalFlipADST,
		horizontalFlipADST, dctDCT, adstDCT, dctADST, flipADSTDCT, dctFlipADST, adstADST, flipADSTFlipADST, adstFlipADST,
		flipADSTADST}
	interTxSet2 = [12]txType{identityIdentity, verticalDCT, horizontalDCT, dctDCT, adstDCT, dctADST, flipADSTDCT,
		dctFlipADST, adstADST, flipADSTFlipADST, adstFlipADST, flipADSTADST}
)

// filterDirections is Filter_Intra_Mode_To_Intra_Dir.
var filterDirections = [5]uint8{modeDC, modeVertical, modeHorizontal, modeD157, modeDC}

// readTxType reads intra_tx_type. The smaller side of the transform has 1 << small samples.
func (d *decoder) readTxType(small uint8) txType {
	b, c := &d.block, &d.contexts
	mode := b.mode
	if b.usesFilter {
		mode = filterDirections[b.filterMode]
	}
	if d.header.reducedTxSet || small == 4 {
		return intraTxSet2[d.symbol(c.intraTxSet2[small-2][mode][:])]
	}
	return intraTxSet1[d.symbol(c.intraTxSet1[small-2][mode][:])]
}

// readInterTxType reads inter_tx_type.
func (d *decoder) readInterTxType(small, large uint8) txType {
	c := &d.contexts
	switch {
	case d.header.reducedTxSet || large == 5:
		if d.boolean(&c.interTxSet3[small-2]) {
			return dctDCT
		}
		return identityIdentity
	case small == 4:
		return interTxSet2[d.symbol(c.interTxSet2[:])]
	default:
		return interTxSet1[d.symbol(c.interTxSet1[small-2][:])]
	}
}

// allowsInter reports whether chroma of an inter block may have a transform type (is_tx_type_in_set).
func (d *decoder) allowsInter(kind txType, small, large uint8) bool {
	switch {
	case d.header.reducedTxSet || large == 5:
		return kind == dctDCT || kind == identityIdentity
	case small == 4:
		return kind <= horizontalDCT
	default:
		return true
	}
}

// keepTxType keeps the transform type of a part of an inter block, for chroma.
func (d *decoder) keepTxType(tx txSize, row, column int, kind txType) {
	b := &d.block
	row, column = row-b.row, column-b.column
	for y := row; y < min(row+1<<(txHeightLog2[tx]-2), 32); y++ {
		for x := column; x < min(column+1<<(txWidthLog2[tx]-2), 32); x++ {
			b.txTypes[y*32+x] = kind
		}
	}
}

// readRestoration is read_lr (section 5.11.57).
func (d *decoder) readRestoration(row, column int) {
	h := d.header
	size := 1 << (d.sbLog2 - 2)
	for c := range d.count {
		if h.restoration.kind[c] == restoreNone {
			continue
		}
		p := &d.planes[c]
		log2 := h.restoration.sizeLog2[c]
		unit := 1 << log2
		y0 := (row*(4>>p.subY) + unit - 1) >> log2
		y1 := min(d.restorationRows[c], ((row+size)*(4>>p.subY)+unit-1)>>log2)
		numerator, denominator := 4>>p.subX, unit
		if h.superresDenominator != 8 {
			numerator, denominator = numerator*h.superresDenominator, denominator*8
		}
		x0 := (column*numerator + denominator - 1) / denominator
		x1 := min(d.restorationColumns[c], ((column+size)*numerator+denominator-1)/denominator)
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				d.readRestorationUnit(c, &d.restoration[c][y*d.restorationColumns[c]+x])
			}
		}
	}
}

// readRestorationUnit is read_lr_unit (section 5.11.58).
func (d *decoder) readRestorationUnit(plane int, u *restorationUnit) {
	u.kind = restoreNone
	switch kind := d.header.restoration.kind[plane]; kind {
	case restoreWiener:
		if d.boolean(&d.contexts.usesWiener) {
			u.kind = kind
		}
	case restoreSelfGuided:
		if d.boolean(&d.contexts.usesSelfGuided) {
			u.kind = kind
		}
	default:
		u.kind = restorationType(d.symbol(d.contexts.restorationTypes[:]))
	}
	switch u.kind {
	case restoreWiener:
		least, most := [3]int{-5, -23, -17}, [3]int{10, 8, 46}
		for pass := range 2 {
			for j := min(plane, 1); j < 3; j++ {
				last := &d.wiener[plane][pass][j]
				*last = int8(readNear(&d.symbolDecoder, least[j], most[j]+1, j+1, int(*last)))
				u.wiener[pass][j] = *last
			}
		}
	case restoreSelfGuided:
		u.set = uint8(d.read(4))
		least, most := [2]int{-96, -32}, [2]int{31, 95}
		for i := range 2 {
			last := &d.xqd[plane][i]
			switch hasRadius := selfGuidedHasRadius(u.set, i); {
			case hasRadius:
				*last = int8(readNear(&d.symbolDecoder, least[i], most[i]+1, 4, int(*last)))
			case i == 1:
				*last = int8(min(max(128-int(d.xqd[plane][0]), least[1]), most[1]))
			default:
				*last = 0
			}
			u.xqd[i] = *last
		}
	}
}

// selfGuidedHasRadius reports whether a pass of a self-guided filter has a radius (Sgr_Params in section 7.17.3).
func selfGuidedHasRadius(set uint8, pass int) bool {
	if pass == 0 {
		return set < 10 || set > 13
	}
	return set < 14
}
