package webp

// rgbaVectors is toRGBABytes for count pixels, a multiple of 4 that is not 0, with the vectors of SSE2.
//
//go:noescape
func rgbaVectors(to *uint8, from *uint32, count int, opaque uint32) uint32

// convertVectors converts the first pixels, and returns their number and all of their bits that are set in each.
func convertVectors(to []uint8, from []uint32, opaque uint32) (count int, common uint32) {
	count = len(from) &^ 3
	if count == 0 {
		return 0, 0xffffffff
	}
	return count, rgbaVectors(&to[:4*count][0], &from[0], count, opaque)
}
