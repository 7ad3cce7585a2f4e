package jpeg

// inAssembly is false in tests of the functions that assembly replaces.
var inAssembly = true

// readBlockFast is readCoefs. It returns one of the numbers below.
//
//go:noescape
func readBlockFast(c *component, bits *bitReader, b *block) int

// decodeDCFast is decodeDC, without a check of the blocks.
//
//go:noescape
func decodeDCFast(c *component, bits *bitReader, pix *uint8, blocks int) int

const (
	blockDC      = iota + 1 // all other coefficients that are needed are zero
	blockInvalid            // it has an invalid code
)

func (s *scan) readBlock(c *component) (dcOnly bool, err error) {
	if !inAssembly {
		return s.readCoefs(c)
	}
	result := readBlockFast(c, s.bits, &s.block)
	if result == blockInvalid {
		return false, errInvalidCode
	}
	return result == blockDC, nil
}

func (s *scan) decodeDC(c *component, x, y, blocks int) error {
	if !inAssembly {
		return s.decodeDCInGo(c, x, y, blocks)
	}
	pix := c.plane.Pix[y*c.plane.Stride+x:][:blocks]
	if decodeDCFast(c, s.bits, &pix[0], blocks) == blockInvalid {
		return errInvalidCode
	}
	return nil
}
