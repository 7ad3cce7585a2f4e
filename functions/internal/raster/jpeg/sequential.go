package jpeg

import "encoding/binary"

// skim reads so many blocks of a baseline or extended scan, next to each other, at the scale of 1: their DC coefficients.
// Whatever else there is, is passed over as fast as can be, which is what the thumbnail of a photograph costs.
func (s *scan) skim(c *component, x, y, blocks int) error {
	b, dc, ac := s.bits, c.dc, c.ac
	last, step := int32(c.last), int32(c.quant[0])
	pix := c.plane.Pix[y*c.plane.Stride+x:][:blocks]
	b.fill()
	acc, n, p := b.acc, b.n, b.p
	for i := range pix {
		// Every table is asked for what comes next before the bits are refilled: neither has to wait for the other. There
		// are more than enough bits, because a refill makes them 56, and at most maxSkip are used.
		value := dc.values[acc>>(64-valueBits)]
		acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
		p += (63 - n) >> 3
		n |= 56
		if length := value & 0xff; length != 0 {
			acc <<= length & 63
			n -= int(length)
			last += value >> 16
		} else {
			b.acc, b.n, b.p = acc, n, p
			diff, err := b.difference(dc)
			if err != nil {
				return err
			}
			b.fill()
			acc, n, p = b.acc, b.n, b.p
			last += int32(diff)
		}
		pix[i] = level((last*step + 4) >> 3)

		var skip uint16
		k := 1
		for {
			skip = ac.skips[acc>>(64-skipBits)]
			acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
			p += (63 - n) >> 3
			n |= 56
			if k += int(skip >> 6); k >= 64 {
				break
			}
			acc <<= skip & 63
			n -= int(skip & 63)
		}
		if ends(k) {
			acc <<= skip & 63
			n -= int(skip & 63)
			continue
		}
		b.acc, b.n, b.p = acc, n, p
		if err := b.skip(ac, k-int(skip>>6)); err != nil {
			return err
		}
		b.fill()
		acc, n, p = b.acc, b.n, b.p
	}
	b.acc, b.n, b.p, c.last = acc, n, p, int(last)
	return nil
}

// ends tells whether a block ends where a skip leads. Otherwise, some of what it passes is of the next block.
func ends(next int) bool { return next == 64 || blockEnd <= next && next <= blockEnd+64 }

// sequential decodes blocks of a baseline or extended scan.
func (s *scan) sequential(c *component, x, y, blocks int) error {
	for ; blocks > 0; blocks, x = blocks-1, x+1 {
		diff, err := s.bits.difference(c.dc)
		if err != nil {
			return err
		}
		c.last += diff
		s.block = block{int64(c.last) * int64(c.quant[0])}
		plain, err := s.coefficients(c)
		pix := c.plane.Pix[c.scale*(y*c.plane.Stride+x):]
		switch {
		case err != nil:
			return err
		case plain:
			s.block.fill(pix, c.plane.Stride, c.scale)
		default:
			s.block.idct(pix, c.plane.Stride, c.scale)
		}
	}
	return nil
}

// difference reads that of a DC coefficient from the one before.
func (b *bitReader) difference(h *huffman) (int, error) {
	size, err := b.decode(h)
	if err != nil {
		return 0, err
	}
	return extend(b.take(int(size)), int(size)), nil
}

// coefficients reads the AC coefficients that the scale needs and passes over the others. It tells whether there were
// none of the former.
func (s *scan) coefficients(c *component) (plain bool, err error) {
	b, h, last := s.bits, c.ac, needed[c.scale]
	b.fill()
	acc, n, p := b.acc, b.n, b.p
	k, ended := 1, false
	plain = true
	for k <= last {
		v := h.values[acc>>(64-valueBits)] // before the refill: see skim
		acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
		p += (63 - n) >> 3
		n |= 56
		if length := int(v & 0xff); length != 0 {
			acc <<= length & 63
			n -= length
		} else {
			b.acc, b.n, b.p = acc, n, p
			if v, err = b.value(h); err != nil {
				return plain, err
			}
			b.fill()
			acc, n, p = b.acc, b.n, b.p
		}
		run, value := int(v>>8&0xff), v>>16
		k += run
		if value == 0 && run != 15 || k > 63 { // the end of the block, or beyond it
			ended = true
			break
		}
		if value != 0 {
			s.block.set(natural[k], value*int32(c.quant[k]))
			plain = false
		}
		k++
	}
	b.acc, b.n, b.p = acc, n, p
	if ended || k > 63 {
		return plain, nil
	}
	return plain, b.skip(h, k)
}

// value reads what does not fit into the index of h.values, in the form that it has there.
func (b *bitReader) value(h *huffman) (int32, error) {
	symbol, err := b.decode(h)
	if err != nil {
		return 0, err
	}
	run, size := int32(symbol>>4), int(symbol&15)
	return int32(extend(b.take(size), size))<<16 | run<<8, nil
}

// skip passes over the coefficients of a block from k on.
func (b *bitReader) skip(h *huffman, k int) error {
	for {
		if b.n < 56 {
			b.fill()
		}
		skip := h.skips[b.acc>>(64-skipBits)]
		next := k + int(skip>>6)
		if next < 64 || ends(next) { // it does not end if it is unclear, because k is not 0
			b.acc <<= skip & 63
			b.n -= int(skip & 63)
			if next >= 64 {
				return nil
			}
			k = next
			continue
		}
		symbol, err := b.decode(h)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), int(symbol&15)
		b.take(size)
		k += run + 1
		if size == 0 && run != 15 || k >= 64 {
			return nil
		}
	}
}
