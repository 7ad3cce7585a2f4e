package plane

// premultiplyVectors is Premultiply for count pixels, a multiple of 4 that is not 0, with the vectors of SSE2.
//
//go:noescape
func premultiplyVectors(row *uint8, count int)

// premultiplied premultiplies the first pixels, and returns the others.
func premultiplied(row []uint8) []uint8 {
	whole := len(row) &^ 15
	if whole > 0 {
		premultiplyVectors(&row[0], whole/4)
	}
	return row[whole:]
}
