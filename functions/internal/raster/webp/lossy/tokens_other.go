//go:build !amd64

package lossy

func (p *partition) readBlocks(
	probs *[17]bandProbs, n int, by *dequantFactors, blocks []block, counts, above, left []uint8,
) {
	p.readBlocksPortably(probs, n, by, blocks, counts, above, left)
}

func (m *macroblock) readSubblocks(p *partition, above, left *[4]uint8) {
	m.readSubblocksPortably(p, above, left)
}
