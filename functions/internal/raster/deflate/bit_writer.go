package deflate

import "encoding/binary"

// A bitWriter appends bits, the first in the lowest of a byte.
type bitWriter struct {
	bytes []byte
	acc   uint64
	n     int // number of bits in acc, less than 32
}

// put appends the lowest count bits of v, 32 at most; its other bits are 0.
func (w *bitWriter) put(v uint64, count int) {
	w.acc |= v << (w.n & 63)
	if w.n += count; w.n >= 32 {
		w.bytes = binary.LittleEndian.AppendUint32(w.bytes, uint32(w.acc))
		w.acc >>= 32
		w.n -= 32
	}
}

// align completes the last byte.
func (w *bitWriter) align() {
	for ; w.n > 0; w.n -= 8 {
		w.bytes = append(w.bytes, byte(w.acc))
		w.acc >>= 8
	}
	w.acc, w.n = 0, 0
}
