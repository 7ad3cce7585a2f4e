package av1

// upscaleTaps are the taps of filters of superresolution by positions of 1/64 sample.
var upscaleTaps = func() (all [64][8]int32) {
	for i, taps := range upscaleFilters {
		for k, tap := range taps {
			all[i][k] = int32(tap)
			all[(64-i)&63][7-k] = int32(tap)
		}
	}
	all[0] = [8]int32{3: 128}
	return all
}()

// upscaleFilters is Upscale_Filter (section 7.16) up to a position of a half. The others are mirrored.
var upscaleFilters = [33][8]int16{
	{0, 0, 0, 128, 0, 0, 0, 0}, {0, 0, -1, 128, 2, -1, 0, 0}, {0, 1, -3, 127, 4, -2, 1, 0},
	{0, 1, -4, 127, 6, -3, 1, 0}, {0, 2, -6, 126, 8, -3, 1, 0}, {0, 2, -7, 125, 11, -4, 1, 0},
	{-1, 2, -8, 125, 13, -5, 2, 0}, {-1, 3, -9, 124, 15, -6, 2, 0}, {-1, 3, -10, 123, 18, -6, 2, -1},
	{-1, 3, -11, 122, 20, -7, 3, -1}, {-1, 4, -12, 121, 22, -8, 3, -1}, {-1, 4, -13, 120, 25, -9, 3, -1},
	{-1, 4, -14, 118, 28, -9, 3, -1}, {-1, 4, -15, 117, 30, -10, 4, -1}, {-1, 5, -16, 116, 32, -11, 4, -1},
	{-1, 5, -16, 114, 35, -12, 4, -1}, {-1, 5, -17, 112, 38, -12, 4, -1}, {-1, 5, -18, 111, 40, -13, 5, -1},
	{-1, 5, -18, 109, 43, -14, 5, -1}, {-1, 6, -19, 107, 45, -14, 5, -1}, {-1, 6, -19, 105, 48, -15, 5, -1},
	{-1, 6, -19, 103, 51, -16, 5, -1}, {-1, 6, -20, 101, 53, -16, 6, -1}, {-1, 6, -20, 99, 56, -17, 6, -1},
	{-1, 6, -20, 97, 58, -17, 6, -1}, {-1, 6, -20, 95, 61, -18, 6, -1}, {-2, 7, -20, 93, 64, -18, 6, -2},
	{-2, 7, -20, 91, 66, -19, 6, -1}, {-2, 7, -20, 88, 69, -19, 6, -1}, {-2, 7, -20, 86, 71, -19, 6, -1},
	{-2, 7, -20, 84, 74, -20, 7, -2}, {-2, 7, -20, 81, 76, -20, 7, -1}, {-2, 7, -20, 79, 79, -20, 7, -2},
}

// A scale is how superresolution widens a plane (section 7.16): positions are in units of 1/16384 sample.
type scale struct {
	first, step int
	last        int // the last sample of a row before
}

const scaleBits = 14

// startScale prepares superresolution of a plane.
func (p *picture) startScale(c int) {
	from, to := &p.planes[c], &p.filters.upscaled[c]
	*to = plane{
		pix: to.pix[:0], width: (p.header.upscaledWidth + int(from.subX)) >> from.subX, height: from.height,
		subX: from.subX, subY: from.subY,
	}
	to.stride = to.width
	narrow, wide := (p.header.width+int(from.subX))>>from.subX, to.width
	step := (narrow<<scaleBits + wide/2) / wide
	deviation := wide*step - narrow<<scaleBits
	first := (-(wide-narrow)<<(scaleBits-1)+wide/2)/wide + 1<<7 - deviation/2
	p.filters.scales[c] = scale{
		first: first&(1<<scaleBits-1) - 1<<scaleBits, step: step, last: p.codedWidth(c) - 1,
	}
}

// upscale computes a row of a plane. The row before has samples up to s.last.
func (s *scale) upscale(to, from []uint16, depth uint) {
	most := int32(1)<<depth - 1
	from = from[:s.last+1]
	position := s.first
	for x := range to {
		at := position>>scaleBits - 3
		taps := &upscaleTaps[position>>8&63]
		sum := int32(64)
		if at >= 0 && at+8 <= len(from) {
			for k, v := range from[at : at+8] {
				sum += int32(v) * taps[k&7]
			}
		} else {
			for k, tap := range taps {
				sum += int32(from[max(0, min(at+k, s.last))]) * tap
			}
		}
		to[x] = clipSample(sum>>7, most)
		position += s.step
	}
}

// makeRoom drops upscaled rows that are no longer needed, and makes room for those before luma row bottom.
func (p *picture) makeRoom(bottom int) {
	for c := range p.count {
		to := &p.filters.upscaled[c]
		first := max(0, p.filters.done-keptRows) >> to.subY
		kept := to.pix[min((first-to.top)*to.stride, len(to.pix)):]
		rows := min((bottom+int(to.subY))>>to.subY, to.height) - first
		size := rows * to.stride
		pix := to.pix
		if cap(pix) < size {
			pix = make([]uint16, size)
		}
		pix = pix[:size]
		copy(pix, kept)
		to.pix, to.top = pix, first
	}
}

// upscaleStrip upscales the rows of a strip.
func (p *picture) upscaleStrip(y int) {
	for c := range p.count {
		from, to := &p.planes[c], &p.filters.upscaled[c]
		first := y >> to.subY
		for row := first; row < min(first+stripHeight>>to.subY, to.height); row++ {
			p.filters.scales[c].upscale(to.row(row), from.pix[from.index(0, row):], p.depth)
		}
	}
}
