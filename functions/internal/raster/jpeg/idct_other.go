//go:build !amd64

package jpeg

// idctVectors is for processors that there is assembly for.
func (*block) idctVectors([]uint8, int, int) bool { return false }
