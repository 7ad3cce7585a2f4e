//go:build !amd64

package lossy

// addVectors is for processors that there is assembly for.
func addVectors(*block, *[blockSpan]uint8) bool { return false }
