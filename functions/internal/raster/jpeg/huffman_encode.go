package jpeg

// huffmanCodes is a Huffman table for writing.
type huffmanCodes struct {
	classAndID uint8 // as in a DHT segment: class << 4 | destination
	counts     [16]uint8
	symbols    []uint8
	codes      [256]uint16
	lengths    [256]uint8
}

func newHuffmanCodes(selector uint8, counts [16]uint8, symbols []uint8) *huffmanCodes {
	c := &huffmanCodes{classAndID: selector, counts: counts, symbols: symbols}
	code, next := uint16(0), 0
	for i, count := range counts {
		for range count {
			c.codes[symbols[next]], c.lengths[symbols[next]] = code, uint8(i+1)
			code++
			next++
		}
		code <<= 1
	}
	return c
}
