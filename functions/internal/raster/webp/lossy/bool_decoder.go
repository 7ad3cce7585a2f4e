package lossy

import (
	"encoding/binary"
	"errors"
	"io"
	"math/bits"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	// maxMacroblockBytes bounds the bytes of a macroblock's tokens: 25 blocks of 16 coefficients, each of at most 19 bools
	// of at most 7 bits.
	maxMacroblockBytes = 7 << 10
	// bufferLimit is how much of a partition is held, and slack what a decoder may load after the last byte that it needs.
	bufferLimit = 24 << 10
	slack       = 16
)

// A boolDecoder is the state of the boolean entropy decoder (section 7). It is passed by value, so that it stays in
// registers.
type boolDecoder struct {
	value      uint64 // the next bits, most significant bit first
	rangeLess1 uint64 // the range, less 1: 127 to 254
	bitCount   int    // number of valid bits in value
	pos        int    // index in the partition's buffer of the next byte
}

// refill makes at least 56 bits valid: enough for 7 bools.
func (c boolDecoder) refill(buf *buffer) boolDecoder {
	next := binary.BigEndian.Uint64(buf[c.pos&(1<<bufferBits-1):])
	return boolDecoder{c.value | next>>(c.bitCount&63), c.rangeLess1, c.bitCount | 56, c.pos + (63-c.bitCount)>>3}
}

// split is the part of the range, less 1, for a bool that is false. Probability is that of false, of 256.
func (c boolDecoder) split(probability uint8) uint64 { return c.rangeLess1 * uint64(probability) >> 8 }

// isTrue returns the next bool.
func (c boolDecoder) isTrue(split uint64) bool { return c.value >= (split+1)<<56 }

// takeFalse continues after a bool that is false.
func (c boolDecoder) takeFalse(split uint64) boolDecoder {
	shift := normalizedShifts[uint8(split)]
	return boolDecoder{c.value << (shift & 63), uint64(normalizedRanges[uint8(split)]), c.bitCount - int(shift), c.pos}
}

// takeTrue continues after a bool that is true.
func (c boolDecoder) takeTrue(split uint64) boolDecoder {
	rest := uint8(c.rangeLess1 - 1 - split)
	shift := normalizedShifts[rest]
	value := (c.value - (split+1)<<56) << (shift & 63)
	return boolDecoder{value, uint64(normalizedRanges[rest]), c.bitCount - int(shift), c.pos}
}

// peekSign returns the next bool of even probability, -1 for true and 0 for false. No processor could predict it, so
// there is no branch.
func (c boolDecoder) peekSign() int64 { return (int64(c.rangeLess1>>1) - int64(c.value>>56)) >> 63 }

// takeSign continues after a sign.
func (c boolDecoder) takeSign(sign int64) boolDecoder {
	split := c.rangeLess1 >> 1
	rest := uint8(split - ^c.rangeLess1&1&uint64(sign))
	shift := normalizedShifts[rest]
	value := (c.value - (split+1)<<56&uint64(sign)) << (shift & 63)
	return boolDecoder{value, uint64(normalizedRanges[rest]), c.bitCount - int(shift), c.pos}
}

// normalizedRanges are ranges, less 1, shifted until their highest bit is set, and normalizedShifts the numbers of
// bits.
var normalizedRanges, normalizedShifts = normalizationTables()

func normalizationTables() (spans, shifts [256]uint8) {
	for i := range spans {
		shift := max(0, 8-bits.Len(uint(i+1)))
		spans[i], shifts[i] = uint8((i+1)<<shift-1), uint8(shift)
	}
	return spans, shifts
}

// A buffer is larger than its content, so that any number of bufferBits bits is a valid index.
type buffer [1<<bufferBits + 8]byte

const bufferBits = 15

// A partition is a sequence of bools.
type partition struct {
	boolDecoder
	r    io.Reader
	left int64 // bytes not read from r
	end  int   // index in buf of the end of the data
	buf  buffer
}

// reset begins a partition of size bytes.
func (p *partition) reset(r io.Reader, size int64) {
	p.boolDecoder, p.r, p.left, p.end = boolDecoder{rangeLess1: 254}, r, size, 0
}

// ensureMacroblock makes sure that a macroblock can be read without checking for the end. The data is followed by
// zeros; the next call detects whether they were used.
func (p *partition) ensureMacroblock() error {
	if p.end-p.pos >= maxMacroblockBytes {
		return nil
	}
	return p.load()
}

func (p *partition) load() error {
	if p.left > 0 || p.pos == 0 {
		p.end = copy(p.buf[:], p.buf[p.pos:p.end])
		p.pos = 0
		for p.left > 0 && p.end < maxMacroblockBytes {
			n, err := p.r.Read(p.buf[p.end:min(bufferLimit, int64(p.end)+p.left)])
			p.end, p.left = p.end+n, p.left-int64(n)
			if n == 0 && err != nil {
				return noEOF(err)
			}
		}
		if p.left == 0 {
			clear(p.buf[p.end : p.end+maxMacroblockBytes+slack])
		}
	}
	return p.checkOverrun()
}

// checkOverrun returns an error if more bits were used than there are.
func (p *partition) checkOverrun() error {
	if 8*p.pos-p.bitCount > 8*p.end {
		return imgerr.Damaged(name, "a partition has less data than pixels")
	}
	return nil
}

// readBool reads one bool.
func (p *partition) readBool(probability uint8) bool {
	c := p.boolDecoder.refill(&p.buf)
	split := c.split(probability)
	is := c.isTrue(split)
	if is {
		p.boolDecoder = c.takeTrue(split)
	} else {
		p.boolDecoder = c.takeFalse(split)
	}
	return is
}

// readUint reads an unsigned number.
func (p *partition) readUint(bits int) (v int) {
	for range bits {
		v <<= 1
		if p.readBool(evenProb) {
			v |= 1
		}
	}
	return v
}

// readOptionalInt reads a flag and, if it is set, a number followed by its sign.
func (p *partition) readOptionalInt(bits int) int {
	if !p.readBool(evenProb) {
		return 0
	}
	v := p.readUint(bits)
	if p.readBool(evenProb) {
		return -v
	}
	return v
}

// evenProb is the probability of a bool that is equally likely to be true.
const evenProb = 128

// noEOF turns io.EOF, where more has to follow, into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
