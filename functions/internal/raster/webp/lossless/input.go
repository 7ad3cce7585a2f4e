package lossless

import (
	"encoding/binary"
	"io"
)

const (
	inputMask = 1<<15 - 1
	// lookahead is the number of bytes available when symbols are read: more than the words that are loaded for one pixel.
	lookahead = 32
	// inputLimit bounds the end of the input in the buffer.
	inputLimit = inputMask + 1 - 2*lookahead
)

// An inputBuffer has space for a word after its last index. The mask never changes an index; it lets the compiler drop
// its bounds checks.
type inputBuffer [inputMask + 1 + 8]byte

func (b *inputBuffer) word(i int) uint64 {
	i &= inputMask
	return binary.LittleEndian.Uint64(b[i : i+8])
}

// An input is the stream as bits.
//
// Its end is followed by zeros, so that readers of a few bits need not check for it: see checkOverrun.
type input struct {
	source io.Reader
	acc    uint64 // the next bits, least significant bit first
	n      uint64 // number of valid bits in acc, 63 at most
	pos    int    // index in buf of the next byte
	end    int    // index in buf of the end of the input
	atEOF  bool   // the source ends at end
	err    error  // of the source, if it failed
	buf    inputBuffer
}

func (in *input) reset(source io.Reader) {
	in.source, in.acc, in.n, in.pos, in.end, in.atEOF, in.err = source, 0, 0, 0, 0, false, nil
}

// ensureLookahead makes lookahead bytes available, or all that are left.
func (in *input) ensureLookahead() {
	if in.atEOF {
		in.pos = min(in.pos, in.end+lookahead/2) // bounds the index however many zeros are read
		return
	}
	if in.end-in.pos >= lookahead {
		return
	}
	in.pos, in.end = 0, copy(in.buf[:], in.buf[in.pos:in.end])
	for in.end < lookahead && !in.atEOF {
		n, err := in.source.Read(in.buf[in.end:inputLimit])
		in.end += n
		if err != nil {
			in.atEOF = true
			clear(in.buf[in.end:])
			if err != io.EOF {
				in.err = err
			}
		}
	}
}

// limit is the index up to which a pixel may begin before ensureLookahead has to be called again.
func (in *input) limit() int {
	if in.atEOF {
		return in.end + 9 // beyond the end, so that checkOverrun notices
	}
	return in.end - lookahead + 1
}

// checkOverrun returns an error if more was used than there is.
func (in *input) checkOverrun() error {
	if 8*in.pos-int(in.n) <= 8*in.end {
		return nil
	}
	if in.err != nil {
		return in.err
	}
	return io.ErrUnexpectedEOF
}

// refill makes at least 56 bits valid.
func (in *input) refill() {
	if in.pos > in.end-8 {
		in.ensureLookahead()
	}
	in.acc |= in.buf.word(in.pos) << (in.n & 63)
	in.pos += int((63 - in.n) >> 3)
	in.n |= 56
}

// consume drops the next n bits.
func (in *input) consume(n uint64) {
	in.acc >>= n & 63
	in.n -= n
}

// readBits returns the next n bits, 32 at most.
func (in *input) readBits(n uint64) uint32 {
	in.refill()
	v := uint32(in.acc & (1<<n - 1))
	in.consume(n)
	return v
}

func (in *input) readBit() bool { return in.readBits(1) == 1 }
