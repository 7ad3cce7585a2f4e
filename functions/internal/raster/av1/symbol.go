package av1

import (
	"encoding/binary"
	mathbits "math/bits"
)

// A symbolDecoder is the state of the symbol decoder (section 8.2) within a tile.
type symbolDecoder struct {
	data []byte // that is left
	// window holds the inverse of the next bits of the tile, with SymbolValue in its upper 16 bits. The bits after the
	// end of the tile are zeros.
	window uint64
	size   uint32 // SymbolRange
	left   int    // the number of bits in window after the first 15
	padded int    // how many of them are after the end of the tile
	adapts bool   // disable_cdf_update is 0
}

// start starts decoding a tile (section 8.2.2).
func (d *symbolDecoder) start(data []byte, adapts bool) {
	*d = symbolDecoder{data: data, window: 1<<63 - 1, size: 1 << 15, left: -15, adapts: adapts}
	d.refill()
}

// refill adds bits to the window, at least 33.
func (d *symbolDecoder) refill() {
	const endless = 1 << 30
	shift := 63 - 15 - 8 - d.left
	if len(d.data) >= 8 {
		n := shift/8 + 1
		next := binary.BigEndian.Uint64(d.data) >> (64 - 8*n)
		d.window ^= next << (shift % 8)
		d.data = d.data[n:]
		d.left += 8 * n
		return
	}
	for ; shift >= 0 && len(d.data) > 0; shift -= 8 {
		d.window ^= uint64(d.data[0]) << shift
		d.data = d.data[1:]
		d.left += 8
	}
	if shift >= 0 {
		d.left += endless
		d.padded += endless
	}
}

// isPastEnd reports whether more bits were read than a conforming tile has (section 8.2.4).
func (d *symbolDecoder) isPastEnd() bool { return d.left-d.padded < -14 && len(d.data) == 0 }

// consume ends the decoding of a symbol: the range is from low to high.
func (d *symbolDecoder) consume(low, high uint32) {
	size := high - low
	n := mathbits.LeadingZeros32(size) - 16
	d.window = (d.window-uint64(low)<<48+1)<<n - 1
	d.size = size << n
	if d.left -= n; d.left < 0 {
		d.refill()
	}
}

// literal reads L(n): n bits of equal probability.
func (d *symbolDecoder) literal(n int) int {
	v := 0
	for range n {
		v = v<<1 | d.bit()
	}
	return v
}

func (d *symbolDecoder) flag() bool { return d.bit() != 0 }

func (d *symbolDecoder) bit() int {
	middle := d.size>>8<<7 + 4
	if uint32(d.window>>48) >= middle {
		d.consume(middle, d.size)
		return 0
	}
	d.consume(0, middle)
	return 1
}

// nonSymmetric reads NS(n).
func (d *symbolDecoder) nonSymmetric(n int) int {
	w := mathbits.Len(uint(n))
	m := 1<<w - n
	v := d.literal(w - 1)
	if v < m {
		return v
	}
	return v<<1 - m + d.bit()
}

// probable reads a symbol of two values. The probability of the second one is p / 32768, and does not adapt.
func (d *symbolDecoder) probable(p uint16) bool {
	middle := d.size>>8*uint32(p>>6)>>1 + 4
	if uint32(d.window>>48) >= middle {
		d.consume(middle, d.size)
		return false
	}
	d.consume(0, middle)
	return true
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
	value, r := uint32(d.window>>48), d.size>>8
	high, low := d.size, r*uint32(cdf[0]>>6)>>1+12
	s := 0
	if value < low {
		high, low = low, r*uint32(cdf[1]>>6)>>1+8
		s = 1
		if value < low {
			high, low = low, r*uint32(cdf[2]>>6)>>1+4
			s = 2
			if value < low {
				high, low = low, 0
				s = 3
			}
		}
	}
	d.consume(low, high)
	if d.adapts {
		a, b, c, count := cdf[0], cdf[1], cdf[2], cdf[3]
		rate := (5 + count>>4) & 15
		a2, b2, c2 := a-a>>rate, b-b>>rate, c-c>>rate
		if s > 0 {
			a2 = a + (32768-a)>>rate
		}
		if s > 1 {
			b2 = b + (32768-b)>>rate
		}
		if s > 2 {
			c2 = c + (32768-c)>>rate
		}
		if count < 32 {
			count++
		}
		*cdf = [4]uint16{a2, b2, c2, count}
	}
	return s
}

// symbol reads a symbol of len(cdf) values (section 8.2.6). The elements of cdf are 32768 minus those of the
// specification, without those for the last value, and then its counter.
func (d *symbolDecoder) symbol(cdf []uint16) int {
	last := len(cdf) - 1
	value, r := uint32(d.window>>48), d.size>>8
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
	d.consume(low, high)
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
