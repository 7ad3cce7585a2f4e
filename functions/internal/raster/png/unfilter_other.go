//go:build !amd64

package png

// These are for processors with vectors.

func unfilterVectors(_ uint8, _, _ []uint8, _ int) int { return 0 }

func unfilterUpVectors(_, _ []uint8) int { return 0 }
