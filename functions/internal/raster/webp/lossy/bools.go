package lossy

import (
	"encoding/binary"
	"io"
	"math/bits"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

const (
	// unit is more than the bytes that the tokens of a macroblock take: 25 blocks of 16 coefficients, each of 19 bools at
	// most, each of 7 bits at most.
	unit = 7 << 10
	// window is how much of a partition is held, and slack what a coder may load behind the last byte that it needs.
	window = 24 << 10
	slack  = 16
)

// A coder is the state of the arithmetic decoder (section 7). It is passed by value, so that it stays in registers.
type coder struct {
	value uint64 // the next bits, from the highest on
	span  uint64 // the range, less 1: 127 to 254
	n     int    // how many bits of value are valid
	p     int    // of the partition's buffer, the byte that comes next
}

// fill makes 56 bits valid at least: enough for 7 bools.
func (c coder) fill(buf *buffer) coder {
	next := binary.BigEndian.Uint64(buf[c.p&(1<<bufferBits-1):])
	return coder{c.value | next>>(c.n&63), c.span, c.n | 56, c.p + (63-c.n)>>3}
}

// split is the part of the range, less 1, in which the next bool is false. The probability of that is of 256.
func (c coder) split(probability uint8) uint64 { return c.span * uint64(probability) >> 8 }

// isTrue tells what the next bool is.
func (c coder) isTrue(split uint64) bool { return c.value >= (split+1)<<56 }

// low goes on after a bool that is false.
func (c coder) low(split uint64) coder {
	shift := shifts[uint8(split)]
	return coder{c.value << (shift & 63), uint64(spans[uint8(split)]), c.n - int(shift), c.p}
}

// high goes on after a bool that is true.
func (c coder) high(split uint64) coder {
	rest := uint8(c.span - 1 - split)
	shift := shifts[rest]
	return coder{(c.value - (split+1)<<56) << (shift & 63), uint64(spans[rest]), c.n - int(shift), c.p}
}

// sign tells what the next bool is, one that is as often true as false, which no processor can predict: so there is no
// branch. It is -1 for true, and 0.
func (c coder) sign() int64 { return (int64(c.span>>1) - int64(c.value>>56)) >> 63 }

// after goes on after a sign.
func (c coder) after(sign int64) coder {
	split := c.span >> 1
	rest := uint8(split - ^c.span&1&uint64(sign))
	shift := shifts[rest]
	return coder{(c.value - (split+1)<<56&uint64(sign)) << (shift & 63), uint64(spans[rest]), c.n - int(shift), c.p}
}

// spans are ranges, less 1, as they are once their highest bit is where it belongs again, and shifts how far that is.
var spans, shifts = normalized()

func normalized() (spans, shifts [256]uint8) {
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
	coder
	r    io.Reader
	left int64 // bytes that have not been read of r
	end  int   // of buf, where they go
	buf  buffer
}

// start begins a partition of so many bytes.
func (p *partition) start(r io.Reader, size int64) {
	p.coder, p.r, p.left, p.end = coder{span: 254}, r, size, 0
}

// ready makes sure that a macroblock can be read without looking for the end. Behind it are zeros: that they were used is
// found out by the next call.
func (p *partition) ready() error {
	if p.end-p.p >= unit {
		return nil
	}
	return p.load()
}

func (p *partition) load() error {
	if p.left > 0 || p.p == 0 {
		p.end = copy(p.buf[:], p.buf[p.p:p.end])
		p.p = 0
		for p.left > 0 && p.end < unit {
			n, err := p.r.Read(p.buf[p.end:min(window, int64(p.end)+p.left)])
			p.end, p.left = p.end+n, p.left-int64(n)
			if n == 0 && err != nil {
				return short(err)
			}
		}
		if p.left == 0 {
			clear(p.buf[p.end : p.end+unit+slack])
		}
	}
	return p.enough()
}

// enough returns an error if more bits were used than there are.
func (p *partition) enough() error {
	if 8*p.p-p.n > 8*p.end {
		return refuse.AsDamaged(name, "a partition has less data than pixels")
	}
	return nil
}

// bool reads one bool.
func (p *partition) bool(probability uint8) bool {
	c := p.coder.fill(&p.buf)
	split := c.split(probability)
	is := c.isTrue(split)
	if is {
		p.coder = c.high(split)
	} else {
		p.coder = c.low(split)
	}
	return is
}

// number reads an unsigned number of so many bits.
func (p *partition) number(bits int) (v int) {
	for range bits {
		v <<= 1
		if p.bool(even) {
			v |= 1
		}
	}
	return v
}

// optional reads a number that is followed by its sign, if it is there at all.
func (p *partition) optional(bits int) int {
	if !p.bool(even) {
		return 0
	}
	v := p.number(bits)
	if p.bool(even) {
		return -v
	}
	return v
}

// even is the probability of what is as often true as false.
const even = 128

func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
