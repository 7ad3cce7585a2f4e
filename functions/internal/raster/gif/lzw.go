package gif

import (
	"encoding/binary"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

const (
	// maxWidth is the most bits that a code has.
	maxWidth = 12
	maxCodes = 1 << maxWidth
	// maxCodeSize is the most bits of an index that leave room for a code of more than one. Whatever is above 8 bits of an
	// index is dropped.
	maxCodeSize = maxWidth - 1
	// overshoot is how many bytes may be written behind the last one that was asked for: the rest of a string, and of
	// the word that it ends with.
	overshoot = maxCodes + 8
	// room is for some sub-blocks of packed bytes.
	room = 4 << 10
	// padding is for words that are read at the end.
	padding = 16
)

// An expander unpacks the indexes of a frame: LZW as GIF has it, with the clear and end codes behind the indexes, codes
// that start at the lowest bit, and a table that stays as it is once it is full.
//
// A string is stored as its last bytes, 8 at most, and the code of what is before these, whose length is a multiple of
// 8: so most strings are written as one word, and the others from their end on. Nothing of what was written is needed
// again.
type expander struct {
	blocks *blocks
	ended  bool // there are no more sub-blocks

	acc    uint64 // the next bits, from the lowest on
	n      uint   // how many of them are valid
	p, end int    // of packed: the byte that comes next, and where there are no more
	packed [room + padding]byte

	codeSize uint   // of an index, in bits
	emptying uint64 // the code that empties the table; the one behind it is the end
	width    uint   // of a code, in bits
	widest   uint
	next     int    // the code that comes next into the table
	previous uint64 // the code before
	entries  [2 * maxCodes]entry
}

// An entry is the string of a code.
type entry struct {
	suffix uint64 // its last bytes, the first of them lowest
	about  uint64 // its first byte, from bit 16 its length, and from bit 32 the code of what is before its last bytes
}

const (
	lengthShift = 16
	prefixShift = 32
)

// reset is for a frame whose indexes have so many bits.
func (x *expander) reset(b *blocks, codeSize int) error {
	if codeSize > maxCodeSize {
		return refuse.AsDamaged(Name, "the indexes of a frame have %d bits, expected 8 at most", codeSize)
	}
	x.blocks, x.ended = b, false
	x.acc, x.n, x.p, x.end = 0, 0, 0, 0
	x.codeSize, x.emptying, x.widest = uint(codeSize), 1<<codeSize, maxWidth
	if codeSize < 2 {
		x.widest = x.codeSize + 1 // as the codes are more than that from the beginning, Pillow never widens them
	}
	for i := range x.entries[:x.emptying] {
		x.entries[i] = entry{uint64(uint8(i)), 1<<lengthShift | uint64(uint8(i))}
	}
	x.empty()
	return nil
}

// empty forgets the strings. The first code behind it has none before, but makes an entry as all others do: in the
// place of the end code, where nobody looks it up.
func (x *expander) empty() {
	x.next, x.width, x.previous = int(x.emptying)+1, x.codeSize+1, 0
}

// expand writes indexes at a place of to, until there are so many or the codes end, and returns how many there are: a
// little more than were asked for, for which there has to be an overshoot in to.
func (x *expander) expand(to []byte, at, until int) (int, error) {
	const tableMask = 2*maxCodes - 1
	acc, n, next, width, previous := x.acc, x.n, x.next, x.width, x.previous
	suffix, about := x.entries[previous&tableMask].suffix, x.entries[previous&tableMask].about
	for at < until {
		if n < maxWidth {
			if x.p+8 > x.end {
				if err := x.load(); err != nil {
					return at, err
				}
				if x.ended && 8*x.p >= 8*x.end+int(n) {
					break // every bit was used
				}
			}
			acc |= binary.LittleEndian.Uint64(x.packed[x.p:x.p+8]) << (n & 63)
			x.p += int(63-n) >> 3
			n |= 56
		}
		code := acc & (1<<width - 1)
		acc >>= width & 63
		n -= width
		if code-x.emptying < 2 {
			if code != x.emptying {
				break
			}
			x.empty()
			next, width, previous = x.next, x.width, x.previous
			suffix, about = x.entries[0].suffix, x.entries[0].about
			continue
		}
		if code > uint64(next) {
			return at, refuse.AsDamaged(Name, "a code of its pixels is not in their table")
		}

		first := uint64(uint8(x.entries[code&tableMask].about))
		if code == uint64(next) {
			first = uint64(uint8(about))
		}
		filled := about >> lengthShift & 7
		if filled == 0 {
			suffix, about = 0, about&(1<<prefixShift-1)|previous<<prefixShift
		}
		x.entries[next&tableMask] = entry{suffix | first<<(8*filled), about + 1<<lengthShift}
		if next < maxCodes {
			if next == 1<<width-1 && width < x.widest {
				width++
			}
			next++
		}

		e := &x.entries[code&tableMask]
		previous, suffix, about = code, e.suffix, e.about
		length := int(about >> lengthShift & 0xffff)
		begin := at + (length-1)&^7
		binary.LittleEndian.PutUint64(to[begin:begin+8], suffix)
		for before := e; begin > at; {
			begin -= 8
			before = &x.entries[before.about>>prefixShift&tableMask]
			binary.LittleEndian.PutUint64(to[begin:begin+8], before.suffix)
		}
		at += length
	}
	x.acc, x.n, x.next, x.width, x.previous = acc, n, next, width, previous
	if at < until || 8*x.p > 8*x.end+int(n) {
		return at, refuse.AsDamaged(Name, "a frame has fewer pixels than it says")
	}
	return at, nil
}

// load appends packed bytes, so that there are some words of them, or all that there are.
func (x *expander) load() error {
	if x.ended {
		return nil
	}
	x.end = copy(x.packed[:], x.packed[x.p:x.end])
	x.p = 0
	for x.end+255 <= room {
		data, err := x.blocks.data()
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
func (x *expander) finish() error {
	if x.ended {
		return nil
	}
	x.ended = true
	return x.blocks.skip()
}
