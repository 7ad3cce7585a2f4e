package hevc

import "math/bits"

// A bitReader reads an RBSP (section 7.2) without emulation prevention bytes. Past the end of the data it reads
// zeros; pastEnd reports whether it did.
type bitReader struct {
	data []byte
	pos  int // in bits
}

func (r *bitReader) pastEnd() bool { return r.pos > 8*len(r.data) }

// u reads an unsigned number of n bits: u(n) of the standard, with n up to 32.
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

// tooLarge exceeds the limit of every syntax element, yet sums of a few such numbers fit into 32 bits.
const tooLarge = 1 << 28

// ue reads an unsigned Exp-Golomb code (section 9.2). The result is at most tooLarge.
func (r *bitReader) ue() int {
	zeros := 0
	for !r.flag() {
		if zeros++; zeros > 32 || r.pastEnd() {
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

// bitsFor returns the number of bits of numbers below n: Ceil(Log2(n)).
func bitsFor(n int) int { return bits.Len(uint(n - 1)) }

// removeEmulationPrevention removes the emulation prevention bytes of a NAL unit payload (section 7.3.1.1) in place.
func removeEmulationPrevention(b []byte) []byte {
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
