package inflate

import "io"

const (
	// lookahead is the number of bytes available when a block begins: more than the longest block header.
	lookahead = 1 << 10
	// keptBehind is the number of bytes kept that were loaded as bits, because they may be put back.
	keptBehind = 8
	// inputLimit bounds the end of the input in the buffer.
	inputLimit = inputMask + 1 - 2*lookahead
)

// An input is the compressed stream, as bytes and as bits.
//
// Its end is followed by zeros, so that readers of a few bits need not check for it: see checkOverrun.
type input struct {
	source io.Reader
	acc    uint64 // the next bits, least significant bit first
	n      uint64 // number of valid bits in acc, in the lowest 6 bits; the others have no meaning
	pos    int    // index in buf of the next byte
	end    int    // index in buf of the end of the input
	atEOF  bool   // the source ends at end
	buf    inputBuffer
}

func (in *input) reset(source io.Reader) {
	in.source, in.acc, in.n, in.pos, in.end, in.atEOF = source, 0, 0, keptBehind, keptBehind, false
}

// ensureLookahead makes lookahead bytes available, or all that are left.
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

// limit is where symbols are no longer decoded: at most two words are loaded for a symbol.
func (in *input) limit() int {
	if in.atEOF {
		return in.end + 8
	}
	return in.end - 16
}

// checkOverrun returns an error if more was used than there is.
func (in *input) checkOverrun() error {
	if 8*in.pos-int(in.n&63) > 8*in.end {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// refill makes at least 56 bits valid.
func (in *input) refill() {
	in.acc |= in.buf.word(in.pos) << (in.n & 63)
	in.pos += int(^in.n & 63 >> 3)
	in.n |= 56
}

// readBits returns the next n bits, 16 at most.
func (in *input) readBits(n uint64) uint64 {
	in.refill()
	v := in.acc & (1<<n - 1)
	in.acc >>= n
	in.n -= n
	return v
}

// skip passes the bits of an entry by.
func (in *input) skip(e entry) {
	in.acc >>= e & bitsMask
	in.n -= uint64(e)
}

// readValue returns the length or distance of an entry.
func (in *input) readValue(e entry) int {
	v := int(e>>baseShift) + extraBits(e, in.acc)
	in.skip(e)
	return v
}

// align drops bits up to a byte boundary.
func (in *input) align() {
	in.pos -= int(in.n & 63 >> 3)
	in.acc, in.n = 0, 0
}

// readBytes fills p, which is short, from the next byte boundary on.
func (in *input) readBytes(p []byte) error {
	in.align()
	if err := in.ensureLookahead(); err != nil {
		return err
	}
	in.pos += copy(p, in.buf[in.pos:])
	return in.checkOverrun()
}
