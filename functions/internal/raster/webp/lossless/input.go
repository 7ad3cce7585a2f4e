package lossless

import (
	"encoding/binary"
	"io"
)

const (
	inputMask = 1<<15 - 1
	// lookahead is how many bytes there are when symbols are read: more than the words that are loaded for one pixel.
	lookahead = 32
	// chunk is where the input ends at most.
	inputLimit = inputMask + 1 - 2*lookahead
)

// A word is loaded where no index is larger than inputMask. With the mask the compiler knows it, and checks nothing.
type inputBuffer [inputMask + 1 + 8]byte

func (b *inputBuffer) word(i int) uint64 {
	i &= inputMask
	return binary.LittleEndian.Uint64(b[i : i+8])
}

// input is the stream as bits.
//
// Behind its end come zeros, so that nobody has to look for it who reads but a few bits: see cut.
type input struct {
	source io.Reader
	acc    uint64 // the next bits, from the lowest on
	n      uint64 // how many of them are valid, 63 at most
	pos    int    // of buf, the byte that comes next
	end    int    // of buf
	atEOF  bool   // there is no more behind end
	err    error  // of the source, why there is no more, if it is not the end
	buf    inputBuffer
}

func (in *input) reset(source io.Reader) {
	in.source, in.acc, in.n, in.pos, in.end, in.atEOF, in.err = source, 0, 0, 0, 0, false, nil
}

// ready makes sure that there is a lookahead.
func (in *input) ensureLookahead() {
	if in.atEOF {
		in.pos = min(in.pos, in.end+lookahead/2) // however much is read of the zeros
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

// limit is up to where a pixel may begin before the input has to be ready again.
func (in *input) limit() int {
	if in.atEOF {
		return in.end + 9 // so that it is cut for sure
	}
	return in.end - lookahead + 1
}

// cut returns an error if more was used than there is.
func (in *input) checkOverrun() error {
	if 8*in.pos-int(in.n) <= 8*in.end {
		return nil
	}
	if in.err != nil {
		return in.err
	}
	return io.ErrUnexpectedEOF
}

// fill makes 56 bits valid at least.
func (in *input) refill() {
	if in.pos > in.end-8 {
		in.ensureLookahead()
	}
	in.acc |= in.buf.word(in.pos) << (in.n & 63)
	in.pos += int((63 - in.n) >> 3)
	in.n |= 56
}

// drop goes past bits that were looked at.
func (in *input) consume(n uint64) {
	in.acc >>= n & 63
	in.n -= n
}

// bits returns the next n bits, 32 at most.
func (in *input) readBits(n uint64) uint32 {
	in.refill()
	v := uint32(in.acc & (1<<n - 1))
	in.consume(n)
	return v
}

func (in *input) readBit() bool { return in.readBits(1) == 1 }
