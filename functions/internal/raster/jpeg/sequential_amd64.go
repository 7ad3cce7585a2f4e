package jpeg

// inAssembly is false in tests of the functions that assembly replaces.
var inAssembly = true

// readBlockFast is readCoefs. It returns one of the numbers below.
//
//go:noescape
func readBlockFast(c *component, bits *bitReader, b *block) int

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
