package av1

import mathbits "math/bits"

// cdefDirections are the offsets of taps down and across, by direction and distance (section 7.15.3).
var cdefDirections = [8][2][2]int8{
	{{-1, 1}, {-2, 2}}, {{0, 1}, {-1, 2}}, {{0, 1}, {0, 2}}, {{0, 1}, {1, 2}},
	{{1, 1}, {2, 2}}, {{1, 0}, {2, 1}}, {{1, 0}, {2, 0}}, {{1, 0}, {2, -1}},
}

// cdefDirections422 is Cdef_Uv_Dir (section 7.15.1) if chroma is subsampled across, but not down. In all other formats
// chroma has the direction of luma.
var cdefDirections422 = [8]uint8{7, 0, 2, 4, 5, 6, 6, 6}

// changes reports whether the filter can change samples.
func (h *cdef) changes(hasChroma bool) bool {
	if !h.isOn {
		return false
	}
	for i := range 1 << min(h.bits, 3) {
		if h.yPrimary[i]|h.ySecondary[i] != 0 || hasChroma && h.uvPrimary[i]|h.uvSecondary[i] != 0 {
			return true
		}
	}
	return false
}

// A cdefStrip is a copy of the samples that the filter of a strip reads: its rows before they are filtered, two more
// above and below, and two columns more at each side. Samples outside of the frame are absent.
type cdefStrip struct {
	pix    []uint16
	stride int
	height int // of the strip
	loaded int // rows of the frame that have been copied
}

// absent stands for a sample outside of the frame. It is so far from all samples that taps ignore it.
const absent = 1<<15 - 1

// cdefMargin is the distance of the first column from the start of a row.
const cdefMargin = 2

func (s *cdefStrip) start(p *plane, width int) {
	s.stride, s.height, s.loaded = width+2*cdefMargin, stripHeight>>p.subY, 0
	size := (s.height+4)*s.stride + vectorLength
	if cap(s.pix) < size {
		s.pix = make([]uint16, size)
	}
	s.pix = s.pix[:size]
	for i := range s.pix {
		s.pix[i] = absent
	}
}

// load copies the rows for the strip at a luma row. The last rows of the strip before are in the copy.
func (s *cdefStrip) load(p *plane, y, height int) {
	y >>= p.subY
	if y > 0 {
		copy(s.pix[:4*s.stride], s.pix[s.height*s.stride:])
	}
	for ; s.loaded < y+s.height+2; s.loaded++ {
		row := s.pix[(s.loaded-y+2)*s.stride:][cdefMargin : s.stride-cdefMargin]
		if s.loaded < height {
			copy(row, p.pix[p.index(0, s.loaded):])
			continue
		}
		for x := range row {
			row[x] = absent
		}
	}
}

// row returns a row of the copy, where -1 is the row above the strip.
func (s *cdefStrip) row(y int) []uint16 {
	return s.pix[(y+2)*s.stride:][cdefMargin : s.stride-cdefMargin]
}

// constrainStrip filters the blocks of a strip with the constrained directional enhancement filter (section 7.15).
func (p *picture) constrainStrip(y int) {
	f, h := &p.filters, &p.header.cdef
	skips := p.blocks[y>>2*p.miColumns:][:2*p.miColumns]
	indices := p.cdefIndex[y>>6*p.cdefColumns:][:p.cdefColumns]
	for column := 0; column < p.miColumns; column += 2 {
		index := indices[column>>4]
		upper, lower := skips[column:][:2], skips[p.miColumns+column:][:2]
		if index < 0 || upper[0]&upper[1]&lower[0]&lower[1]&blockSkip != 0 {
			continue
		}
		index &= 7
		luma := &f.strips[0]
		x := 4 * column
		direction, variance := cdefDirection(luma.pix[2*luma.stride+cdefMargin+x:], luma.stride, p.depth)
		primary := h.yPrimary[index] << (p.depth - 8)
		if variance == 0 {
			primary = 0
		} else {
			strength := min(max(mathbits.Len32(uint32(variance)>>6)-1, 0), 12)
			primary = (primary*(4+strength) + 8) >> 4
		}
		if h.yPrimary[index] == 0 {
			p.constrain(0, x, y, primary, h.ySecondary[index], 0)
		} else {
			p.constrain(0, x, y, primary, h.ySecondary[index], direction)
		}
		if p.count == 1 {
			continue
		}
		primary = h.uvPrimary[index] << (p.depth - 8)
		switch {
		case primary == 0:
			direction = 0
		case p.planes[1].subX > p.planes[1].subY:
			direction = int(cdefDirections422[direction&7])
		}
		for c := 1; c < 3; c++ {
			p.constrain(c, x>>p.planes[c].subX, y, primary, h.uvSecondary[index], direction)
		}
	}
}

// constrain filters a block of 8x8 luma samples, in the strip at luma row y. The strength of the primary taps is that
// for the depth of samples.
func (p *picture) constrain(c, x, y, primary, secondary, direction int) {
	q, s := &p.planes[c], &p.filters.strips[c]
	shift := p.depth - 8
	damping := p.header.cdef.damping + int(shift)
	if c > 0 {
		damping--
	}
	secondary <<= shift
	if primary == 0 && secondary == 0 {
		return
	}
	b := cdefBlock{
		source: s.pix, at: 2*s.stride + cdefMargin + x, stride: s.stride,
		primary: int32(primary), secondary: int32(secondary),
		taps: [2]int32{4, 2},
	}
	if primary>>shift&1 == 1 {
		b.taps = [2]int32{3, 3}
	}
	b.primaryShift = uint(max(0, damping-mathbits.Len(uint(primary))+1))
	b.secondaryShift = uint(max(0, damping-mathbits.Len(uint(secondary))+1))
	for k := range 2 {
		b.offsets[0][k] = s.offset(direction, k)
		b.offsets[1][k] = s.offset(direction+2, k)
		b.offsets[2][k] = s.offset(direction-2, k)
	}
	width, height := 8>>q.subX, 8>>q.subY
	b.filter(q.pix[q.index(x, y>>q.subY):], q.stride, width, height)
}

// offset returns the distance in the copy of a tap in a direction.
func (s *cdefStrip) offset(direction, k int) int {
	d := cdefDirections[direction&7][k&1]
	return int(d[0])*s.stride + int(d[1])
}

// A cdefBlock has the parameters of the filter of a block.
type cdefBlock struct {
	source                       []uint16
	at, stride                   int
	primary, secondary           int32 // strengths
	primaryShift, secondaryShift uint  // of differences
	taps                         [2]int32
	offsets                      [3][2]int // of the primary taps, and the secondary ones at both sides
}

// filter filters a block (section 7.15.3).
func (b *cdefBlock) filter(to []uint16, stride, width, height int) {
	reach := 2*b.stride + cdefMargin
	source := b.source[b.at-reach : b.at+(height-1)*b.stride+reach+vectorLength]
	to = to[:(height-1)*stride+width]
	if !constrainVectors(b, &source[reach], &to[0], stride, width, height) {
		b.filterAny(to, stride, width, height)
	}
}

// vectorLength is the number of samples that are read at once.
const vectorLength = 8

// filterAny is filter for all processors.
func (b *cdefBlock) filterAny(to []uint16, stride, width, height int) {
	switch {
	case b.secondary == 0:
		b.filterPrimary(to, stride, width, height)
	case b.primary == 0:
		b.filterSecondary(to, stride, width, height)
	default:
		b.filterBoth(to, stride, width, height)
	}
}

// constrained is constrain: a difference that is kept if small, and reduced to 0 if large.
func constrained(difference, strength int32, shift uint) int32 {
	size := abs(difference)
	size = min(size, max(0, strength-size>>shift))
	if difference < 0 {
		return -size
	}
	return size
}

// filterPrimary filters with primary taps only. The result needs no limits then, nor with secondary taps only: their
// weights are less than 1.
func (b *cdefBlock) filterPrimary(to []uint16, stride, width, height int) {
	for y := range height {
		row := to[y*stride:][:width]
		for i := range row {
			at := b.at + y*b.stride + i
			x := int32(b.source[at])
			sum := int32(0)
			for k, offset := range b.offsets[0] {
				tap := b.taps[k]
				sum += tap * constrained(int32(b.source[at+offset])-x, b.primary, b.primaryShift)
				sum += tap * constrained(int32(b.source[at-offset])-x, b.primary, b.primaryShift)
			}
			row[i] = uint16(x + (8+sum+sum>>31)>>4)
		}
	}
}

func (b *cdefBlock) filterSecondary(to []uint16, stride, width, height int) {
	for y := range height {
		row := to[y*stride:][:width]
		for i := range row {
			at := b.at + y*b.stride + i
			x := int32(b.source[at])
			sum := int32(0)
			for k := range 2 {
				tap := int32(2 - k)
				for _, offset := range [2]int{b.offsets[1][k], b.offsets[2][k]} {
					sum += tap * constrained(int32(b.source[at+offset])-x, b.secondary, b.secondaryShift)
					sum += tap * constrained(int32(b.source[at-offset])-x, b.secondary, b.secondaryShift)
				}
			}
			row[i] = uint16(x + (8+sum+sum>>31)>>4)
		}
	}
}

func (b *cdefBlock) filterBoth(to []uint16, stride, width, height int) {
	for y := range height {
		row := to[y*stride:][:width]
		for i := range row {
			at := b.at + y*b.stride + i
			x := int32(b.source[at])
			sum, least, most := int32(0), x, x
			for k := range 2 {
				tap := b.taps[k]
				for j, offset := range [3]int{b.offsets[0][k], b.offsets[1][k], b.offsets[2][k]} {
					strength, shift := b.primary, b.primaryShift
					if j > 0 {
						tap, strength, shift = int32(2-k), b.secondary, b.secondaryShift
					}
					v, w := b.source[at+offset], b.source[at-offset]
					sum += tap * constrained(int32(v)-x, strength, shift)
					sum += tap * constrained(int32(w)-x, strength, shift)
					// As signed, absent samples plus 1 are negative.
					most = max(most, int32(int16(v+1))-1, int32(int16(w+1))-1)
					least = min(least, int32(v), int32(w))
				}
			}
			row[i] = uint16(max(least, min(x+(8+sum+sum>>31)>>4, most)))
		}
	}
}

// cdefDirection returns the direction and the variance of a block of 8x8 luma samples (section 7.15.2).
func cdefDirection(pix []uint16, stride int, depth uint) (direction int, variance int32) {
	var partial [8][16]int32
	shift := depth - 8
	for i := range 8 {
		row := pix[i*stride:][:8]
		for j, v := range row {
			x := int32(v>>shift) - 128
			partial[0][i+j] += x
			partial[1][i+j/2] += x
			partial[2][i] += x
			partial[3][3+i-j/2] += x
			partial[4][7+i-j] += x
			partial[5][3-i/2+j] += x
			partial[6][j] += x
			partial[7][i/2+j] += x
		}
	}
	var cost [8]int32
	square := func(v int32) int32 { return v * v }
	for i := range 8 {
		cost[2] += square(partial[2][i])
		cost[6] += square(partial[6][i])
	}
	cost[2] *= 105
	cost[6] *= 105
	for _, d := range [2]int{0, 4} {
		for i := range 7 {
			cost[d] += (square(partial[d][i]) + square(partial[d][14-i])) * (840 / int32(i+1))
		}
		cost[d] += square(partial[d][7]) * 105
	}
	for d := 1; d < 8; d += 2 {
		for j := range 5 {
			cost[d] += square(partial[d][3+j])
		}
		cost[d] *= 105
		for j := range 3 {
			cost[d] += (square(partial[d][j]) + square(partial[d][10-j])) * (840 / int32(2*j+2))
		}
	}
	best := int32(0)
	for d, v := range cost {
		if v > best {
			best, direction = v, d
		}
	}
	return direction, (best - cost[(direction+4)&7]) >> 10
}
