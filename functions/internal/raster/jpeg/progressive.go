package jpeg

import (
	"cmp"
	"encoding/binary"
	"math/bits"
)

// The four kinds of progressive scans (T.81, annex G) build coefficients up, a few at a time and the highest bits
// first. Only coefficients that the scale needs are stored; of the others only whether they are zero is known, because
// refinement scans have a bit for each that is not. As in decodeDC, the state of the bit reader is kept in registers.

// decodeDCFirst reads the first scan of DC coefficients: their differences.
func (s *scan) decodeDCFirst(c *component, x, y, blocks int) error {
	b, coefs := s.bits, c.coefs[(y*c.blockStride+x)*c.coefsPerBlock:]
	b.refill()
	acc, n, p := b.acc, b.n, b.p
	for i := range blocks {
		value := c.dc.coefs[acc>>(64-coefBits)]
		acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
		p += (63 - n) >> 3
		n |= 56
		if length := int(value & 0xff); length != 0 {
			acc <<= length & 63
			n -= length
			c.prevDC += int(value >> 16)
		} else {
			b.acc, b.n, b.p = acc, n, p
			diff, err := b.readDCDiff(c.dc)
			if err != nil {
				return err
			}
			b.refill()
			acc, n, p = b.acc, b.n, b.p
			c.prevDC += diff
		}
		coefs[i*c.coefsPerBlock] = int16(c.prevDC << s.approxLow)
	}
	b.acc, b.n, b.p = acc, n, p
	return nil
}

// decodeDCRefine reads one more bit of each DC coefficient.
func (s *scan) decodeDCRefine(c *component, x, y, blocks int) error {
	if s.bits.n < blocks {
		s.bits.refill()
	}
	coefs, read := c.coefs[(y*c.blockStride+x)*c.coefsPerBlock:], s.bits.readBits(blocks)
	for i := range blocks {
		coefs[i*c.coefsPerBlock] |= int16(read>>(blocks-1-i)&1) << s.approxLow
	}
	return nil
}

// decodeACFirst reads the first scan of a band of AC coefficients. Like decodeACRefine it serves scans of one
// component.
func (s *scan) decodeACFirst(c *component, x, y, blocks int) error {
	b, h, needed := s.bits, c.ac, lastCoef[c.scale]
	b.refill()
	acc, n, p := b.acc, b.n, b.p
	at := y*c.blockStride + x
	for end := at + blocks; at < end; at++ {
		if s.eobRun > 0 {
			passed := min(s.eobRun, end-at)
			s.eobRun -= passed
			at += passed - 1
			continue
		}
		coefs, nonzero := c.coefs[at*c.coefsPerBlock:][:c.coefsPerBlock], c.nonzero[at]
		for k := s.specStart; k <= s.specEnd; k++ {
			value := h.coefs[acc>>(64-coefBits)]
			acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
			p += (63 - n) >> 3
			n |= 56
			if length := int(value & 0xff); length != 0 {
				acc <<= length & 63
				n -= length
			} else {
				var err error
				b.acc, b.n, b.p = acc, n, p
				if value, err = b.readCoef(h); err != nil {
					return err
				}
				b.refill()
				acc, n, p = b.acc, b.n, b.p
			}
			run := int(value >> 8 & 0xff)
			if value>>16 == 0 && run != 15 {
				b.acc, b.n, b.p = acc, n, p
				s.eobRun = b.readEOBRun(run)
				b.refill()
				acc, n, p = b.acc, b.n, b.p
				break
			}
			if k += run; value>>16 == 0 || k > s.specEnd {
				continue
			}
			nonzero |= 1 << k
			if k <= needed {
				coefs[k] = int16(value >> 16 << s.approxLow)
			}
		}
		c.nonzero[at] = nonzero
	}
	b.acc, b.n, b.p = acc, n, p
	return nil
}

// readEOBRun reads the length of an end-of-band run of category n (T.81, section G.1.2.2), this block excluded.
func (b *bitReader) readEOBRun(n int) int {
	if b.n < n {
		b.refill()
	}
	return 1<<n + b.readBits(n) - 1
}

// decodeACRefine reads one more bit of each AC coefficient that is not zero, and the coefficients that become 1 or -1.
func (s *scan) decodeACRefine(c *component, x, y, blocks int) error {
	b, h, last, one := s.bits, c.ac, s.specEnd, int16(1)<<s.approxLow
	b.refill()
	acc, n, p := b.acc, b.n, b.p
	at := y*c.blockStride + x
	for end := at + blocks; at < end; at++ {
		coefs, nonzero := c.coefs[at*c.coefsPerBlock:][:c.coefsPerBlock], c.nonzero[at]
		for k := s.specStart; k <= last; k++ {
			value, place := int32(0), last+1
			if s.eobRun == 0 {
				value = h.coefs[acc>>(64-coefBits)]
				acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
				p += (63 - n) >> 3
				n |= 56
				if length := int(value & 0xff); length != 0 {
					acc <<= length & 63
					n -= length
				} else {
					var err error
					b.acc, b.n, b.p = acc, n, p
					if value, err = b.readCoef(h); err != nil {
						return err
					}
					acc, n, p = b.acc, b.n, b.p
				}
				run := int(value >> 8 & 0xff)
				value >>= 16
				switch {
				case value == 0 && run != 15:
					b.acc, b.n, b.p = acc, n, p
					s.eobRun = b.readEOBRun(run) + 1 // this block included
					acc, n, p = b.acc, b.n, b.p
				case value < -1 || value > 1: // a coefficient becomes nonzero with its lowest bit only
					b.acc, b.n, b.p = acc, n, p
					return cmp.Or(b.checkOverrun(), errInvalidCode)
				default:
					place = nthZero(nonzero, k, run, last)
				}
			}
			some := nonzero & (1<<(place&63) - 1) >> (k & 63) << (k & 63)
			if place == 64 {
				some = nonzero >> (k & 63) << (k & 63)
			}
			if count := bits.OnesCount64(some); count <= n {
				refineCoefs(coefs, some, acc, one)
				acc <<= count & 63
				n -= count
			} else {
				b.acc, b.n, b.p = acc, n, p
				b.refineCoefs(coefs, some, one)
				acc, n, p = b.acc, b.n, b.p
			}
			if k = place; value != 0 && place <= last {
				nonzero |= 1 << (place & 63)
				if place < len(coefs) {
					coefs[place] = int16(value) * one
				}
			}
			if n < coefBits {
				b.acc, b.n, b.p = acc, n, p
				b.refill()
				acc, n, p = b.acc, b.n, b.p
			}
		}
		c.nonzero[at] = nonzero
		s.eobRun = max(0, s.eobRun-1)
	}
	b.acc, b.n, b.p = acc, n, p
	return nil
}

// nthZero is the place of the zero coefficient, from k on, that follows skip other zeros; last+1 if there is none.
func nthZero(nonzero uint64, k, skip, last int) int {
	zeros := ^nonzero >> (k & 63) << (k & 63)
	for range skip {
		zeros &= zeros - 1
	}
	return min(bits.TrailingZeros64(zeros), last+1)
}

// refineCoefs adds a bit of acc to each of some coefficients, as far as they are stored.
func refineCoefs(coefs []int16, some, acc uint64, one int16) {
	for left := some & (1<<len(coefs) - 1); left != 0; left &= left - 1 {
		at := bits.TrailingZeros64(left) & 63
		away := coefs[at]>>15 | 1 // sign, away from zero
		coefs[at] += away * one & -int16(acc>>63)
		acc <<= 1
	}
}

// refineCoefs handles more bits than may be valid.
func (b *bitReader) refineCoefs(coefs []int16, some uint64, one int16) {
	const half = 1<<32 - 1
	for _, some := range [2]uint64{some & half, some &^ half} {
		b.refill()
		refineCoefs(coefs, some, b.acc, one)
		count := bits.OnesCount64(some)
		b.acc <<= count
		b.n -= count
	}
}

// reconstruct turns the coefficients of all scans into samples.
func (d *decoder) reconstruct() error {
	for _, c := range d.components {
		for y := range c.blocksY {
			if err := d.check(); err != nil {
				return err
			}
			if c.scale == 1 {
				c.reconstructDCRow(y)
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

// reconstructDCRow handles a scale of 1.
func (c *component) reconstructDCRow(y int) {
	row, step := c.plane.Row(y), int32(c.quant[0])
	for x, value := range c.coefs[y*c.blockStride:][:len(row)] {
		row[x] = clampSample((int32(value)*step + 4) >> 3)
	}
}

func (d *decoder) reconstructBlock(c *component, x, y int) {
	at := y*c.blockStride + x
	coefs := c.coefs[at*c.coefsPerBlock:][:c.coefsPerBlock]
	d.block = block{int64(coefs[0]) * int64(c.quant[0])}
	pix := c.plane.Pix[c.scale*(y*c.plane.Stride+x):]
	left := c.nonzero[at] & (2<<lastCoef[c.scale] - 1)
	if left == 0 {
		d.block.fillDC(pix, c.plane.Stride, c.scale)
		return
	}
	for ; left != 0; left &= left - 1 {
		k := bits.TrailingZeros64(left)
		d.block.set(zigzag[k], int32(coefs[k])*int32(c.quant[k]))
	}
	d.block.idct(pix, c.plane.Stride, c.scale)
}
