package av1

// decodeResidual is residual (section 5.11.34): it predicts and reconstructs the transform blocks of a block.
func (d *decoder) decodeResidual() {
	b := &d.block
	const chunk = 16 // 64 samples
	for y := 0; y < b.height; y += chunk {
		for x := 0; x < b.width; x += chunk {
			w, h := min(b.width-x, chunk), min(b.height-y, chunk)
			if b.isInter && !b.lossless {
				d.decodeTxTree(b.row+y, b.column+x, w, h)
			} else {
				d.decodeTransforms(0, b.tx, b.row+y, b.column+x, w, h)
			}
			if !b.hasChroma {
				continue
			}
			p := &d.planes[1]
			tx := d.chromaTxSize()
			row, column := (b.row+y)>>p.subY, (b.column+x)>>p.subX
			w, h = max(w>>p.subX, 1), max(h>>p.subY, 1)
			d.decodeTransforms(1, tx, row, column, w, h)
			d.decodeTransforms(2, tx, row, column, w, h)
		}
	}
}

// chromaTxSize is get_tx_size of chroma.
func (d *decoder) chromaTxSize() txSize {
	if d.block.lossless {
		return tx4x4
	}
	size := maxTxSizes[d.chromaSize(d.block.size)]
	return txSizeOf[min(txWidthLog2[size], 5)-2][min(txHeightLog2[size], 5)-2]
}

// decodeTransforms decodes the transform blocks of a part of a plane, in units of 4x4 samples.
func (d *decoder) decodeTransforms(plane int, tx txSize, row, column, width, height int) {
	p := &d.planes[plane]
	stepX, stepY := 1<<(txWidthLog2[tx]-2), 1<<(txHeightLog2[tx]-2)
	right, bottom := min(column+width, d.miColumns>>p.subX), min(row+height, d.miRows>>p.subY)
	for y := row; y < bottom; y += stepY {
		for x := column; x < right; x += stepX {
			d.decodeTransform(plane, tx, y, x)
		}
	}
}

// decodeTxTree is transform_tree (section 5.11.37), of an inter block or a copied one.
func (d *decoder) decodeTxTree(row, column, width, height int) {
	if row >= d.miRows || column >= d.miColumns {
		return
	}
	tx := txSize(d.blocks[row*d.miColumns+column] & blockTxSize)
	if width <= 1<<(txWidthLog2[tx]-2) && height <= 1<<(txHeightLog2[tx]-2) {
		for i := range txSizes {
			if 1<<(txWidthLog2[i]-2) == width && 1<<(txHeightLog2[i]-2) == height {
				tx = i
			}
		}
		d.decodeTransform(0, tx, row, column)
		return
	}
	stepX, stepY := width, height
	if width >= height {
		stepX = width / 2
	}
	if height >= width {
		stepY = height / 2
	}
	for y := 0; y < height; y += stepY {
		for x := 0; x < width; x += stepX {
			d.decodeTxTree(row+y, column+x, stepX, stepY)
		}
	}
}

// decodeTransform is transform_block (section 5.11.38). Positions are in units of 4x4 samples of the plane.
func (d *decoder) decodeTransform(plane int, tx txSize, row, column int) {
	b, p := &d.block, &d.planes[plane]
	w, h := 1<<(txWidthLog2[tx]-2), 1<<(txHeightLog2[tx]-2)
	sbMask := 1<<(d.sbLog2-2) - 1
	y, x := row&(sbMask>>p.subY), column&(sbMask>>p.subX)
	decoded := &d.tile.decoded[plane]
	if !b.isInter {
		isAbove := decoded[y]>>(x+1+w)&1 != 0
		isBelow := decoded[min(y+1+h, len(decoded)-1)]>>x&1 != 0
		d.predict(plane, tx, row, column, isAbove, isBelow)
		if plane == 0 {
			b.maxLumaX, b.maxLumaY = (column+w)*4, (row+h)*4
		}
	}
	if !b.skip {
		d.decodeCoefficients(plane, tx, row, column)
	}
	mask := (uint64(1)<<w - 1) << (x + 1)
	for i := y + 1; i < min(y+1+h, len(decoded)); i++ {
		decoded[i] |= mask
	}
	if plane == 1 && d.filters.deblocks {
		bottom, right := min(row+h, d.miRows>>p.subY), min(column+w, d.chromaColumns)
		for i := row; i < bottom; i++ {
			fill := d.chromaTx[i*d.chromaColumns:][column:right]
			for j := range fill {
				fill[j] = uint8(tx)
			}
		}
	}
}
