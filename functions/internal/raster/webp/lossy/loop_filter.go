package lossy

// A loopFilter has the parameters of the loop filter (section 15) for a macroblock.
type loopFilter struct {
	edgeLimit     int // of the difference across a subblock edge; 0 for no filter
	interiorLimit int // of the differences beside the edge
	hevThreshold  int // high edge variance: larger differences next to the edge are details
}

// macroblockEdgeExtra is how much larger the edge limit is at macroblock edges.
const macroblockEdgeExtra = 4

// initFilters computes the filters of a segment (sections 9.4, 15.2 and 15.4).
func (h *header) initFilters(s *segment) {
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
		f.interiorLimit = max(1, interior)
		f.edgeLimit = 2*level + f.interiorLimit
		switch {
		case level >= 40:
			f.hevThreshold = 2
		case level >= 15:
			f.hevThreshold = 1
		}
	}
}

// An edge lies between pixels that are across apart in memory, and continues along for count pixels.
type edge struct{ across, along, count int }

// simpleFilter filters the edge before pix[at] (section 15.2).
func (e edge) simpleFilter(pix []uint8, at, limit int) {
	for range e.count {
		p1, p0, q0, q1 := int(pix[at-2*e.across]), int(pix[at-e.across]), int(pix[at]), int(pix[at+e.across])
		if 4*abs(p0-q0)+abs(p1-q1) <= 2*limit+1 {
			a := clampInt8(clampInt8(p1-q1) + 3*(q0-p0))
			pix[at-e.across], pix[at] = clampUint8(p0+clampInt8(a+3)>>3), clampUint8(q0-clampInt8(a+4)>>3)
		}
		at += e.along
	}
}

// normalFilter filters the edge before pix[at] (section 15.3): a macroblock edge if wide, otherwise a subblock edge. A
// flat surface is left as it is.
func (e edge) normalFilter(pix []uint8, at, limit int, f *loopFilter, wide bool) {
	across, interior, variance := e.across, f.interiorLimit, f.hevThreshold
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
		switch highVariance := abs(p1-p0) > variance || abs(q1-q0) > variance; {
		case highVariance:
			a := clampInt8(clampInt8(p1-q1) + 3*(q0-p0))
			pix[i-across], pix[i] = clampUint8(p0+clampInt8(a+3)>>3), clampUint8(q0-clampInt8(a+4)>>3)
		case wide:
			w := clampInt8(clampInt8(p1-q1) + 3*(q0-p0))
			a, b, c := (27*w+63)>>7, (18*w+63)>>7, (9*w+63)>>7
			pix[i-across], pix[i] = clampUint8(p0+a), clampUint8(q0-a)
			pix[i-2*across], pix[i+across] = clampUint8(p1+b), clampUint8(q1-b)
			pix[i-3*across], pix[i+2*across] = clampUint8(p2+c), clampUint8(q2-c)
		default:
			a := clampInt8(3 * (q0 - p0))
			b := clampInt8(a+4) >> 3
			pix[i-across], pix[i] = clampUint8(p0+clampInt8(a+3)>>3), clampUint8(q0-b)
			b = (b + 1) >> 1
			pix[i-2*across], pix[i+across] = clampUint8(p1+b), clampUint8(q1-b)
		}
	}
}

func abs(v int) int { return max(v, -v) }

// clampInt8 clamps to the range of an int8.
func clampInt8(v int) int { return max(-128, min(v, 127)) }

// clampUint8 clamps to the range of a uint8.
func clampUint8(v int) uint8 { return uint8(max(0, min(v, 255))) }
