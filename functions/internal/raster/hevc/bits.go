package hevc

import "math/bits"

// A bitReader reads the bits of an RBSP (section 7.2), whose emulation prevention bytes are removed. Behind the end are
// zeros; over reports that some of them were read.
type bitReader struct {
	data []byte
	pos  int // in bits
}

func (r *bitReader) over() bool { return r.pos > 8*len(r.data) }

// u reads an unsigned number of n bits, 32 at most.
func (r *bitReader) u(n int) int {
	v := uint64(0)
	first := r.pos >> 3
	for i := first; i < first+5; i++ {
		v <<= 8
		if i < len(r.data) {
			v |= uint64(r.data[i])
		}
	}
	v = v << (24 + r.pos&7) >> (64 - n)
	r.pos += n
	return int(v)
}

func (r *bitReader) flag() bool { return r.u(1) == 1 }

func (r *bitReader) skip(n int) { r.pos += n }

// tooLarge is more than any number of a header may be, yet sums of some of them fit into 32 bits.
const tooLarge = 1 << 28

// ue reads an unsigned Exp-Golomb code (section 9.2), tooLarge at most.
func (r *bitReader) ue() int {
	zeros := 0
	for !r.flag() {
		if zeros++; zeros > 32 || r.over() {
			return tooLarge
		}
	}
	if zeros >= 28 {
		r.skip(zeros)
		return tooLarge
	}
	return 1<<zeros - 1 + r.u(zeros)
}

// se reads a signed Exp-Golomb code.
func (r *bitReader) se() int {
	k := r.ue()
	if k&1 == 1 {
		return (k + 1) / 2
	}
	return -k / 2
}

// bitsFor is how many bits a number below n needs: Ceil(Log2(n)).
func bitsFor(n int) int { return bits.Len(uint(n - 1)) }

// unescape removes the emulation prevention bytes of a NAL unit's payload (section 7.3.1.1) in place.
func unescape(b []byte) []byte {
	zeros, n := 0, 0
	for i, v := range b {
		if zeros >= 2 && v == 3 {
			zeros = 0
			continue
		}
		if n != i {
			b[n] = v
		}
		n++
		if v == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return b[:n]
}
