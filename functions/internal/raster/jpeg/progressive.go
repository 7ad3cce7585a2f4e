package jpeg

import (
	"cmp"
	"encoding/binary"
	"math/bits"
)

// The four kinds of progressive scans (T.81, annex G) put coefficients together, a few at a time and the highest bits
// first. Only those that the scale needs are stored; of the others it is known which are not zero, because a scan has
// bits for those. As in skim, what has been read of the bits is kept in registers.

// firstDC reads differences.
func (s *scan) firstDC(c *component, x, y, blocks int) error {
	b, coefs := s.bits, c.coefs[(y*c.paddedX+x)*c.perBlock:]
	b.fill()
	acc, n, p := b.acc, b.n, b.p
	for i := range blocks {
		value := c.dc.values[acc>>(64-valueBits)]
		acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
		p += (63 - n) >> 3
		n |= 56
		if length := int(value & 0xff); length != 0 {
			acc <<= length & 63
			n -= length
			c.last += int(value >> 16)
		} else {
			b.acc, b.n, b.p = acc, n, p
			diff, err := b.difference(c.dc)
			if err != nil {
				return err
			}
			b.fill()
			acc, n, p = b.acc, b.n, b.p
			c.last += diff
		}
		coefs[i*c.perBlock] = int16(c.last << s.low)
	}
	b.acc, b.n, b.p = acc, n, p
	return nil
}

// refineDC reads a bit for each block.
func (s *scan) refineDC(c *component, x, y, blocks int) error {
	if s.bits.n < blocks {
		s.bits.fill()
	}
	coefs, read := c.coefs[(y*c.paddedX+x)*c.perBlock:], s.bits.take(blocks)
	for i := range blocks {
		coefs[i*c.perBlock] |= int16(read>>(blocks-1-i)&1) << s.low
	}
	return nil
}

// firstAC reads runs of zeros and what follows them. Like refineAC it is for scans of one component.
func (s *scan) firstAC(c *component, x, y, blocks int) error {
	b, h, needed := s.bits, c.ac, needed[c.scale]
	b.fill()
	acc, n, p := b.acc, b.n, b.p
	at := y*c.paddedX + x
	for end := at + blocks; at < end; at++ {
		if s.blocks > 0 {
			passed := min(s.blocks, end-at)
			s.blocks -= passed
			at += passed - 1
			continue
		}
		coefs, nonzero := c.coefs[at*c.perBlock:][:c.perBlock], c.nonzero[at]
		for k := s.first; k <= s.last; k++ {
			value := h.values[acc>>(64-valueBits)]
			acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
			p += (63 - n) >> 3
			n |= 56
			if length := int(value & 0xff); length != 0 {
				acc <<= length & 63
				n -= length
			} else {
				var err error
				b.acc, b.n, b.p = acc, n, p
				if value, err = b.value(h); err != nil {
					return err
				}
				b.fill()
				acc, n, p = b.acc, b.n, b.p
			}
			run := int(value >> 8 & 0xff)
			if value>>16 == 0 && run != 15 {
				b.acc, b.n, b.p = acc, n, p
				s.blocks = b.run(run)
				b.fill()
				acc, n, p = b.acc, b.n, b.p
				break
			}
			if k += run; value>>16 == 0 || k > s.last {
				continue
			}
			nonzero |= 1 << k
			if k <= needed {
				coefs[k] = int16(value >> 16 << s.low)
			}
		}
		c.nonzero[at] = nonzero
	}
	b.acc, b.n, b.p = acc, n, p
	return nil
}

// run reads how many blocks after this one have no more coefficients in the band, in 2^n steps.
func (b *bitReader) run(n int) int {
	if b.n < n {
		b.fill()
	}
	return 1<<n + b.take(n) - 1
}

// refineAC reads a bit for every coefficient that is not zero, and which of the others become 1 or -1 by it.
func (s *scan) refineAC(c *component, x, y, blocks int) error {
	b, h, last, one := s.bits, c.ac, s.last, int16(1)<<s.low
	b.fill()
	acc, n, p := b.acc, b.n, b.p
	at := y*c.paddedX + x
	for end := at + blocks; at < end; at++ {
		coefs, nonzero := c.coefs[at*c.perBlock:][:c.perBlock], c.nonzero[at]
		for k := s.first; k <= last; k++ {
			value, place := int32(0), last+1
			if s.blocks == 0 {
				value = h.values[acc>>(64-valueBits)]
				acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
				p += (63 - n) >> 3
				n |= 56
				if length := int(value & 0xff); length != 0 {
					acc <<= length & 63
					n -= length
				} else {
					var err error
					b.acc, b.n, b.p = acc, n, p
					if value, err = b.value(h); err != nil {
						return err
					}
					acc, n, p = b.acc, b.n, b.p
				}
				run := int(value >> 8 & 0xff)
				value >>= 16
				switch {
				case value == 0 && run != 15:
					b.acc, b.n, b.p = acc, n, p
					s.blocks = b.run(run) + 1 // this one, too
					acc, n, p = b.acc, b.n, b.p
				case value < -1 || value > 1: // it becomes nonzero by its last bit
					b.acc, b.n, b.p = acc, n, p
					return cmp.Or(b.enough(), errCode)
				default:
					place = zero(nonzero, k, run, last)
				}
			}
			some := nonzero & (1<<(place&63) - 1) >> (k & 63) << (k & 63)
			if place == 64 {
				some = nonzero >> (k & 63) << (k & 63)
			}
			if count := bits.OnesCount64(some); count <= n {
				refine(coefs, some, acc, one)
				acc <<= count & 63
				n -= count
			} else {
				b.acc, b.n, b.p = acc, n, p
				b.refine(coefs, some, one)
				acc, n, p = b.acc, b.n, b.p
			}
			if k = place; value != 0 && place <= last {
				nonzero |= 1 << (place & 63)
				if place < len(coefs) {
					coefs[place] = int16(value) * one
				}
			}
			if n < valueBits {
				b.acc, b.n, b.p = acc, n, p
				b.fill()
				acc, n, p = b.acc, b.n, b.p
			}
		}
		c.nonzero[at] = nonzero
		s.blocks = max(0, s.blocks-1)
	}
	b.acc, b.n, b.p = acc, n, p
	return nil
}

// zero is the place of the coefficient, from k on, that is zero and behind so many others that are; behind the last of
// the band if there is none.
func zero(nonzero uint64, k, others, last int) int {
	zeros := ^nonzero >> (k & 63) << (k & 63)
	for range others {
		zeros &= zeros - 1
	}
	return min(bits.TrailingZeros64(zeros), last+1)
}

// refine adds a bit of acc to each of some coefficients, as far as they are stored.
func refine(coefs []int16, some, acc uint64, one int16) {
	for left := some & (1<<len(coefs) - 1); left != 0; left &= left - 1 {
		at := bits.TrailingZeros64(left) & 63
		away := coefs[at]>>15 | 1 // from zero
		coefs[at] += away * one & -int16(acc>>63)
		acc <<= 1
	}
}

// refine is for more bits than may be valid.
func (b *bitReader) refine(coefs []int16, some uint64, one int16) {
	const half = 1<<32 - 1
	for _, some := range [2]uint64{some & half, some &^ half} {
		b.fill()
		refine(coefs, some, b.acc, one)
		count := bits.OnesCount64(some)
		b.acc <<= count
		b.n -= count
	}
}

// reconstruct turns the coefficients of all scans into samples.
func (d *decoder) reconstruct() error {
	for _, c := range d.components {
		for y := range c.blocksY {
			if err := d.Check(); err != nil {
				return err
			}
			if c.scale == 1 {
				c.reconstructRow(y)
				continue
			}
			for x := range c.blocksX {
				d.reconstructBlock(c, x, y)
			}
		}
		c.coefs, c.nonzero = nil, nil
	}
	return nil
}

// reconstructRow is for the scale of 1.
func (c *component) reconstructRow(y int) {
	row, step := c.plane.Row(y), int32(c.quant[0])
	for x, value := range c.coefs[y*c.paddedX:][:len(row)] {
		row[x] = level((int32(value)*step + 4) >> 3)
	}
}

func (d *decoder) reconstructBlock(c *component, x, y int) {
	at := y*c.paddedX + x
	coefs := c.coefs[at*c.perBlock:][:c.perBlock]
	d.block = block{int64(coefs[0]) * int64(c.quant[0])}
	pix := c.plane.Pix[c.scale*(y*c.plane.Stride+x):]
	left := c.nonzero[at] & (2<<needed[c.scale] - 1)
	if left == 0 {
		d.block.fill(pix, c.plane.Stride, c.scale)
		return
	}
	for ; left != 0; left &= left - 1 {
		k := bits.TrailingZeros64(left)
		d.block.set(natural[k], int32(coefs[k])*int32(c.quant[k]))
	}
	d.block.idct(pix, c.plane.Stride, c.scale)
}
