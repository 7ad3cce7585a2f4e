package inflate

import "golang.org/x/sys/cpu"

var hasVectors = cpu.X86.HasAVX2

// sumAVX2 is sumBlocks of count bytes, which is a multiple of 32 and not 0.
//
//go:noescape
func sumAVX2(p *byte, count int) (bytes, sums uint32)

func sumBlocks(p []byte) (bytes, sums uint32) {
	if hasVectors {
		return sumAVX2(&p[0], len(p))
	}
	return sumBlocksPortably(p)
}
