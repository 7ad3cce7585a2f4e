package lossy

import "golang.org/x/sys/cpu"

// hasBitOps reports whether the processor has BMI2 and LZCNT. Without the latter, its code is another instruction.
var hasBitOps = cpu.X86.HasBMI2 && leadingZeros(1) == 31

// leadingZeros executes LZCNT.
func leadingZeros(v uint32) uint32

// readBlocksBMI2 is readBlocks, with the extra bits of categoryProbs. The buffer has to have the bytes of a
// macroblock.
//
//go:noescape
func readBlocksBMI2(c *boolDecoder, buf *buffer, probs *[17]bandProbs, n int, by *dequantFactors, blocks *block,
	counts, above, left *uint8, size int)

// categoryProbs are categories: up to 11 probabilities, a zero, and the base.
var categoryProbs = func() (all [6]struct {
	probs [12]uint8
	base  uint32
},
) {
	for i, c := range categories {
		copy(all[i].probs[:], c.probs)
		all[i].base = uint32(c.base)
	}
	return all
}()

func (p *partition) readBlocks(
	probs *[17]bandProbs, n int, by *dequantFactors, blocks []block, counts, above, left []uint8,
) {
	if !hasBitOps {
		p.readBlocksPortably(probs, n, by, blocks, counts, above, left)
		return
	}
	size := len(above)
	blocks, counts, left = blocks[:size*size], counts[:size*size], left[:size]
	readBlocksBMI2(&p.boolDecoder, &p.buf, probs, n&1, by, &blocks[0], &counts[0], &above[0], &left[0], size)
}

// readSubblocksBMI2 is readSubblocks. The buffer has to have the bytes of a macroblock.
//
//go:noescape
func readSubblocksBMI2(c *boolDecoder, buf *buffer, modes *[16]uint8, above, left *[4]uint8)

func (m *macroblock) readSubblocks(p *partition, above, left *[4]uint8) {
	if hasBitOps {
		readSubblocksBMI2(&p.boolDecoder, &p.buf, &m.subblocks, above, left)
		return
	}
	m.readSubblocksPortably(p, above, left)
}
