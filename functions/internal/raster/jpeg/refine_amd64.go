package jpeg

import "golang.org/x/sys/cpu"

// hasPopulationCount reports whether the processor has POPCNT.
var hasPopulationCount = cpu.X86.HasPOPCNT

// A refinement is the scan for decodeRefinement.
type refinement struct {
	bits         *bitReader
	codes        *[1 << refineBits]uint16
	band, needed uint64
	coefBytes    int // of a block
	eobRun       int
	signed       [2]int16 // the values of a new coefficient
}

// decodeRefinement decodes blocks as refineBlock does, up to one with a code that is too long or invalid, or with too
// many bits between two codes. It returns the number of blocks left.
//
//go:noescape
func decodeRefinement(r *refinement, nonzero *uint64, coefs *int16, blocks int) int

// refineBlocks decodes some blocks, from at on, and returns their number. The one that follows is for refineBlock.
func (s *scan) refineBlocks(c *component, at, blocks int) int {
	if !inAssembly || !hasPopulationCount {
		return 0
	}
	one := int16(1) << s.approxLow
	r := refinement{
		bits: s.bits, codes: &c.ac.refines, band: s.band(), needed: c.neededCoefs(), coefBytes: 2 * c.coefsPerBlock,
		eobRun: s.eobRun, signed: [2]int16{one, -one},
	}
	nonzero := c.nonzero[at:][:blocks]
	coefs := c.coefs[at*c.coefsPerBlock:][:blocks*c.coefsPerBlock]
	left := decodeRefinement(&r, &nonzero[0], &coefs[0], blocks)
	s.eobRun = r.eobRun
	return blocks - left
}
