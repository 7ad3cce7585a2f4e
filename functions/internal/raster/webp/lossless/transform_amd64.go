package lossless

// subtractGreenVectors is undoSubtractGreen for count pixels, a multiple of 4 that is not 0, with the vectors of SSE2.
//
//go:noescape
func subtractGreenVectors(row *uint32, count int)

// crossColorVectors is undoCrossColor for count pixels, a multiple of 4 that is not 0. The factors are 8 times as
// large: green to red in the upper half of greenFactors, green to blue in the lower one, red to blue in the upper half
// of redToBlue.
//
//go:noescape
func crossColorVectors(row *uint32, count int, greenFactors, redToBlue uint32)

// addGreen adds green to red and blue of the first pixels, and returns the others.
func addGreen(row []uint32) []uint32 {
	whole := len(row) &^ 3
	if whole > 0 {
		subtractGreenVectors(&row[0], whole)
	}
	return row[whole:]
}

// undoCrossColors undoes the color transform of the first pixels, and returns the others.
func undoCrossColors(tile []uint32, factors uint32) []uint32 {
	whole := len(tile) &^ 3
	if whole > 0 {
		scaled := func(shift int) uint32 { return uint32(uint16(int16(int8(factors>>shift)) * 8)) }
		crossColorVectors(&tile[0], whole, scaled(0)<<16|scaled(8), scaled(16)<<16)
	}
	return tile[whole:]
}
