package gif

import "sync"

// An lzwEncoder compresses indexes; see lzwDecoder for the variant of LZW.
type lzwEncoder struct {
	packed    []byte
	bitBuffer uint64 // bits that are not in packed yet, least significant bit first
	bitCount  uint

	codeSize  uint
	codeWidth uint
	nextCode  uint32
	// codes is a hash table of strings. An entry has the code of a string in its lowest bits, and above them its key: the
	// code of its prefix and its last index. An empty slot is 0.
	codes [1 << hashBits]uint32
}

// hashBits leaves half of the slots empty.
const hashBits = 13

var lzwEncoders = sync.Pool{New: func() any { return new(lzwEncoder) }}

// appendLZW appends compressed indexes as a file has them: the minimum code size, and sub-blocks up to the empty one.
func appendLZW(file, indexes []byte, codeSize uint) []byte {
	c := lzwEncoders.Get().(*lzwEncoder)
	defer lzwEncoders.Put(c)
	c.packed, c.bitBuffer, c.bitCount, c.codeSize = c.packed[:0], 0, 0, codeSize
	c.encode(indexes)

	file = append(file, byte(codeSize))
	for packed := c.packed; len(packed) > 0; {
		n := min(len(packed), 255)
		file = append(append(file, byte(n)), packed[:n]...)
		packed = packed[n:]
	}
	return append(file, 0)
}

// encode writes the codes of one or more indexes, from a clear code to an end code.
func (c *lzwEncoder) encode(indexes []byte) {
	clearCode := uint32(1) << c.codeSize
	c.codeWidth = c.codeSize + 1
	c.writeCode(clearCode)
	c.clearTable()
	prefix := uint32(indexes[0])
	for _, index := range indexes[1:] {
		key := prefix<<8 | uint32(index)
		slot := key * 0x9e3779b1 >> (32 - hashBits)
		for c.codes[slot] != 0 && c.codes[slot]>>maxCodeBits != key {
			slot = (slot + 1) % uint32(len(c.codes))
		}
		if c.codes[slot] != 0 {
			prefix = c.codes[slot] & (maxCodes - 1)
			continue
		}
		c.writeCode(prefix)
		prefix = uint32(index)
		if c.nextCode == maxCodes {
			c.writeCode(clearCode)
			c.clearTable()
			continue
		}
		c.codes[slot] = key<<maxCodeBits | c.nextCode
		c.countCode()
	}
	c.writeCode(prefix)
	c.countCode()
	c.writeCode(clearCode + 1)
	for ; c.bitCount > 0; c.bitCount -= min(8, c.bitCount) {
		c.packed = append(c.packed, byte(c.bitBuffer))
		c.bitBuffer >>= 8
	}
}

func (c *lzwEncoder) clearTable() {
	clear(c.codes[:])
	c.nextCode, c.codeWidth = 1<<c.codeSize+2, c.codeSize+1
}

// countCode counts a new string. A decoder learns it one code later, so the code width grows one code later as well.
func (c *lzwEncoder) countCode() {
	if c.nextCode == 1<<c.codeWidth && c.codeWidth < maxCodeBits {
		c.codeWidth++
	}
	c.nextCode++
}

func (c *lzwEncoder) writeCode(code uint32) {
	c.bitBuffer |= uint64(code) << c.bitCount
	for c.bitCount += c.codeWidth; c.bitCount >= 8; c.bitCount -= 8 {
		c.packed = append(c.packed, byte(c.bitBuffer))
		c.bitBuffer >>= 8
	}
}
