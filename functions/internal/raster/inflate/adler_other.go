//go:build !amd64

package inflate

func sumBlocks(p []byte) (bytes, sums uint32) { return sumBlocksPortably(p) }
