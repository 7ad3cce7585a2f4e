package av1

// Frame types (section 6.8.2).
const (
	keyFrame       = 0
	intraOnlyFrame = 2
	switchFrame    = 3
)

// A frame is what its header states, up to the size. A frame that depends on others may have their size, which is at
// most that of the sequence; it counts as that.
type frame struct {
	isKey         bool
	width, height int // after superresolution
}

// parseFrame parses a frame header (section 5.9.2) of a layer. The frame of a header that shows a frame which was
// decoded before counts, too.
func (s *sequence) parseFrame(payload []byte, temporal, spatial int) (frame, error) {
	r, f := &bits{b: payload}, frame{width: s.Width, height: s.Height}
	h := frameHeader{sequence: s, bits: r, kind: keyFrame, isShown: true, isResilient: true}
	if !s.isReduced {
		if showsExisting := r.flag(); showsExisting {
			return f, nil
		}
		h.parseKind()
	}
	f.isKey = h.kind == keyFrame
	hasSize := h.parseTools(temporal, spatial)
	if h.isIntra() && hasSize {
		f.width, f.height = r.read(s.widthBits)+1, r.read(s.heightBits)+1
	}
	switch {
	case r.isShort:
		return f, damaged("its frame header ends early")
	case f.width > s.Width || f.height > s.Height:
		return f, damaged("it has a frame of %dx%d pixels, more than the %dx%d of its sequence header", f.width, f.height,
			s.Width, s.Height)
	}
	return f, nil
}

// A frameHeader is the state of parsing one.
type frameHeader struct {
	*sequence
	*bits
	kind                 int
	isShown, isResilient bool
}

func (h *frameHeader) isIntra() bool { return h.kind == keyFrame || h.kind == intraOnlyFrame }

// parseKind parses the fields from frame_type to error_resilient_mode.
func (h *frameHeader) parseKind() {
	h.kind, h.isShown = h.read(2), h.flag()
	if !h.isShown {
		h.read(1) // showable_frame
	} else if h.hasDecoderModel && !h.equalInterval {
		h.read(h.presentationTimeBits)
	}
	h.isResilient = h.kind == switchFrame || h.kind == keyFrame && h.isShown || h.flag()
}

// parseTools parses the fields from disable_cdf_update up to the size, and reports whether the header has the size.
func (h *frameHeader) parseTools(temporal, spatial int) (hasSize bool) {
	h.read(1) // disable_cdf_update
	usesScreenContentTools := h.screenContentTools == 1
	if h.screenContentTools == selectInFrame {
		usesScreenContentTools = h.flag()
	}
	if usesScreenContentTools && h.forceMV == selectInFrame {
		h.read(1) // force_integer_mv
	}
	h.read(h.frameIDBits)
	hasSize = h.kind == switchFrame || !h.isReduced && h.flag()
	h.read(h.orderHintBits)
	if !h.isIntra() && !h.isResilient {
		h.read(3) // primary_ref_frame
	}
	if h.hasDecoderModel {
		h.skipRemovalTimes(temporal, spatial)
	}
	refreshed := 0xff
	if h.kind != switchFrame && (h.kind != keyFrame || !h.isShown) {
		refreshed = h.read(8)
	}
	if (!h.isIntra() || refreshed != 0xff) && h.isResilient {
		for range 8 {
			h.read(h.orderHintBits) // ref_order_hint
		}
	}
	return hasSize
}

// skipRemovalTimes skips the removal times of the operating points that the frame is in.
func (h *frameHeader) skipRemovalTimes(temporal, spatial int) {
	if hasTimes := h.flag(); !hasTimes {
		return
	}
	for _, p := range h.points {
		isIn := p.layers == 0 || p.layers>>temporal&1 != 0 && p.layers>>(8+spatial)&1 != 0
		if p.hasDecoderModel && isIn {
			h.read(h.removalTimeBits)
		}
	}
}
