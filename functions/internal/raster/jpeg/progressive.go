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

// decodeACFirstInGo reads the first scan of a band of AC coefficients. Like decodeACRefine it serves scans of one
// component.
func (s *scan) decodeACFirstInGo(c *component, x, y, blocks int) error {
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
	at := y*c.blockStride + x
	for end := at + blocks; at < end; at++ {
		if at += s.refineBlocks(c, at, end-at); at == end {
			break
		}
		if err := s.refineBlock(c, at); err != nil {
			return err
		}
	}
	return nil
}

// refineBlock is decodeACRefine for a block. The bits of its coefficients are in their order, so they are kept until
// all of them have been read.
func (s *scan) refineBlock(c *component, at int) error {
	b, h, one := s.bits, c.ac, int16(1)<<s.approxLow
	band, needed := s.band(), c.neededCoefs()
	b.refill()
	acc, n, p := b.acc, b.n, b.p
	old, left := c.nonzero[at]&band, band // the coefficients that are not zero, and those that follow
	var read, added, negative uint64      // the bits of old, and the coefficients that are new
	for s.eobRun == 0 && left != 0 {
		acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
		p += (63 - n) >> 3
		n |= 56
		value := h.coefs[acc>>(64-coefBits)]
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
		run, sign := value>>8&0xff, value>>16
		switch {
		case sign == 0 && run != 15:
			b.acc, b.n, b.p = acc, n, p
			s.eobRun = b.readEOBRun(int(run)) + 1 // this block included
			acc, n, p = b.acc, b.n, b.p
			continue
		case sign < -1 || sign > 1: // a coefficient becomes nonzero with its lowest bit only
			b.acc, b.n, b.p = acc, n, p
			return cmp.Or(b.checkOverrun(), errInvalidCode)
		}
		place := nthBit(left&^old, run)
		count := bits.OnesCount64(old & left & (place - 1))
		if count <= n {
			read = read<<(count&63) | acc>>1>>(^count&63)
			acc <<= count & 63
			n -= count
		} else {
			b.acc, b.n, b.p = acc, n, p
			read = read<<(count&63) | b.readManyBits(count)
			acc, n, p = b.acc, b.n, b.p
		}
		left &= -(place << 1)
		if sign != 0 {
			added |= place
			negative |= place & uint64(int64(sign)>>1)
		}
	}
	b.acc, b.n, b.p = acc, n, p
	if s.eobRun > 0 {
		count := bits.OnesCount64(old & left)
		read = read<<(count&63) | b.readManyBits(count)
		s.eobRun--
	}
	coefs := c.coefs[at*c.coefsPerBlock:][:c.coefsPerBlock]
	refineCoefs(coefs, old&needed, read<<(-bits.OnesCount64(old)&63), one)
	addCoefs(coefs, added&needed, negative, one)
	c.nonzero[at] |= added
	return nil
}

// band returns a bit for each coefficient of the scan.
func (s *scan) band() uint64 { return 2<<s.specEnd - 1<<s.specStart }

// neededCoefs returns a bit for each coefficient that is stored.
func (c *component) neededCoefs() uint64 { return 2<<lastCoef[c.scale] - 1 }

// nthBit is the lowest bit of a set that follows skip others, or 0.
func nthBit(set uint64, skip int32) uint64 {
	for range skip {
		set &= set - 1
	}
	return set & -set
}

// readManyBits returns the next n bits, 63 at most, whether or not they are valid.
func (b *bitReader) readManyBits(n int) uint64 {
	b.refill()
	first := b.readBits(n / 2)
	b.refill()
	return uint64(first<<(n-n/2) | b.readBits(n-n/2))
}

// refineCoefs adds a bit, of which the highest is the first, to each of some coefficients.
func refineCoefs(coefs []int16, some, read uint64, one int16) {
	for ; some != 0; some &= some - 1 {
		at := bits.TrailingZeros64(some) & 63
		away := coefs[at]>>15 | 1 // sign, away from zero
		coefs[at] += away * one & -int16(read>>63)
		read <<= 1
	}
}

// addCoefs sets some coefficients to one or its negative.
func addCoefs(coefs []int16, some, negative uint64, one int16) {
	for ; some != 0; some &= some - 1 {
		at := bits.TrailingZeros64(some) & 63
		sign := -int16(negative >> at & 1)
		coefs[at] = one ^ sign - sign
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
	d.block = block{int32(coefs[0]) * int32(c.quant[0])}
	pix := c.plane.Pix[c.scale*(y*c.plane.Stride+x):]
	left := c.nonzero[at] & (2<<lastCoef[c.scale] - 1)
	if left == 0 {
		d.block.fillDC(pix, c.plane.Stride, c.scale)
		return
	}
	for ; left != 0; left &= left - 1 {
		k := bits.TrailingZeros64(left)
		d.block[zigzag[k]&63] = int32(coefs[k]) * int32(c.quant[k])
	}
	d.block.idct(pix, c.plane.Stride, c.scale)
}
