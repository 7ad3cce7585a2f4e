package inflate

import "io"

const (
	// lookahead is how much of the input is there when a block begins, in bytes: more than the longest header.
	lookahead = 1 << 10
	// behind is how much of the input is kept that was loaded as bits, because it may be put back.
	keptBehind = 8
	// chunk is where the input ends at most.
	inputLimit = inputMask + 1 - 2*lookahead
)

// input is the packed stream, as bytes and as bits.
//
// Behind its end come zeros, so that nobody has to look for it who reads but a few bits: see cut.
type input struct {
	source io.Reader
	acc    uint64 // the next bits, from the lowest on
	n      uint64 // how many of them are valid, in the lowest 6 bits; what is above has no meaning
	pos    int    // of buf, the byte that comes next
	end    int    // of buf
	atEOF  bool   // there is no more behind end
	buf    inputBuffer
}

func (in *input) reset(source io.Reader) {
	in.source, in.acc, in.n, in.pos, in.end, in.atEOF = source, 0, 0, keptBehind, keptBehind, false
}

// ready makes sure that there is a lookahead.
func (in *input) ensureLookahead() error {
	if in.end-in.pos >= lookahead || in.atEOF {
		return nil
	}
	kept := copy(in.buf[:], in.buf[in.pos-keptBehind:in.end])
	in.pos, in.end = keptBehind, kept
	for in.end-in.pos < lookahead {
		n, err := in.source.Read(in.buf[in.end:inputLimit])
		in.end += n
		if err == io.EOF {
			in.atEOF = true
			clear(in.buf[in.end:])
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cut returns an error if more was used than there is.
func (in *input) checkOverrun() error {
	if 8*in.pos-int(in.n&63) > 8*in.end {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// fill makes 56 bits valid at least.
func (in *input) refill() {
	in.acc |= in.buf.word(in.pos) << (in.n & 63)
	in.pos += int(^in.n & 63 >> 3)
	in.n |= 56
}

// bits returns the next n bits, 16 at most.
func (in *input) readBits(n uint64) uint64 {
	in.refill()
	v := in.acc & (1<<n - 1)
	in.acc >>= n
	in.n -= n
	return v
}

// align drops bits up to the end of a byte, and goes on with bytes.
func (in *input) align() {
	in.pos -= int(in.n & 63 >> 3)
	in.acc, in.n = 0, 0
}

// take fills p, which is short, with the bytes from the next whole one on.
func (in *input) readBytes(p []byte) error {
	in.align()
	if err := in.ensureLookahead(); err != nil {
		return err
	}
	in.pos += copy(p, in.buf[in.pos:])
	return in.checkOverrun()
}
