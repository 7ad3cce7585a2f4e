package av1

// A vector is a motion vector, in samples: intra block copies have whole ones.
type vector struct{ y, x int16 }

// A copyState is what intra block copies need to know about the blocks of the frame.
type copyState struct {
	blocks []copiedBlock // by unit of 4x4 luma samples
	stack  vectorStack
}

type copiedBlock struct {
	size      blockSize
	isDecoded bool
	copies    bool
	vector
}

func (d *decoder) startCopies() {
	d.copies.blocks = nil
	if d.header.allowBC {
		d.copies.blocks = make([]copiedBlock, d.miColumns*d.miRows)
	}
}

// keepCopy keeps the block for the prediction of later vectors.
func (d *decoder) keepCopy() {
	b := &d.block
	n := copiedBlock{size: b.size, isDecoded: true, copies: b.isInter, vector: b.mv}
	for y := range min(b.height, d.miRows-b.row) {
		row := d.copies.blocks[(b.row+y)*d.miColumns+b.column:][:min(b.width, d.miColumns-b.column)]
		for x := range row {
			row[x] = n
		}
	}
}

// readVector reads the vector of an intra block copy (section 5.11.26).
func (d *decoder) readVector() {
	b := &d.block
	p := d.predictVector()
	joint := d.symbol4(&d.contexts.mvJoint)
	if joint >= 2 {
		p.y += d.readComponent(0)
	}
	if joint&1 != 0 {
		p.x += d.readComponent(1)
	}
	b.mv = p
	if !d.isValid(p) {
		d.fault = damaged("it copies a block from %d,%d samples away, which is not decoded", p.x, p.y)
	}
}

// readComponent is read_mv_component of whole samples.
func (d *decoder) readComponent(i int) int16 {
	c := &d.contexts
	isNegative := d.boolean(&c.mvSign[i])
	class := d.symbol(c.mvClass[i][:])
	v := 0
	if class == 0 {
		if d.boolean(&c.mvClass0Bit[i]) {
			v = 1
		}
	} else {
		for j := range class {
			if d.boolean(&c.mvBit[i][j]) {
				v |= 1 << j
			}
		}
		v += 1 << class
	}
	v++
	if isNegative {
		return int16(-v)
	}
	return int16(v)
}

// predictVector finds the vector that the coded one is relative to (sections 7.10.2 and 5.11.26).
func (d *decoder) predictVector() vector {
	d.findCandidates()
	stack := &d.copies.stack
	for _, v := range stack.vectors[:min(stack.count, 2)] {
		if v[0] != (vector{}) {
			return v[0]
		}
	}
	const delay = 256 // INTRABC_DELAY_PIXELS
	size := 1 << d.sbLog2
	if d.block.row-size/4 < d.tile.top {
		return vector{x: int16(-size - delay)}
	}
	return vector{y: int16(-size)}
}

// findCandidates is the process of section 7.10.2 for intra block copies.
func (d *decoder) findCandidates() {
	b, s := &d.block, &d.copies.stack
	*s = vectorStack{}
	d.scanCopies(d.above(-1))
	d.scanCopies(d.beside(-1))
	if max(b.width, b.height) <= 16 {
		d.scanCopyAt(-1, b.width)
	}
	nearest := s.count
	s.raise(nearest)
	d.scanCopyAt(-1, -1)
	d.scanCopies(d.above(-3))
	d.scanCopies(d.beside(-3))
	if b.height > 1 {
		d.scanCopies(d.above(-5))
	}
	if b.width > 1 {
		d.scanCopies(d.beside(-5))
	}
	s.sort(0, nearest)
	s.sort(nearest, s.count)
	const unit = 4 // samples, which vectors count
	d.clampVectors(s, unit)
}

// scanCopies scans the blocks of an edge.
func (d *decoder) scanCopies(e edge) {
	for d.hasNext(&e) {
		n := &d.copies.blocks[e.row*d.miColumns+e.column]
		d.addCandidate(n, e.pass(n.size))
	}
}

// scanCopyAt looks at a block if it is decoded.
func (d *decoder) scanCopyAt(deltaRow, deltaColumn int) {
	if at, ok := d.unitAt(deltaRow, deltaColumn); ok && d.copies.blocks[at].isDecoded {
		d.addCandidate(&d.copies.blocks[at], pointWeight)
	}
}

// addCandidate is the process of sections 7.10.2.7 and 7.10.2.8.
func (d *decoder) addCandidate(n *copiedBlock, weight int) {
	if n.copies {
		d.copies.stack.add([2]vector{n.vector}, weight)
	}
}

// isValid is is_mv_valid (section 6.10.25).
func (d *decoder) isValid(v vector) bool {
	const delay = 4 // INTRABC_DELAY_SB64
	b, t := &d.block, &d.tile
	limit := 1 << 11
	if x, y := int(v.x), int(v.y); max(x, -x) >= limit || max(y, -y) >= limit {
		return false
	}
	top, left := b.row*4+int(v.y), b.column*4+int(v.x)
	bottom, right := top+b.height*4, left+b.width*4
	if b.hasChroma {
		if b.width == 1 && d.planes[1].subX != 0 {
			left -= 4
		}
		if b.height == 1 && d.planes[1].subY != 0 {
			top -= 4
		}
	}
	if top < t.top*4 || left < t.left*4 || bottom > t.bottom*4 || right > t.right*4 {
		return false
	}
	activeRow, activeColumn := b.row*4>>d.sbLog2, b.column*4>>6
	row, column := (bottom-1)>>d.sbLog2, (right-1)>>6
	perRow := (t.right-t.left-1)>>4 + 1
	if row*perRow+column >= activeRow*perRow+activeColumn-delay {
		return false
	}
	gradient := 1 + delay + int(d.sbLog2-6)
	return row <= activeRow && column < activeColumn-delay+gradient*(activeRow-row)
}

// copyBlock predicts the block from samples that are decoded (section 7.11.3). Chroma may be between samples, where it
// is the average of the samples around it.
func (d *decoder) copyBlock() {
	b := &d.block
	for c := range d.count {
		if c > 0 && !b.hasChroma {
			return
		}
		p := &d.planes[c]
		w, h := max(b.width*4>>p.subX, 4), max(b.height*4>>p.subY, 4)
		x, y := b.column>>p.subX*4, b.row>>p.subY*4
		fromX, fromY := x+int(b.mv.x)>>p.subX, y+int(b.mv.y)>>p.subY
		halfX, halfY := int(b.mv.x)&int(p.subX), int(b.mv.y)&int(p.subY)
		w, h = min(w, p.stride-x), min(h, len(p.pix)/p.stride-y)
		lastX, lastY := d.miColumns*4>>p.subX-1, d.miRows*4>>p.subY-1
		for i := range h {
			to := p.pix[p.index(x, y+i):][:w]
			above := p.pix[p.index(0, min(fromY+i, lastY)):]
			below := p.pix[p.index(0, min(fromY+i+halfY, lastY)):]
			for j := range to {
				l, r := min(fromX+j, lastX), min(fromX+j+halfX, lastX)
				to[j] = uint16((uint32(above[l]) + uint32(above[r]) + uint32(below[l]) + uint32(below[r]) + 2) >> 2)
			}
		}
	}
}

// readTxTree reads the transform sizes of an inter block or a copied one.
func (d *decoder) readTxTree() {
	b := &d.block
	tx := maxTxSizes[b.size]
	w, h := 1<<(txWidthLog2[tx]-2), 1<<(txHeightLog2[tx]-2)
	for row := b.row; row < b.row+b.height; row += h {
		for column := b.column; column < b.column+b.width; column += w {
			d.readTxSplit(row, column, tx, 0)
		}
	}
}

// readTxSplit is read_var_tx_size (section 5.11.17).
func (d *decoder) readTxSplit(row, column int, tx txSize, depth int) {
	if row >= d.miRows || column >= d.miColumns {
		return
	}
	w, h := 1<<(txWidthLog2[tx]-2), 1<<(txHeightLog2[tx]-2)
	if tx != tx4x4 && depth < 2 && d.boolean(&d.contexts.txSplit[d.splitContext(row, column, tx)]) {
		sub := splitTxSizes[tx]
		stepX, stepY := 1<<(txWidthLog2[sub]-2), 1<<(txHeightLog2[sub]-2)
		for y := 0; y < h; y += stepY {
			for x := 0; x < w; x += stepX {
				d.readTxSplit(row+y, column+x, sub, depth+1)
			}
		}
		return
	}
	d.fillTx(row, column, w, h, tx)
	d.block.tx = tx
}

// splitContext returns the context of txfm_split.
func (d *decoder) splitContext(row, column int, tx txSize) int {
	b := &d.block
	ctx := 0
	if d.aboveTxWidth(row, column) < txWidthLog2[tx] {
		ctx++
	}
	if d.leftTxHeight(row, column) < txHeightLog2[tx] {
		ctx++
	}
	largest := min(max(blockWidth4Log2[b.size], blockHeight4Log2[b.size]), 4)
	if max(txWidthLog2[tx], txHeightLog2[tx])-2 != largest {
		ctx += 3
	}
	return ctx + 6*int(4-largest)
}

// aboveTxWidth is get_above_tx_width.
func (d *decoder) aboveTxWidth(row, column int) uint8 {
	if row > d.block.row {
		return txWidthLog2[d.blocks[(row-1)*d.miColumns+column]&blockTxSize]
	}
	if !d.block.hasAbove {
		return 6
	}
	if n := &d.tile.above[column]; n.isInter && n.skip != 0 {
		return n.size + 2
	}
	return d.tile.above[column].tx
}

// leftTxHeight is get_left_tx_height.
func (d *decoder) leftTxHeight(row, column int) uint8 {
	if column > d.block.column {
		return txHeightLog2[d.blocks[row*d.miColumns+column-1]&blockTxSize]
	}
	if !d.block.hasLeft {
		return 6
	}
	if n := &d.tile.beside[row&31]; n.isInter && n.skip != 0 {
		return n.size + 2
	}
	return d.tile.beside[row&31].tx
}

// keepTxTree keeps the transform sizes at the lower and right edge of an inter block or a copied one.
func (d *decoder) keepTxTree(above, left []neighbor) {
	b := &d.block
	row, column := min(b.row+b.height, d.miRows)-1, min(b.column+b.width, d.miColumns)-1
	for x := range above[:column-b.column+1] {
		above[x].tx = txWidthLog2[d.blocks[row*d.miColumns+b.column+x]&blockTxSize]
	}
	for y := range left[:row-b.row+1] {
		left[y].tx = txHeightLog2[d.blocks[(b.row+y)*d.miColumns+column]&blockTxSize]
	}
}
