//go:build !amd64

package av1

// constrainVectors reports that it has done nothing, where it is not in assembly.
func constrainVectors(*cdefBlock, *uint16, *uint16, int, int, int) bool { return false }
