//go:build !amd64

package webp

// convertVectors is for processors that there is assembly for.
func convertVectors([]uint8, []uint32, uint32) (count int, common uint32) { return 0, 0xffffffff }
