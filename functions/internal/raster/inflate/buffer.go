package inflate

import "encoding/binary"

// The masks never change an index. They let the compiler drop its bounds checks.
const (
	inputMask  = 1<<16 - 1
	windowMask = 1<<17 - 1
)

// An inputBuffer has space for a word after its last index, and a window for two.
type inputBuffer [inputMask + 1 + 8]byte

func (b *inputBuffer) word(i int) uint64 {
	i &= inputMask
	return binary.LittleEndian.Uint64(b[i : i+8])
}

type window [windowMask + 1 + 16]byte

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

// copyMatch copies the length bytes that are distance bytes before o to o, and possibly some more, which are
// overwritten later.
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

// A pattern extends the few bytes of a short distance to a word: whole repetitions of it are written at a time.
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
