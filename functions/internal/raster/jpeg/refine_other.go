//go:build !amd64

package jpeg

// refineBlocks is for processors that there is assembly for.
func (*scan) refineBlocks(*component, int, int) int { return 0 }
