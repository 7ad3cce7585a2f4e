package plane

// addColumns adds count bytes of a row, a multiple of 16 that is not 0, to as many sums, with the vectors of SSE2.
//
//go:noescape
func addColumns(sums *uint16, row *uint8, count int)

// columnSums are the sums of the columns of several rows.
type columnSums struct{ sums []uint16 }

// add adds count equal rows to the sums.
func (r *columnSums) add(row []uint8, count int) {
	whole := 0
	if count == 1 && len(row) >= 16 {
		whole = len(row) &^ 15
		addColumns(&r.sums[:whole][0], &row[0], whole)
	}
	sums := r.sums[whole:len(row)]
	for i, v := range row[whole:] {
		sums[i] += uint16(v) * uint16(count)
	}
}

// unpack is for sums that are packed.
func (*columnSums) unpack() {}
