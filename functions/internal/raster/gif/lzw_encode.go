package gif

import "sync"

// A compressor packs indexes as LZW, see expander.
type lzwEncoder struct {
	packed    []byte
	bitBuffer uint64 // the bits that are not in packed yet, from the lowest on
	bitCount  uint   // how many of them

	codeSize  uint
	codeWidth uint
	nextCode  uint32
	// strings has the code of each string in its lowest bits, and above them what it is: the code of its prefix and its
	// last index. Where there is none, it is 0.
	codes [1 << hashBits]uint32
}

// stringsBits leaves half of the slots empty.
const hashBits = 13

var lzwEncoders = sync.Pool{New: func() any { return new(lzwEncoder) }}

// compress appends indexes as a file has them: the bits of an index, and sub-blocks up to the empty one.
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

// pack writes the codes of one index at least, from a clear to an end code.
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

// empty forgets the strings.
func (c *lzwEncoder) clearTable() {
	clear(c.codes[:])
	c.nextCode, c.codeWidth = 1<<c.codeSize+2, c.codeSize+1
}

// add counts a string. A reader knows it one code later, so codes become wider one later than it seems.
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
