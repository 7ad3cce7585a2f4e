package jpeg

import "golang.org/x/sys/cpu"

// hasPopulationCount reports whether the processor has POPCNT.
var hasPopulationCount = cpu.X86.HasPOPCNT

// A bandScan is a scan of AC coefficients for the assembly.
type bandScan struct {
	bits         *bitReader
	table        *huffmanTable
	first, last  int    // coefficient
	band, needed uint64 // a bit for each coefficient
	coefBytes    int    // of a block
	eobRun       int
	low          int      // position of the bit
	signed       [2]int16 // the values of a coefficient that a refinement adds
}

func (s *scan) newBandScan(c *component) bandScan {
	one := int16(1) << s.approxLow
	return bandScan{
		bits: s.bits, table: c.ac, first: s.specStart, last: s.specEnd, band: s.band(), needed: c.neededCoefs(),
		coefBytes: 2 * c.coefsPerBlock, eobRun: s.eobRun, low: s.approxLow, signed: [2]int16{one, -one},
	}
}

// decodeFirst is decodeACFirst. It returns false if a code is invalid.
//
//go:noescape
func decodeFirst(s *bandScan, nonzero *uint64, coefs *int16, blocks int) bool

func (s *scan) decodeACFirst(c *component, x, y, blocks int) error {
	if !inAssembly {
		return s.decodeACFirstInGo(c, x, y, blocks)
	}
	b := s.newBandScan(c)
	nonzero, coefs := c.blocks(y*c.blockStride+x, blocks)
	if !decodeFirst(&b, &nonzero[0], &coefs[0], blocks) {
		return errInvalidCode
	}
	s.eobRun = b.eobRun
	return nil
}

// decodeRefinement decodes blocks as refineBlock does, up to one with a code that is too long or invalid, or with too
// many bits between two codes. It returns the number of blocks left.
//
//go:noescape
func decodeRefinement(s *bandScan, nonzero *uint64, coefs *int16, blocks int) int

// refineBlocks decodes some blocks, from at on, and returns their number. The one that follows is for refineBlock.
func (s *scan) refineBlocks(c *component, at, blocks int) int {
	if !inAssembly || !hasPopulationCount {
		return 0
	}
	b := s.newBandScan(c)
	nonzero, coefs := c.blocks(at, blocks)
	left := decodeRefinement(&b, &nonzero[0], &coefs[0], blocks)
	s.eobRun = b.eobRun
	return blocks - left
}

// blocks returns the coefficients of some blocks, from at on.
func (c *component) blocks(at, blocks int) (nonzero []uint64, coefs []int16) {
	return c.nonzero[at:][:blocks], c.coefs[at*c.coefsPerBlock:][:blocks*c.coefsPerBlock]
}
