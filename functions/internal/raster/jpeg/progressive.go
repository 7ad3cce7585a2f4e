package jpeg

import "math/bits"

// The four kinds of progressive scans (T.81, annex G) put coefficients together, a few at a time and the highest bits
// first. coefs is the place of a block's.

func (s *scan) coefs(c *component, x, y int) []int16 {
	return c.coefs[(y*c.paddedX+x)*c.perBlock:][:c.perBlock:c.perBlock]
}

func (c *component) nonzeroOf(x, y int) *uint64 { return &c.nonzero[y*c.paddedX+x] }

func (s *scan) firstDC(c *component, x, y, blocks int) error {
	for ; blocks > 0; blocks, x = blocks-1, x+1 {
		diff, err := s.bits.difference(c.dc)
		if err != nil {
			return err
		}
		c.last += diff
		s.coefs(c, x, y)[0] = int16(c.last << s.low)
	}
	return nil
}

func (s *scan) refineDC(c *component, x, y, blocks int) error {
	for ; blocks > 0; blocks, x = blocks-1, x+1 {
		if s.bits.bit() {
			s.coefs(c, x, y)[0] |= 1 << s.low
		}
	}
	return nil
}

// firstAC and refineAC are for scans of one component, whose units are a block.
func (s *scan) firstAC(c *component, x, y, _ int) error {
	if s.blocks > 0 {
		s.blocks--
		return nil
	}
	coefs, nonzero, b := s.coefs(c, x, y), c.nonzeroOf(x, y), s.bits
	for k := s.first; k <= s.last; k++ {
		symbol, err := b.decode(c.ac)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 && run != 15 {
			s.blocks = b.run(run)
			return nil
		}
		k += run
		if size > 0 && k < 64 {
			coefs[k] = int16(extend(b.take(size), size) << s.low)
			*nonzero |= 1 << k
		}
	}
	return nil
}

// run reads how many blocks after this one have no more coefficients in the band, in 2^n steps.
func (b *bitReader) run(n int) int {
	if n == 0 {
		return 0
	}
	return 1<<n + b.take(n) - 1
}

func (s *scan) refineAC(c *component, x, y, _ int) error {
	nonzero := c.nonzeroOf(x, y)
	if s.blocks > 0 {
		s.blocks--
		if *nonzero != 0 {
			s.refine(s.coefs(c, x, y), *nonzero, s.first, 64)
		}
		return nil
	}
	coefs, b := s.coefs(c, x, y), s.bits
	for k := s.first; k <= s.last; k++ {
		symbol, err := b.decode(c.ac)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 && run != 15 {
			s.blocks = b.run(run)
			s.refine(coefs, *nonzero, k, 64)
			return nil
		}
		value := int16(0)
		if size > 0 { // which is 1: a coefficient becomes nonzero with its last bit
			value = -1 << s.low
			if b.bit() {
				value = 1 << s.low
			}
		}
		k = s.refine(coefs, *nonzero, k, run)
		if value != 0 && k <= s.last {
			coefs[k] = value
			*nonzero |= 1 << k
		}
	}
	return nil
}

// refine reads a bit for every coefficient that is not zero, from k on, up to the one behind so many zeros, whose place
// it returns.
func (s *scan) refine(coefs []int16, nonzero uint64, k, zeros int) int {
	for left := nonzero >> k << k & (2<<s.last - 1); left != 0; left &= left - 1 {
		at := bits.TrailingZeros64(left)
		if zeros < at-k {
			break
		}
		zeros -= at - k
		k = at + 1
		if s.bits.bit() {
			if coefs[at] > 0 {
				coefs[at] += 1 << s.low
			} else {
				coefs[at] -= 1 << s.low
			}
		}
	}
	return k + zeros
}

func (b *bitReader) bit() bool {
	if b.n < 1 {
		b.fill()
	}
	return b.take(1) != 0
}

// reconstruct turns the coefficients of all scans into samples.
func (d *decoder) reconstruct() {
	for _, c := range d.components {
		for y := range c.blocksY {
			if d.scale == 1 {
				c.reconstructRow(y)
				continue
			}
			for x := range c.blocksX {
				d.reconstructBlock(c, x, y)
			}
		}
		c.coefs, c.nonzero = nil, nil
	}
}

// reconstructRow is for the scale of 1.
func (c *component) reconstructRow(y int) {
	row, step := c.plane.Row(y), int32(c.quant[0])
	for x, value := range c.coefs[y*c.paddedX:][:len(row)] {
		row[x] = level((int32(value)*step + 4) >> 3)
	}
}

func (d *decoder) reconstructBlock(c *component, x, y int) {
	coefs := (*[64]int16)(c.coefs[64*(y*c.paddedX+x):])
	d.block = block{int32(coefs[0]) * int32(c.quant[0])}
	pix := c.plane.Pix[d.scale*(y*c.plane.Stride+x):]
	left := *c.nonzeroOf(x, y) & (2<<needed[d.scale] - 1)
	if left == 0 {
		d.block.fill(pix, c.plane.Stride, d.scale)
		return
	}
	for ; left != 0; left &= left - 1 {
		k := bits.TrailingZeros64(left)
		d.block[natural[k]] = int32(coefs[k]) * int32(c.quant[k])
	}
	d.block.idct(pix, c.plane.Stride, d.scale)
}
