package lossless

// selectVectors is addSelect for count pixels after the first, 1 or more, with the vectors of SSE2.
//
//go:noescape
func selectVectors(row, above *uint32, count int)

// addSelected does what addSelect does, and reports whether it did.
func addSelected(row, above []uint32) bool {
	if count := len(row) - 1; count > 0 {
		above = above[:len(row)]
		selectVectors(&row[0], &above[0], count)
	}
	return true
}
