package av1

import (
	"encoding/binary"
	mathbits "math/bits"
)

// A symbolDecoder is the state of the symbol decoder (section 8.2) within a tile.
type symbolDecoder struct {
	data []byte // that is left
	window
	padded int  // how many bits of the window are after the end of the tile
	adapts bool // disable_cdf_update is 0
}

// A window is what the decoder has read of a tile. It is passed in registers.
type window struct {
	// bits is the inverse of the next bits of the tile, with SymbolValue in its upper 16 bits. The bits after the end of
	// the tile are zeros.
	bits uint64
	size uint32 // SymbolRange
	left int    // the number of bits after the first 15
}

// start starts decoding a tile (section 8.2.2).
func (d *symbolDecoder) start(data []byte, adapts bool) {
	*d = symbolDecoder{data: data, window: window{1<<63 - 1, 1 << 15, -15}, adapts: adapts}
	d.refill()
}

// refill adds bits to the window, at least 33.
func (d *symbolDecoder) refill() {
	const endless = 1 << 30
	shift := 63 - 15 - 8 - d.left
	if len(d.data) >= 8 {
		n := shift/8 + 1
		next := binary.BigEndian.Uint64(d.data) >> (64 - 8*n)
		d.bits ^= next << (shift % 8)
		d.data = d.data[n:]
		d.left += 8 * n
		return
	}
	for ; shift >= 0 && len(d.data) > 0; shift -= 8 {
		d.bits ^= uint64(d.data[0]) << shift
		d.data = d.data[1:]
		d.left += 8
	}
	if shift >= 0 {
		d.left += endless
		d.padded += endless
	}
}

// refilled returns w after a refill.
func (d *symbolDecoder) refilled(w window) window {
	d.window = w
	d.refill()
	return d.window
}

// isPastEnd reports whether more bits were read than a conforming tile has (section 8.2.4).
func (d *symbolDecoder) isPastEnd() bool { return d.left-d.padded < -14 && len(d.data) == 0 }

// consume ends the decoding of a symbol: the range is from low to high. The caller then refills the window.
func (w window) consume(low, high uint32) window {
	size := high - low
	n := mathbits.LeadingZeros32(size) - 16
	return window{(w.bits-uint64(low)<<48+1)<<(n&63) - 1, size << (n & 31), w.left - n}
}

// read reads L(n): n bits of equal probability.
func (d *symbolDecoder) read(n int) int {
	v := 0
	for range n {
		v = v<<1 | d.bit()
	}
	return v
}

func (d *symbolDecoder) flag() bool { return d.bit() != 0 }

func (d *symbolDecoder) bit() int {
	if d.half(d.size>>8<<7 + 4) {
		return 1
	}
	return 0
}

// half reads a symbol of two values, the second of which is that below middle.
func (d *symbolDecoder) half(middle uint32) bool {
	low, high := middle, d.size
	isSecond := uint32(d.bits>>48) < middle
	if isSecond {
		low, high = 0, middle
	}
	d.window = d.window.consume(low, high)
	if d.left < 0 {
		d.refill()
	}
	return isSecond
}

// probable reads a symbol of two values. The probability of the second one is p / 32768, and does not adapt.
func (d *symbolDecoder) probable(p uint16) bool {
	return d.half(d.size>>8*uint32(p>>6)>>1 + 4)
}

// boolean reads a symbol of two values.
func (d *symbolDecoder) boolean(cdf *[2]uint16) bool {
	p := cdf[0]
	v := d.probable(p)
	if d.adapts {
		count := cdf[1]
		rate := (4 + count>>4) & 15
		if v {
			cdf[0] = p + (32768-p)>>rate
		} else {
			cdf[0] = p - p>>rate
		}
		if count < 32 {
			cdf[1] = count + 1
		}
	}
	return v
}

// symbol4 reads a symbol of four values: it is symbol for the most frequent ones.
func (d *symbolDecoder) symbol4(cdf *[4]uint16) int {
	w, s := d.window.symbol4(cdf, d.adapts)
	d.window = w
	if d.left < 0 {
		d.refill()
	}
	return s
}

// symbol4 is that of symbolDecoder. The elements of cdf are lanes of a word, so that all adapt at once.
func (w window) symbol4(cdf *[4]uint16, adapts bool) (window, int) {
	word := uint64(cdf[0]) | uint64(cdf[1])<<16 | uint64(cdf[2])<<32 | uint64(cdf[3])<<48
	value, r := uint32(w.bits>>48), w.size>>8
	low1 := r*uint32(word>>6&1023)>>1 + 12
	low2 := r*uint32(word>>22&1023)>>1 + 8
	low3 := r*uint32(word>>38&1023)>>1 + 4
	high, low := w.size, low1
	s := 0
	if value < low1 {
		high, low = low1, low2
		s = 1
		if value < low2 {
			high, low = low2, low3
			s = 2
			if value < low3 {
				high, low = low3, 0
				s = 3
			}
		}
	}
	if adapts {
		const lanes = 1<<32 | 1<<16 | 1
		p, count := word&(1<<48-1), word>>48
		rate := (5 + count>>4) & 15
		rises := uint64(1)<<(16*uint(s)&63) - 1
		distance := p ^ (p^(32768*lanes-p))&rises // to 32768 where p rises, and else to 0
		change := distance >> rate & (lanes * (65535 >> rate))
		p += 2*(change&rises) - change
		if count < 32 {
			count++
		}
		cdf[0], cdf[1], cdf[2], cdf[3] = uint16(p), uint16(p>>16), uint16(p>>32), uint16(count)
	}
	return w.consume(low, high), s
}

// symbol reads a symbol of len(cdf) values (section 8.2.6). The elements of cdf are 32768 minus those of the
// specification, without those for the last value, and then its counter.
func (d *symbolDecoder) symbol(cdf []uint16) int {
	last := len(cdf) - 1
	value, r := uint32(d.bits>>48), d.size>>8
	high, low := d.size, uint32(0)
	s := 0
	for ; s < last; s++ {
		low = r*uint32(cdf[s]>>6)>>1 + 4*uint32(last-s)
		if value >= low {
			break
		}
		high = low
	}
	if s == last {
		low = 0
	}
	d.window = d.window.consume(low, high)
	if d.left < 0 {
		d.refill()
	}
	if d.adapts {
		adapt(cdf, s)
	}
	return s
}

// adapt updates the probabilities for a symbol that was read.
func adapt(cdf []uint16, s int) {
	last := len(cdf) - 1
	count := cdf[last]
	rate := 4 + count>>4
	if last >= 3 {
		rate++
	}
	rate &= 15
	for i, v := range cdf[:last] {
		if i < s {
			cdf[i] = v + (32768-v)>>rate
		} else {
			cdf[i] = v - v>>rate
		}
	}
	if count < 32 {
		cdf[last] = count + 1
	}
}
