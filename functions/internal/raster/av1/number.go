package av1

import mathbits "math/bits"

// A bitSource has numbers of n bits. The specification describes the codes below twice: for the fields of a header, and
// for a tile, where each bit is a symbol.
type bitSource interface{ read(n int) int }

// nonSymmetric reads a number below n: ns(n) (section 4.10.7) and NS(n).
func nonSymmetric(r bitSource, n int) int {
	w := mathbits.Len(uint(n))
	m := 1<<w - n
	v := r.read(w - 1)
	if v < m {
		return v
	}
	return v<<1 - m + r.read(1)
}

// readNear reads a number from low to high - 1, which is probably near another one: decode_signed_subexp_with_ref and
// decode_signed_subexp_with_ref_bool.
func readNear(r bitSource, low, high, k, ref int) int {
	limit, distance := high-low, ref-low
	v := readSubexponential(r, limit, k)
	if 2*distance <= limit {
		return low + recenter(distance, v)
	}
	return low + limit - 1 - recenter(limit-1-distance, v)
}

// readSubexponential is decode_subexp and decode_subexp_bool.
func readSubexponential(r bitSource, limit, k int) int {
	base := 0
	for i := 0; ; i++ {
		n := k
		if i > 0 {
			n = k + i - 1
		}
		if limit <= base+3<<n {
			return base + nonSymmetric(r, limit-base)
		}
		if more := r.read(1); more == 0 {
			return base + r.read(n)
		}
		base += 1 << n
	}
}

// recenter is inverse_recenter.
func recenter(r, v int) int {
	switch {
	case v > 2*r:
		return v
	case v&1 != 0:
		return r - (v+1)>>1
	default:
		return r + v>>1
	}
}
