package av1

import mathbits "math/bits"

// A shear is a pair of shears that an affine transformation consists of (section 7.11.3.6).
type shear struct {
	alpha, beta, gamma, delta int
	isValid                   bool
}

// divisor is the process of section 7.11.3.7: a division by d is a multiplication and a shift.
func divisor(d int) (factor int, shift uint) {
	const bits, precision = 8, 14 // DIV_LUT_BITS, DIV_LUT_PREC_BITS
	size := max(d, -d)
	n := mathbits.Len(uint(size)) - 1
	e := size - 1<<n
	f := e << max(bits-n, 0)
	if n > bits {
		f = (e + 1<<(n-bits)>>1) >> (n - bits)
	}
	scale := 1<<bits + f
	factor = (1<<(bits+precision) + scale/2) / scale // Div_Lut
	if d < 0 {
		factor = -factor
	}
	return factor, uint(n + precision)
}

// newShear is the process of section 7.11.3.6.
func newShear(w *warpParams) shear {
	const one = 1 << 16
	if w[2] <= 0 {
		return shear{}
	}
	clip := func(v int) int { return min(max(v, -32768), 32767) }
	reduce := func(v int) int { return roundSigned(v, 6) << 6 }
	factor, shift := divisor(w[2])
	s := shear{
		alpha: reduce(clip(w[2] - one)),
		beta:  reduce(clip(w[3])),
		gamma: reduce(clip(roundSigned(w[4]<<16*factor, shift))),
		delta: reduce(clip(w[5] - roundSigned(w[3]*w[4]*factor, shift) - one)),
	}
	size := func(v int) int { return max(v, -v) }
	s.isValid = 4*size(s.alpha)+7*size(s.beta) < one && 4*size(s.gamma)+4*size(s.delta) < one
	return s
}

// warpOf returns the transformation by which a part of a block is predicted, or nil.
func (d *decoder) warpOf(m *motionBlock, list, w, h int) (*warpParams, *shear) {
	b, s := &d.block, d.inter
	if w < 8 || h < 8 || d.header.forceInteger {
		return nil, nil
	}
	if b.motionMode == motionWarps && s.local.isValid {
		return &s.localWarp, &s.local
	}
	r, global := &s.refs[m.ref[list]], &d.header.inter.global[m.ref[list]]
	isGlobal := (b.mode == modeGlobal || b.mode == modeGlobalGlobal) && global.kind > translation
	if isGlobal && !r.isScaled && r.global.isValid {
		return &global.params, &r.global
	}
	return nil, nil
}

// warpBlock predicts samples by a transformation (section 7.11.3.5), 8x8 at a time.
func (d *decoder) warpBlock(
	to []int32, plane int, r *frameRef, warp *warpParams, shear *shear, x, y, w, h int, isCompound bool,
) {
	p := &d.planes[plane]
	across, down, _ := d.interRounds(isCompound)
	for top := 0; top < h; top += 8 {
		for left := 0; left < w; left += 8 {
			sourceX, sourceY := (x+left+4)<<p.subX, (y+top+4)<<p.subY
			atX := (warp[2]*sourceX + warp[3]*sourceY + warp[0]) >> p.subX
			atY := (warp[4]*sourceX + warp[5]*sourceY + warp[1]) >> p.subY
			d.inter.warp(to[top*w+left:], w, &r.planes[plane], shear, atX, atY, across, down)
		}
	}
}

// warp predicts 8x8 samples around a position, in 1/65536 sample.
func (s *interState) warp(to []int32, stride int, from *storedPlane, shear *shear, atX, atY int, across, down uint) {
	const fraction = 1<<16 - 1
	x, y := atX>>16, atY>>16
	for i := range 15 {
		source := from.samples(x-7, y+i-7, 15, &s.row)
		middle := s.middle[i*8:][:8]
		for j := range middle {
			position := atX&fraction + shear.alpha*(j-4) + shear.beta*(i-7)
			taps := &warpFilters[(position+1<<9)>>10+64]
			sum := int32(1) << across >> 1
			for k, v := range source[j:][:8] {
				sum += taps[k] * int32(v)
			}
			middle[j] = int16(sum >> across)
		}
	}
	for i := range 8 {
		row := to[i*stride:][:8]
		for j := range row {
			position := atY&fraction + shear.gamma*(j-4) + shear.delta*(i-4)
			taps := &warpFilters[(position+1<<9)>>10+64]
			sum := int32(1) << down >> 1
			for k, tap := range taps {
				sum += tap * int32(s.middle[(i+k)*8+j])
			}
			row[j] = sum >> down
		}
	}
}

// A warpSample is the middle of a block nearby, and where its motion vector leads, in 1/8 sample.
type warpSample struct{ y, x, toY, toX int }

// findSamples is the process of section 7.10.4.
func (d *decoder) findSamples() {
	b := &d.block
	takesLeft, takesRight := true, true // doTopLeft, doTopRight
	if b.hasAbove {
		w := 1 << blockWidth4Log2[b.usesAbove.size]
		if b.width <= w {
			offset := b.column & (w - 1)
			takesLeft = takesLeft && offset == 0
			takesRight = w-offset <= b.width
			d.addSample(-1, 0)
		} else {
			for i := 0; i < min(b.width, d.miColumns-b.column); {
				step := min(b.width, 1<<blockWidth4Log2[d.motionAt(b.row-1, b.column+i).size])
				d.addSample(-1, i)
				i += step
			}
		}
	}
	if b.hasLeft {
		h := 1 << blockHeight4Log2[b.usesLeft.size]
		if b.height <= h {
			takesLeft = takesLeft && b.row&(h-1) == 0
			d.addSample(0, -1)
		} else {
			for i := 0; i < min(b.height, d.miRows-b.row); {
				step := min(b.height, 1<<blockHeight4Log2[d.motionAt(b.row+i, b.column-1).size])
				d.addSample(i, -1)
				i += step
			}
		}
	}
	if takesLeft {
		d.addSample(-1, -1)
	}
	if takesRight && max(b.width, b.height) <= 16 {
		d.addSample(-1, b.width)
	}
	if b.sampleCount == 0 && b.scanned > 0 {
		b.sampleCount = 1
	}
}

// addSample is the process of section 7.10.4.2.
func (d *decoder) addSample(deltaRow, deltaColumn int) {
	b := &d.block
	row, column := b.row+deltaRow, b.column+deltaColumn
	if b.scanned >= len(b.samples) || !d.isInside(row, column) {
		return
	}
	n := d.motionAt(row, column)
	if !n.isDecoded || n.ref[0] != b.ref[0] || n.ref[1] != noFrame {
		return
	}
	w, h := 1<<blockWidth4Log2[n.size], 1<<blockHeight4Log2[n.size]
	y, x := (row&^(h-1)*4+h*2-1)*8, (column&^(w-1)*4+w*2-1)*8
	vy, vx := int(n.mv[0].y), int(n.mv[0].x)
	dy, dx := vy-int(b.mvs[0].y), vx-int(b.mvs[0].x)
	limit := min(max(max(b.width, b.height)*4, 16), 112)
	isValid := max(dy, -dy)+max(dx, -dx) <= limit
	if b.scanned++; !isValid && b.scanned > 1 {
		return
	}
	b.samples[b.sampleCount] = warpSample{y, x, y + vy, x + vx}
	if isValid {
		b.sampleCount++
	}
}

// estimateWarp is the process of section 7.11.3.8: a least squares fit of a transformation to the samples.
func (d *decoder) estimateWarp() {
	const farthest = 256 // LS_MV_MAX
	b, s := &d.block, d.inter
	s.local = shear{}
	midY, midX := b.row*4+b.height*2-1, b.column*4+b.width*2-1
	fromY, fromX := midY*8, midX*8
	toY, toX := fromY+int(b.mvs[0].y), fromX+int(b.mvs[0].x)
	var a00, a01, a11, bx0, bx1, by0, by1 int
	product := func(a, b int) int { return (a*b)>>2 + a + b }
	for _, c := range b.samples[:b.sampleCount] {
		sy, sx, dy, dx := c.y-fromY, c.x-fromX, c.toY-toY, c.toX-toX
		if max(sx-dx, dx-sx) >= farthest || max(sy-dy, dy-sy) >= farthest {
			continue
		}
		a00 += product(sx, sx) + 8
		a01 += product(sx, sy) + 4
		a11 += product(sy, sy) + 8
		bx0 += product(sx, dx) + 8
		bx1 += product(sy, dx) + 4
		by0 += product(sx, dy) + 4
		by1 += product(sy, dy) + 8
	}
	det := a00*a11 - a01*a01
	if det == 0 {
		return
	}
	factor, n := divisor(det)
	shift := int(n) - 16
	if shift < 0 {
		factor <<= -shift
		shift = 0
	}
	const one, most = 1 << 16, 1<<13 - 1 // WARPEDMODEL_NONDIAGAFFINE_CLAMP - 1
	other := func(v int) int { return min(max(mulRound(v, factor, uint(shift)), -most), most) }
	diagonal := func(v int) int { return min(max(mulRound(v, factor, uint(shift)), one-most), one+most) }
	w := &s.localWarp
	w[2] = diagonal(a11*bx0 - a01*bx1)
	w[3] = other(-a01*bx0 + a00*bx1)
	w[4] = other(a11*by0 - a01*by1)
	w[5] = diagonal(-a01*by0 + a00*by1)
	const clamp = 1 << 23 // WARPEDMODEL_TRANS_CLAMP
	w[0] = min(max(int(b.mvs[0].x)<<13-(midX*(w[2]-one)+midY*w[3]), -clamp), clamp-1)
	w[1] = min(max(int(b.mvs[0].y)<<13-(midX*w[4]+midY*(w[5]-one)), -clamp), clamp-1)
	s.local = newShear(w)
}

// mulRound returns Round2Signed of a product, which may have more than 64 bits.
func mulRound(v, factor int, shift uint) int {
	isNegative := (v < 0) != (factor < 0)
	high, low := mathbits.Mul64(uint64(max(v, -v)), uint64(max(factor, -factor)))
	var carry uint64
	low, carry = mathbits.Add64(low, 1<<shift>>1, 0)
	high += carry
	r := low>>shift | high<<(64-shift)
	if shift == 0 {
		r = low
	}
	const most = 1 << 62
	if high>>shift != 0 || r > most {
		r = most
	}
	if isNegative {
		return -int(r)
	}
	return int(r)
}
