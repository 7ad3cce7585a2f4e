package gif

import (
	"encoding/binary"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	// maxCodeBits is the largest code width.
	maxCodeBits = 12
	maxCodes    = 1 << maxCodeBits
	// maxIndexBits is the largest minimum code size that still leaves codes for strings. Bits of an index above the eighth
	// are dropped.
	maxIndexBits = maxCodeBits - 1
	// overshoot is how many bytes may be written after the last one that was asked for: the rest of a string, and of the
	// word that it ends with.
	overshoot = maxCodes + 8
	// packedSize is enough for several sub-blocks of packed bytes.
	packedSize = 4 << 10
	// padding is for words that are read at the end.
	padding = 16
)

// An lzwDecoder decompresses the indexes of a frame: LZW with clear and end codes after the indexes, codes packed from
// the lowest bit on, and a table that stays as it is once it is full.
//
// A string is stored as its last bytes, 8 at most, and the code of the bytes before them, whose number is a multiple of
// 8. So most strings are written as one word, and the others from their end on. Nothing that was written is read again.
type lzwDecoder struct {
	blocks *blockReader
	ended  bool // all sub-blocks were read

	acc      uint64 // the next bits, least significant bit first
	n        uint   // number of valid bits in acc
	pos, end int    // indexes in packed of the next byte and of the end
	packed   [packedSize + padding]byte

	codeSize     uint   // minimum code size, in bits
	clearCode    uint64 // the end code is the next one
	codeWidth    uint   // in bits
	maxCodeWidth uint
	nextCode     int    // the next code to be defined
	previous     uint64 // the previous code
	entries      [2 * maxCodes]entry
}

// An entry is the string of a code.
type entry struct {
	suffix uint64 // its last 1 to 8 bytes, the first of them lowest
	link   uint64 // bits 0-7: its first byte; bits 16-31: its length; from bit 32: the code of the bytes before suffix
}

const (
	lengthShift = 16
	prefixShift = 32
)

// reset prepares for a frame of a minimum code size.
func (x *lzwDecoder) reset(b *blockReader, codeSize int) error {
	if codeSize > maxIndexBits {
		return imgerr.Damaged(Name, "the indexes of a frame have %d bits, expected 8 at most", codeSize)
	}
	x.blocks, x.ended = b, false
	x.acc, x.n, x.pos, x.end = 0, 0, 0, 0
	x.codeSize, x.clearCode, x.maxCodeWidth = uint(codeSize), 1<<codeSize, maxCodeBits
	if codeSize < 2 {
		x.maxCodeWidth = x.codeSize + 1 // all codes of that width are defined from the start, and Pillow never widens them
	}
	for i := range x.entries[:x.clearCode] {
		x.entries[i] = entry{uint64(uint8(i)), 1<<lengthShift | uint64(uint8(i))}
	}
	x.clearTable()
	return nil
}

// clearTable forgets all strings. The first code after a clear code has no previous one, but defines an entry as all
// others do: in the place of the end code, which is never looked up.
func (x *lzwDecoder) clearTable() {
	x.nextCode, x.codeWidth, x.previous = int(x.clearCode)+1, x.codeSize+1, 0
}

// errFewerPixels is the error of a frame whose codes end too early, and errNoPixels that of one that has no codes of
// indexes: some tools write it to make an animation wait, or as the smallest image there is.
var (
	errFewerPixels = imgerr.Damaged(Name, "a frame has fewer pixels than its header says")
	errNoPixels    = imgerr.Damaged(Name, "a frame has no pixels")
)

// decode writes indexes to to[at:] until there are at least until of them, or the codes end. It returns their number,
// which may be up to overshoot more; to must have that many bytes to spare.
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
					break // all bits are used
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
			return at, imgerr.Damaged(Name, "an LZW code is beyond its table")
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
		return at, errFewerPixels
	}
	return at, nil
}

// refill appends packed bytes as far as they fit.
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

// skipRest skips what follows the last index.
func (x *lzwDecoder) skipRest() error {
	if x.ended {
		return nil
	}
	x.ended = true
	return x.blocks.skipSubBlocks()
}
