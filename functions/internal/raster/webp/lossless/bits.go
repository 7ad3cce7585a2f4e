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
	chunk = inputMask + 1 - 2*lookahead
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
	p      int    // of buf, the byte that comes next
	end    int    // of buf
	last   bool   // there is no more behind end
	err    error  // of the source, why there is no more, if it is not the end
	buf    inputBuffer
}

func (in *input) reset(source io.Reader) {
	in.source, in.acc, in.n, in.p, in.end, in.last, in.err = source, 0, 0, 0, 0, false, nil
}

// ready makes sure that there is a lookahead.
func (in *input) ready() {
	if in.last {
		in.p = min(in.p, in.end+lookahead/2) // however much is read of the zeros
		return
	}
	if in.end-in.p >= lookahead {
		return
	}
	in.p, in.end = 0, copy(in.buf[:], in.buf[in.p:in.end])
	for in.end < lookahead && !in.last {
		n, err := in.source.Read(in.buf[in.end:chunk])
		in.end += n
		if err != nil {
			in.last = true
			clear(in.buf[in.end:])
			if err != io.EOF {
				in.err = err
			}
		}
	}
}

// limit is up to where a pixel may begin before the input has to be ready again.
func (in *input) limit() int {
	if in.last {
		return in.end + 9 // so that it is cut for sure
	}
	return in.end - lookahead + 1
}

// cut returns an error if more was used than there is.
func (in *input) cut() error {
	if 8*in.p-int(in.n) <= 8*in.end {
		return nil
	}
	if in.err != nil {
		return in.err
	}
	return io.ErrUnexpectedEOF
}

// fill makes 56 bits valid at least.
func (in *input) fill() {
	if in.p > in.end-8 {
		in.ready()
	}
	in.acc |= in.buf.word(in.p) << (in.n & 63)
	in.p += int((63 - in.n) >> 3)
	in.n |= 56
}

// drop goes past bits that were looked at.
func (in *input) drop(n uint64) {
	in.acc >>= n & 63
	in.n -= n
}

// bits returns the next n bits, 32 at most.
func (in *input) bits(n uint64) uint32 {
	in.fill()
	v := uint32(in.acc & (1<<n - 1))
	in.drop(n)
	return v
}

func (in *input) bit() bool { return in.bits(1) == 1 }
