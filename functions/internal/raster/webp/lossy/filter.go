package lossy

// A filter is how the edges of a macroblock and those within it are smoothed (section 15).
type filter struct {
	limit    int // of the difference at an edge within; 0 for no filter
	interior int // of the differences beside it
	variance int // of the differences beside it, beyond which there are details
}

// edgeMore is how much larger the limit is at the edges between macroblocks.
const edgeMore = 4

// readyFilters works out the filters of a segment (sections 9.4, 15.2 and 15.4).
func (h *header) readyFilters(s *segment) {
	base := h.level
	if h.segmented {
		base = s.level
		if !s.absolute {
			base += h.level
		}
	}
	for i, delta := range h.levelDelta {
		level := max(0, min(base+delta, 63))
		if level == 0 || h.level == 0 {
			continue
		}
		interior := level
		if h.sharpness > 0 {
			interior >>= 1 + h.sharpness/5
			interior = min(interior, 9-h.sharpness)
		}
		f := &s.filters[i]
		f.interior = max(1, interior)
		f.limit = 2*level + f.interior
		switch {
		case level >= 40:
			f.variance = 2
		case level >= 15:
			f.variance = 1
		}
	}
}

// An edge is between pixels that are across apart, and goes along for so many pixels.
type edge struct{ across, along, count int }

// simple smooths the edge in front of pix[at] (section 15.2).
func (e edge) simple(pix []uint8, at, limit int) {
	for range e.count {
		p1, p0, q0, q1 := int(pix[at-2*e.across]), int(pix[at-e.across]), int(pix[at]), int(pix[at+e.across])
		if 4*abs(p0-q0)+abs(p1-q1) <= 2*limit+1 {
			a := signed(signed(p1-q1) + 3*(q0-p0))
			pix[at-e.across], pix[at] = unsigned(p0+signed(a+3)>>3), unsigned(q0-signed(a+4)>>3)
		}
		at += e.along
	}
}

// normal smooths the edge in front of pix[at] (section 15.3): between macroblocks, if wide, or within one. Where it is
// flat, there is nothing to smooth.
func (e edge) normal(pix []uint8, at, limit int, f *filter, wide bool) {
	across, interior, variance := e.across, f.interior, f.variance
	for range e.count {
		i := at
		at += e.along
		p1, p0, q0, q1 := int(pix[i-2*across]), int(pix[i-across]), int(pix[i]), int(pix[i+across])
		if isFlat := p0 == q0 && p1 == q1; isFlat || 4*abs(p0-q0)+abs(p1-q1) > 2*limit+1 {
			continue
		}
		p3, p2, q2, q3 := int(pix[i-4*across]), int(pix[i-3*across]), int(pix[i+2*across]), int(pix[i+3*across])
		if abs(p3-p2) > interior || abs(p2-p1) > interior || abs(p1-p0) > interior ||
			abs(q1-q0) > interior || abs(q2-q1) > interior || abs(q3-q2) > interior {
			continue
		}
		switch isRough := abs(p1-p0) > variance || abs(q1-q0) > variance; {
		case isRough:
			a := signed(signed(p1-q1) + 3*(q0-p0))
			pix[i-across], pix[i] = unsigned(p0+signed(a+3)>>3), unsigned(q0-signed(a+4)>>3)
		case wide:
			w := signed(signed(p1-q1) + 3*(q0-p0))
			a, b, c := (27*w+63)>>7, (18*w+63)>>7, (9*w+63)>>7
			pix[i-across], pix[i] = unsigned(p0+a), unsigned(q0-a)
			pix[i-2*across], pix[i+across] = unsigned(p1+b), unsigned(q1-b)
			pix[i-3*across], pix[i+2*across] = unsigned(p2+c), unsigned(q2-c)
		default:
			a := signed(3 * (q0 - p0))
			b := signed(a+4) >> 3
			pix[i-across], pix[i] = unsigned(p0+signed(a+3)>>3), unsigned(q0-b)
			b = (b + 1) >> 1
			pix[i-2*across], pix[i+across] = unsigned(p1+b), unsigned(q1-b)
		}
	}
}

func abs(v int) int { return max(v, -v) }

// signed keeps a number within 8 bits with a sign.
func signed(v int) int { return max(-128, min(v, 127)) }

// unsigned keeps a sample within 8 bits.
func unsigned(v int) uint8 { return uint8(max(0, min(v, 255))) }
