//go:build !amd64

package av1

// constrainVectors is for processors that there is assembly for.
func constrainVectors(*cdefBlock, *uint16, *uint16, int, int, int) bool { return false }
