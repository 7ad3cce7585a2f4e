package lossy

// A boolEncoder writes bools (section 7.3).
type boolEncoder struct {
	bytes      []byte
	bottom     uint64 // 8 bits more than bits, and one for the carry
	rangeLess1 uint8
	bits       int // how many bits of bottom are not for the next byte
}

func newBoolEncoder(capacity int) *boolEncoder {
	return &boolEncoder{bytes: make([]byte, 0, capacity), rangeLess1: 254}
}

// putBool writes a bool. Probability is that of false, of 256.
func (w *boolEncoder) putBool(is bool, probability uint8) {
	split := uint8(uint16(w.rangeLess1) * uint16(probability) >> 8)
	rest := split
	if is {
		w.bottom += uint64(split) + 1
		rest = w.rangeLess1 - split - 1
	}
	shift := normalizedShifts[rest]
	w.rangeLess1 = normalizedRanges[rest]
	w.bottom <<= shift
	if w.bits += int(shift); w.bits > 40 {
		w.flush(8)
	}
}

// putUint writes an unsigned number.
func (w *boolEncoder) putUint(v, bits int) {
	for i := bits - 1; i >= 0; i-- {
		w.putBool(v>>i&1 == 1, evenProb)
	}
}

// flush moves whole bytes out of bottom, until fewer than limit bits follow the next byte.
func (w *boolEncoder) flush(limit int) {
	for ; w.bits >= limit; w.bits -= 8 {
		next := w.bottom >> w.bits
		w.bottom &= 1<<w.bits - 1
		if next > 0xff {
			w.carry()
		}
		w.bytes = append(w.bytes, byte(next))
	}
}

// carry adds one to the bytes written.
func (w *boolEncoder) carry() {
	for i := len(w.bytes) - 1; i >= 0; i-- {
		if w.bytes[i]++; w.bytes[i] != 0 {
			return
		}
	}
}

// finish ends the partition, and returns it.
func (w *boolEncoder) finish() []byte {
	const padding = 8
	w.bottom <<= padding
	w.bits += padding
	w.flush(0)
	return w.bytes
}
