package png

// These loops have the vectors of SSE2. addPaeth, addAverage and addLeft reconstruct count pixels, 1 or more, after the
// first one of a row. They read 4 bytes of each and of the one after them, and of those above, and may change the byte
// after them.

//go:noescape
func addPaeth(row, above *uint8, count, pixel int)

//go:noescape
func addAverage(row, above *uint8, count, pixel int)

//go:noescape
func addLeft(row *uint8, count, pixel int)

// addAbove adds count bytes, a multiple of 16 that is not 0.
//
//go:noescape
func addAbove(row, above *uint8, count int)

// unfilterVectors reconstructs the pixels of 3 or 4 bytes between the first one and the last ones of a row. It returns
// the index of the last one that is complete.
func unfilterVectors(filter uint8, row, above []uint8, pixel int) int {
	count := min(len(row), len(above))/pixel - 3
	if count <= 0 {
		return 0
	}
	done := count * pixel
	next := row[done+pixel]
	switch filter {
	case filterSub:
		addLeft(&row[0], count, pixel)
	case filterAverage:
		addAverage(&row[0], &above[0], count, pixel)
	case filterPaeth:
		addPaeth(&row[0], &above[0], count, pixel)
	}
	row[done+pixel] = next
	return done
}

// unfilterUpVectors reconstructs the first bytes of a row, and returns their number.
func unfilterUpVectors(row, above []uint8) int {
	count := min(len(row), len(above)) &^ 15
	if count > 0 {
		addAbove(&row[0], &above[0], count)
	}
	return count
}
