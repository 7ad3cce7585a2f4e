package inflate

import "encoding/binary"

// The masks are never needed, for no index is larger. But with them the compiler knows it, and checks nothing.
const (
	inputMask  = 1<<16 - 1
	windowMask = 1<<17 - 1
)

// An inputBuffer has room for a word behind its last index, as a window has.
type inputBuffer [inputMask + 1 + 8]byte

func (b *inputBuffer) word(i int) uint64 {
	i &= inputMask
	return binary.LittleEndian.Uint64(b[i : i+8])
}

type window [windowMask + 1 + 8]byte

func (w *window) word(i int) uint64 {
	i &= windowMask
	return binary.LittleEndian.Uint64(w[i : i+8])
}

func (w *window) putWord(i int, v uint64) {
	i &= windowMask
	binary.LittleEndian.PutUint64(w[i:i+8], v)
}

func (w *window) putPair(i int, v uint16) {
	i &= windowMask
	binary.LittleEndian.PutUint16(w[i:i+2], v)
}

// repeat copies length bytes to o of what is distance bytes before, and possibly some more, which are overwritten later.
func (w *window) copyMatch(o, distance, length int) {
	end := o + length
	if distance < 8 {
		c := &patterns[distance&7]
		word := w.word(o-distance) & c.mask * c.spread
		for ; o < end; o += c.step {
			w.putWord(o, word)
		}
		return
	}
	if distance >= length && length > 64 {
		copy(w[o:end], w[o-distance:])
		return
	}
	for ; o < end; o += 8 {
		w.putWord(o, w.word(o-distance))
	}
}

// A cycle makes a word of the few bytes that it repeats: whole cycles of it are written at a time.
type pattern struct {
	mask, spread uint64
	step         int
}

var patterns = func() (all [8]pattern) {
	for n := 1; n < len(all); n++ {
		c := pattern{mask: 1<<(8*n) - 1, step: 8 / n * n}
		for i := 0; i < 8; i += n {
			c.spread |= 1 << (8 * i)
		}
		all[n] = c
	}
	return all
}()
