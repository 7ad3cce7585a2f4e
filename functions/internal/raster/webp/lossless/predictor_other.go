//go:build !amd64

package lossless

// addSelected is for processors that there is assembly for.
func addSelected(_, _ []uint32) bool { return false }
