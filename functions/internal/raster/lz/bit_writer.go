package lz

import "encoding/binary"

// A BitWriter appends bits, the first in the lowest of a byte.
type BitWriter struct {
	Bytes []byte
	acc   uint64
	n     int // number of bits in acc, less than 32
}

// Put appends the lowest count bits of v, 32 at most; its other bits are 0.
func (w *BitWriter) Put(v uint64, count int) {
	w.acc |= v << (w.n & 63)
	if w.n += count; w.n >= 32 {
		w.Bytes = binary.LittleEndian.AppendUint32(w.Bytes, uint32(w.acc))
		w.acc >>= 32
		w.n -= 32
	}
}

// Bits is the number of bits so far.
func (w *BitWriter) Bits() int { return 8*len(w.Bytes) + w.n }

// Align completes the last byte.
func (w *BitWriter) Align() {
	for ; w.n > 0; w.n -= 8 {
		w.Bytes = append(w.Bytes, byte(w.acc))
		w.acc >>= 8
	}
	w.acc, w.n = 0, 0
}
