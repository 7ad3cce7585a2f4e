package av1

// constrainVectors is cdefBlock.filter with the vectors of SSE2, which every amd64 processor has: of rows of 4 or 8
// samples. It reads 8 samples for each tap. from is that of the source at the first sample of the block.
//
//go:noescape
func constrainVectors(b *cdefBlock, from, to *uint16, stride, width, height int) bool
