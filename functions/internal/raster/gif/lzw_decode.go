package gif

import (
	"encoding/binary"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	// maxWidth is the most bits that a code has.
	maxCodeBits = 12
	maxCodes    = 1 << maxCodeBits
	// maxCodeSize is the most bits of an index that leave room for a code of more than one. Whatever is above 8 bits of an
	// index is dropped.
	maxIndexBits = maxCodeBits - 1
	// overshoot is how many bytes may be written behind the last one that was asked for: the rest of a string, and of
	// the word that it ends with.
	overshoot = maxCodes + 8
	// room is for some sub-blocks of packed bytes.
	packedSize = 4 << 10
	// padding is for words that are read at the end.
	padding = 16
)

// An expander unpacks the indexes of a frame: LZW as GIF has it, with the clear and end codes behind the indexes, codes
// that start at the lowest bit, and a table that stays as it is once it is full.
//
// A string is stored as its last bytes, 8 at most, and the code of what is before these, whose length is a multiple of
// 8: so most strings are written as one word, and the others from their end on. Nothing of what was written is needed
// again.
type lzwDecoder struct {
	blocks *blockReader
	ended  bool // there are no more sub-blocks

	acc      uint64 // the next bits, from the lowest on
	n        uint   // how many of them are valid
	pos, end int    // of packed: the byte that comes next, and where there are no more
	packed   [packedSize + padding]byte

	codeSize     uint   // of an index, in bits
	clearCode    uint64 // the code that empties the table; the one behind it is the end
	codeWidth    uint   // of a code, in bits
	maxCodeWidth uint
	nextCode     int    // the code that comes next into the table
	previous     uint64 // the code before
	entries      [2 * maxCodes]entry
}

// An entry is the string of a code.
type entry struct {
	suffix uint64 // its last bytes, the first of them lowest
	link   uint64 // its first byte, from bit 16 its length, and from bit 32 the code of what is before its last bytes
}

const (
	lengthShift = 16
	prefixShift = 32
)

// reset is for a frame whose indexes have so many bits.
func (x *lzwDecoder) reset(b *blockReader, codeSize int) error {
	if codeSize > maxIndexBits {
		return imgerr.Damaged(Name, "the indexes of a frame have %d bits, expected 8 at most", codeSize)
	}
	x.blocks, x.ended = b, false
	x.acc, x.n, x.pos, x.end = 0, 0, 0, 0
	x.codeSize, x.clearCode, x.maxCodeWidth = uint(codeSize), 1<<codeSize, maxCodeBits
	if codeSize < 2 {
		x.maxCodeWidth = x.codeSize + 1 // as the codes are more than that from the beginning, Pillow never widens them
	}
	for i := range x.entries[:x.clearCode] {
		x.entries[i] = entry{uint64(uint8(i)), 1<<lengthShift | uint64(uint8(i))}
	}
	x.clearTable()
	return nil
}

// empty forgets the strings. The first code behind it has none before, but makes an entry as all others do: in the
// place of the end code, where nobody looks it up.
func (x *lzwDecoder) clearTable() {
	x.nextCode, x.codeWidth, x.previous = int(x.clearCode)+1, x.codeSize+1, 0
}

// expand writes indexes at a place of to, until there are so many or the codes end, and returns how many there are: a
// little more than were asked for, for which there has to be an overshoot in to.
func (x *lzwDecoder) decode(to []byte, at, until int) (int, error) {
	const tableMask = 2*maxCodes - 1
	acc, n, next, width, previous := x.acc, x.n, x.nextCode, x.codeWidth, x.previous
	suffix, about := x.entries[previous&tableMask].suffix, x.entries[previous&tableMask].link
	for at < until {
		if n < maxCodeBits {
			if x.pos+8 > x.end {
				if err := x.refill(); err != nil {
					return at, err
				}
				if x.ended && 8*x.pos >= 8*x.end+int(n) {
					break // every bit was used
				}
			}
			acc |= binary.LittleEndian.Uint64(x.packed[x.pos:x.pos+8]) << (n & 63)
			x.pos += int(63-n) >> 3
			n |= 56
		}
		code := acc & (1<<width - 1)
		acc >>= width & 63
		n -= width
		if code-x.clearCode < 2 {
			if code != x.clearCode {
				break
			}
			x.clearTable()
			next, width, previous = x.nextCode, x.codeWidth, x.previous
			suffix, about = x.entries[0].suffix, x.entries[0].link
			continue
		}
		if code > uint64(next) {
			return at, imgerr.Damaged(Name, "a code of its pixels is not in their table")
		}

		first := uint64(uint8(x.entries[code&tableMask].link))
		if code == uint64(next) {
			first = uint64(uint8(about))
		}
		filled := about >> lengthShift & 7
		if filled == 0 {
			suffix, about = 0, about&(1<<prefixShift-1)|previous<<prefixShift
		}
		x.entries[next&tableMask] = entry{suffix | first<<(8*filled), about + 1<<lengthShift}
		if next < maxCodes {
			if next == 1<<width-1 && width < x.maxCodeWidth {
				width++
			}
			next++
		}

		e := &x.entries[code&tableMask]
		previous, suffix, about = code, e.suffix, e.link
		length := int(about >> lengthShift & 0xffff)
		begin := at + (length-1)&^7
		binary.LittleEndian.PutUint64(to[begin:begin+8], suffix)
		for before := e; begin > at; {
			begin -= 8
			before = &x.entries[before.link>>prefixShift&tableMask]
			binary.LittleEndian.PutUint64(to[begin:begin+8], before.suffix)
		}
		at += length
	}
	x.acc, x.n, x.nextCode, x.codeWidth, x.previous = acc, n, next, width, previous
	if at < until || 8*x.pos > 8*x.end+int(n) {
		return at, imgerr.Damaged(Name, "a frame has fewer pixels than it says")
	}
	return at, nil
}

// load appends packed bytes, so that there are some words of them, or all that there are.
func (x *lzwDecoder) refill() error {
	if x.ended {
		return nil
	}
	x.end = copy(x.packed[:], x.packed[x.pos:x.end])
	x.pos = 0
	for x.end+255 <= packedSize {
		data, err := x.blocks.readSubBlock()
		if err != nil {
			return err
		}
		if len(data) == 0 {
			x.ended = true
			clear(x.packed[x.end:])
			return nil
		}
		x.end += copy(x.packed[x.end:], data)
	}
	return nil
}

// finish passes over what is behind the last index.
func (x *lzwDecoder) skipRest() error {
	if x.ended {
		return nil
	}
	x.ended = true
	return x.blocks.skipSubBlocks()
}
