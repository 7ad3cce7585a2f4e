package av1

// A residualState is the state of decoding coefficients.
type residualState struct {
	qIndex int // of the quantizers
	dc, ac [3]int32
	// matrices are the quantizer matrices of the frame, for each plane.
	matrices [3][txSizes][]uint8
	levels   [2048]uint8 // of coefficients, in rows of their width and levelPadding
	// found are the coefficients that are not 0, count of them, by their place in the scan, from the last one on.
	found [1024]uint16
	count int
	coef  [32 * 32]int32
}

// startQuantizers resets what depends on the frame.
func (d *decoder) startQuantizers() {
	d.residual.qIndex = -1
	d.residual.matrices = [3][txSizes][]uint8{}
	clear(d.residual.coef[:])
}

// setQuantizers sets the quantizers of the block (section 7.12.2).
func (d *decoder) setQuantizers() {
	r, h := &d.residual, d.header
	index := h.qIndex(d.block.segment, d.columnState.qIndex)
	if index == r.qIndex {
		return
	}
	r.qIndex = index
	t := (d.depth - 8) >> 1
	clip := func(v int) int { return min(max(v, 0), 255) }
	for c := range d.count {
		r.dc[c] = int32(d.tables.dcLookup[t][clip(index+h.quantizer.deltaDC[c])])
		r.ac[c] = int32(d.tables.acLookup[t][clip(index+h.quantizer.deltaAC[c])])
	}
}

// quantizerMatrix returns the quantizer matrix of a transform block, or nil if there is none.
func (d *decoder) quantizerMatrix(plane int, size txSize, kind txType) []uint8 {
	level := d.header.quantizer.matrix[plane]
	if !d.header.quantizer.usesMatrix || level == matrixLevels || kind >= identityIdentity || d.block.lossless {
		return nil
	}
	m := &d.residual.matrices[plane][size]
	if *m == nil {
		*m = d.tables.matrix(level, plane > 0, size)
	}
	return *m
}
