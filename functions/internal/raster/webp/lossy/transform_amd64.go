package lossy

// addVectors is addIDCT with the vectors of SSE2, which every amd64 processor has. It returns false, and does nothing,
// if a coefficient is so large that 16 bits would overflow: no encoder writes one.
//
//go:noescape
func addVectors(b *block, pix *[blockSpan]uint8) bool
