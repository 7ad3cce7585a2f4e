package jpeg

import "encoding/binary"

// decodeDCInGo reads blocks of a baseline or extended scan at a scale of 1: their DC coefficients. AC coefficients are
// skipped as fast as possible, because that is what a thumbnail of a photograph costs.
func (s *scan) decodeDCInGo(c *component, x, y, blocks int) error {
	b, dc, ac := s.bits, c.dc, c.ac
	last, step := int32(c.prevDC), int32(c.quant[0])
	pix := c.plane.Pix[y*c.plane.Stride+x:][:blocks]
	b.refill()
	acc, n, p := b.acc, b.n, b.p
	for i := range pix {
		// Every table is indexed before the bits are refilled, so that neither has to wait for the other. There are more than
		// enough bits, because a refill makes 56 valid, and at most maxSkipBits are used.
		value := dc.coefs[acc>>(64-coefBits)]
		acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
		p += (63 - n) >> 3
		n |= 56
		if length := value & 0xff; length != 0 {
			acc <<= length & 63
			n -= int(length)
			last += value >> 16
		} else {
			b.acc, b.n, b.p = acc, n, p
			diff, err := b.readDCDiff(dc)
			if err != nil {
				return err
			}
			b.refill()
			acc, n, p = b.acc, b.n, b.p
			last += int32(diff)
		}
		pix[i] = clampSample((last*step + 4) >> 3)

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
		if isBlockEnd(k) {
			acc <<= skip & 63
			n -= int(skip & 63)
			continue
		}
		b.acc, b.n, b.p = acc, n, p
		if err := b.skipAC(ac, k-int(skip>>6)); err != nil {
			return err
		}
		b.refill()
		acc, n, p = b.acc, b.n, b.p
	}
	b.acc, b.n, b.p, c.prevDC = acc, n, p, int(last)
	return nil
}

// isBlockEnd reports whether a skip ends the block. Otherwise it includes coefficients of the next block.
func isBlockEnd(next int) bool { return next == 64 || endOfBlock <= next && next <= endOfBlock+64 }

// decodeSequential decodes blocks of a baseline or extended scan.
func (s *scan) decodeSequential(c *component, x, y, blocks int) error {
	for ; blocks > 0; blocks, x = blocks-1, x+1 {
		dcOnly, err := s.readBlock(c)
		pix := c.plane.Pix[c.scale*(y*c.plane.Stride+x):]
		switch {
		case err != nil:
			return err
		case dcOnly:
			s.block.fillDC(pix, c.plane.Stride, c.scale)
		default:
			s.block.idct(pix, c.plane.Stride, c.scale)
		}
	}
	return nil
}

// readCoefs reads a block. It reports whether all of its AC coefficients that the scale needs are zero.
func (s *scan) readCoefs(c *component) (dcOnly bool, err error) {
	diff, err := s.bits.readDCDiff(c.dc)
	if err != nil {
		return false, err
	}
	c.prevDC += diff
	s.block = block{int32(c.prevDC) * int32(c.quant[0])}
	return s.readAC(c)
}

// readDCDiff reads the difference of a DC coefficient from its predictor.
func (b *bitReader) readDCDiff(h *huffmanTable) (int, error) {
	size, err := b.readSymbol(h)
	if err != nil {
		return 0, err
	}
	return extend(b.readBits(int(size)), int(size)), nil
}

// readAC reads the AC coefficients that the scale needs, and skips the others. It reports whether all of those needed
// are zero.
func (s *scan) readAC(c *component) (dcOnly bool, err error) {
	b, h, last := s.bits, c.ac, c.lastCoef
	b.refill()
	acc, n, p := b.acc, b.n, b.p
	k, ended := 1, false
	dcOnly = true
	for k <= last {
		v := h.coefs[acc>>(64-coefBits)] // before the refill: see decodeDC
		acc |= binary.BigEndian.Uint64(b.buf[p:]) >> (n & 63)
		p += (63 - n) >> 3
		n |= 56
		if length := int(v & 0xff); length != 0 {
			acc <<= length & 63
			n -= length
		} else {
			b.acc, b.n, b.p = acc, n, p
			if v, err = b.readCoef(h); err != nil {
				return dcOnly, err
			}
			b.refill()
			acc, n, p = b.acc, b.n, b.p
		}
		run, value := int(v>>8&0xff), v>>16
		k += run
		if value == 0 && run != 15 || k > 63 { // the end of the block, or beyond it
			ended = true
			break
		}
		if value != 0 {
			step := c.steps[k]
			s.block[step&0x7f] = value * int32(step>>8)
			dcOnly = false
		}
		k++
	}
	b.acc, b.n, b.p = acc, n, p
	if ended || k > 63 {
		return dcOnly, nil
	}
	return dcOnly, b.skipAC(h, k)
}

// readCoef reads a coefficient that does not fit into the index of huffmanTable.coefs, in the same form.
func (b *bitReader) readCoef(h *huffmanTable) (int32, error) {
	symbol, err := b.readSymbol(h)
	if err != nil {
		return 0, err
	}
	run, size := int32(symbol>>4), int(symbol&15)
	return int32(extend(b.readBits(size), size))<<16 | run<<8, nil
}

// skipAC skips the coefficients of a block from k on.
func (b *bitReader) skipAC(h *huffmanTable, k int) error {
	for {
		if b.n < 56 {
			b.refill()
		}
		skip := h.skips[b.acc>>(64-skipBits)]
		next := k + int(skip>>6)
		if next < 64 || isBlockEnd(next) { // noCode does not end it, because k is not 0
			b.acc <<= skip & 63
			b.n -= int(skip & 63)
			if next >= 64 {
				return nil
			}
			k = next
			continue
		}
		symbol, err := b.readSymbol(h)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), int(symbol&15)
		b.readBits(size)
		k += run + 1
		if size == 0 && run != 15 || k >= 64 {
			return nil
		}
	}
}
