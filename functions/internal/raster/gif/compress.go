package gif

import "sync"

// A compressor packs indexes as LZW, see expander.
type compressor struct {
	packed []byte
	acc    uint64 // the bits that are not in packed yet, from the lowest on
	n      uint   // how many of them

	codeSize uint
	width    uint
	next     uint32
	// strings has the code of each string in its lowest bits, and above them what it is: the code of its prefix and its
	// last index. Where there is none, it is 0.
	strings [1 << stringsBits]uint32
}

// stringsBits leaves half of the slots empty.
const stringsBits = 13

var compressors = sync.Pool{New: func() any { return new(compressor) }}

// compress appends indexes as a file has them: the bits of an index, and sub-blocks up to the empty one.
func compress(file, indexes []byte, codeSize uint) []byte {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.packed, c.acc, c.n, c.codeSize = c.packed[:0], 0, 0, codeSize
	c.pack(indexes)

	file = append(file, byte(codeSize))
	for packed := c.packed; len(packed) > 0; {
		n := min(len(packed), 255)
		file = append(append(file, byte(n)), packed[:n]...)
		packed = packed[n:]
	}
	return append(file, 0)
}

// pack writes the codes of one index at least, from a clear to an end code.
func (c *compressor) pack(indexes []byte) {
	clearCode := uint32(1) << c.codeSize
	c.width = c.codeSize + 1
	c.write(clearCode)
	c.empty()
	prefix := uint32(indexes[0])
	for _, index := range indexes[1:] {
		what := prefix<<8 | uint32(index)
		slot := what * 0x9e3779b1 >> (32 - stringsBits)
		for c.strings[slot] != 0 && c.strings[slot]>>maxWidth != what {
			slot = (slot + 1) % uint32(len(c.strings))
		}
		if c.strings[slot] != 0 {
			prefix = c.strings[slot] & (maxCodes - 1)
			continue
		}
		c.write(prefix)
		prefix = uint32(index)
		if c.next == maxCodes {
			c.write(clearCode)
			c.empty()
			continue
		}
		c.strings[slot] = what<<maxWidth | c.next
		c.add()
	}
	c.write(prefix)
	c.add()
	c.write(clearCode + 1)
	for ; c.n > 0; c.n -= min(8, c.n) {
		c.packed = append(c.packed, byte(c.acc))
		c.acc >>= 8
	}
}

// empty forgets the strings.
func (c *compressor) empty() {
	clear(c.strings[:])
	c.next, c.width = 1<<c.codeSize+2, c.codeSize+1
}

// add counts a string. A reader knows it one code later, so codes become wider one later than it seems.
func (c *compressor) add() {
	if c.next == 1<<c.width && c.width < maxWidth {
		c.width++
	}
	c.next++
}

func (c *compressor) write(code uint32) {
	c.acc |= uint64(code) << c.n
	for c.n += c.width; c.n >= 8; c.n -= 8 {
		c.packed = append(c.packed, byte(c.acc))
		c.acc >>= 8
	}
}
