//go:build !amd64

package jpeg

// idctVectors is for processors that there is assembly for.
func (*block) idctVectors([]uint8, int, int) bool { return false }

// quantizeVectors is for processors that there is assembly for.
func (*quantTable) quantizeVectors([]uint8, int, *[64]int32) (uint64, bool) { return 0, false }
