package lossy

import (
	"encoding/binary"
	"io"
	"math/bits"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	// unit is more than the bytes that the tokens of a macroblock take: 25 blocks of 16 coefficients, each of 19 bools at
	// most, each of 7 bits at most.
	maxMacroblockBytes = 7 << 10
	// window is how much of a partition is held, and slack what a coder may load behind the last byte that it needs.
	bufferLimit = 24 << 10
	slack       = 16
)

// A coder is the state of the arithmetic decoder (section 7). It is passed by value, so that it stays in registers.
type boolDecoder struct {
	value      uint64 // the next bits, from the highest on
	rangeLess1 uint64 // the range, less 1: 127 to 254
	bitCount   int    // how many bits of value are valid
	pos        int    // of the partition's buffer, the byte that comes next
}

// fill makes 56 bits valid at least: enough for 7 bools.
func (c boolDecoder) refill(buf *buffer) boolDecoder {
	next := binary.BigEndian.Uint64(buf[c.pos&(1<<bufferBits-1):])
	return boolDecoder{c.value | next>>(c.bitCount&63), c.rangeLess1, c.bitCount | 56, c.pos + (63-c.bitCount)>>3}
}

// split is the part of the range, less 1, in which the next bool is false. The probability of that is of 256.
func (c boolDecoder) split(probability uint8) uint64 { return c.rangeLess1 * uint64(probability) >> 8 }

// isTrue tells what the next bool is.
func (c boolDecoder) isTrue(split uint64) bool { return c.value >= (split+1)<<56 }

// low goes on after a bool that is false.
func (c boolDecoder) takeFalse(split uint64) boolDecoder {
	shift := normalizedShifts[uint8(split)]
	return boolDecoder{c.value << (shift & 63), uint64(normalizedRanges[uint8(split)]), c.bitCount - int(shift), c.pos}
}

// high goes on after a bool that is true.
func (c boolDecoder) takeTrue(split uint64) boolDecoder {
	rest := uint8(c.rangeLess1 - 1 - split)
	shift := normalizedShifts[rest]
	return boolDecoder{(c.value - (split+1)<<56) << (shift & 63), uint64(normalizedRanges[rest]), c.bitCount - int(shift), c.pos}
}

// sign tells what the next bool is, one that is as often true as false, which no processor can predict: so there is no
// branch. It is -1 for true, and 0.
func (c boolDecoder) peekSign() int64 { return (int64(c.rangeLess1>>1) - int64(c.value>>56)) >> 63 }

// after goes on after a sign.
func (c boolDecoder) takeSign(sign int64) boolDecoder {
	split := c.rangeLess1 >> 1
	rest := uint8(split - ^c.rangeLess1&1&uint64(sign))
	shift := normalizedShifts[rest]
	return boolDecoder{(c.value - (split+1)<<56&uint64(sign)) << (shift & 63), uint64(normalizedRanges[rest]), c.bitCount - int(shift), c.pos}
}

// spans are ranges, less 1, as they are once their highest bit is where it belongs again, and shifts how far that is.
var normalizedRanges, normalizedShifts = normalizationTables()

func normalizationTables() (spans, shifts [256]uint8) {
	for i := range spans {
		shift := max(0, 8-bits.Len(uint(i+1)))
		spans[i], shifts[i] = uint8((i+1)<<shift-1), uint8(shift)
	}
	return spans, shifts
}

// A buffer is larger than what it holds, so that a number of so many bits is always an index.
type buffer [1<<bufferBits + 8]byte

const bufferBits = 15

// A partition is a sequence of bools.
type partition struct {
	boolDecoder
	r    io.Reader
	left int64 // bytes that have not been read of r
	end  int   // of buf, where they go
	buf  buffer
}

// start begins a partition of so many bytes.
func (p *partition) reset(r io.Reader, size int64) {
	p.boolDecoder, p.r, p.left, p.end = boolDecoder{rangeLess1: 254}, r, size, 0
}

// ready makes sure that a macroblock can be read without looking for the end. Behind it are zeros: that they were used is
// found out by the next call.
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

// enough returns an error if more bits were used than there are.
func (p *partition) checkOverrun() error {
	if 8*p.pos-p.bitCount > 8*p.end {
		return imgerr.Damaged(name, "a partition has less data than pixels")
	}
	return nil
}

// bool reads one bool.
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

// number reads an unsigned number of so many bits.
func (p *partition) readUint(bits int) (v int) {
	for range bits {
		v <<= 1
		if p.readBool(evenProb) {
			v |= 1
		}
	}
	return v
}

// optional reads a number that is followed by its sign, if it is there at all.
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

// even is the probability of what is as often true as false.
const evenProb = 128

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
