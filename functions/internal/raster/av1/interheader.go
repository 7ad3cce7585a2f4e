package av1

// Reference frames of a block (section 6.10.24): those from LAST_FRAME to ALTREF_FRAME are the 7 of a frame.
const (
	noFrame        = -1 // NONE
	intraFrame     = 0
	lastFrame      = 1
	last2Frame     = 2
	last3Frame     = 3
	goldenFrame    = 4
	backwardFrame  = 5 // BWDREF_FRAME
	alternate2     = 6 // ALTREF2_FRAME
	alternateFrame = 7 // ALTREF_FRAME
	frameRefs      = 7 // REFS_PER_FRAME
)

// noPrimary is PRIMARY_REF_NONE.
const noPrimary = 7

// frameSlots are the frames that later ones can refer to, or nil.
type frameSlots [8]*codedFrame

// An interHeader has the fields of a frame header that only inter frames have.
type interHeader struct {
	primary                int            // primary_ref_frame, or noPrimary
	slots                  [frameRefs]int // ref_frame_idx, from that of LAST_FRAME on
	orderHints             [8]int         // OrderHints, by reference frame
	isBackward             [8]bool        // RefFrameSignBias
	allowHighPrecision     bool           // allow_high_precision_mv
	filter                 uint8          // interpolation_filter
	isMotionModeSwitchable bool
	useRefMVs              bool // use_ref_frame_mvs
	selectsReference       bool // reference_select
	skipMode               bool // skip_mode_present
	skipModeFrames         [2]int8
	allowWarp              bool // allow_warped_motion
	global                 [8]globalMotion
}

// switchableFilter is SWITCHABLE: each block has its filters.
const switchableFilter = 4

// Types of global motion (section 6.8.21).
const (
	identity = iota
	translation
	rotationZoom
	affine
)

// A globalMotion is the motion of a whole frame.
type globalMotion struct {
	kind   uint8
	params warpParams // gm_params
}

// warpParams are an affine transformation: the fractions have 16 bits.
type warpParams [6]int

// identityWarp changes nothing.
var identityWarp = warpParams{2: 1 << 16, 5: 1 << 16}

// distance is get_relative_dist.
func (s *sequence) distance(a, b int) int {
	if s.orderHintBits == 0 {
		return 0
	}
	middle := 1 << (s.orderHintBits - 1)
	return (a-b)&(middle-1) - (a-b)&middle
}

// parseReferences parses the fields of an inter frame from frame_refs_short_signaling to use_ref_frame_mvs.
func (p *headerParser) parseReferences() error {
	h := &p.inter
	isShort := p.orderHintBits > 0 && p.flag()
	if isShort {
		last, golden := p.read(3), p.read(3)
		for i, slot := range p.slots {
			if slot == nil {
				return damaged("its inter frame derives its references, but frame %d is missing", i)
			}
		}
		h.slots = p.deriveReferences(last, golden)
	}
	for i := range h.slots {
		if !isShort {
			h.slots[i] = p.read(3)
		}
		p.read(p.deltaIDBits) // delta_frame_id_minus_1
		if p.slots[h.slots[i]] == nil {
			return damaged("its inter frame refers to frame %d, which is missing", h.slots[i])
		}
	}
	if h.primary != noPrimary {
		p.primary = p.slots[h.slots[h.primary]].header
	}
	if p.overridesSize && !p.isResilient {
		p.parseSizeWithReferences()
	} else {
		p.parseFrameSize()
	}
	h.allowHighPrecision = !p.forceInteger && p.flag()
	h.filter = switchableFilter
	if isSwitchable := p.flag(); !isSwitchable {
		h.filter = uint8(p.read(2))
	}
	h.isMotionModeSwitchable = p.flag()
	h.useRefMVs = !p.isResilient && p.enableRefMVs && p.flag()
	for i, slot := range h.slots {
		hint := p.slots[slot].header.orderHint
		h.orderHints[lastFrame+i] = hint
		h.isBackward[lastFrame+i] = p.distance(hint, p.orderHint) > 0
	}
	return nil
}

// parseSizeWithReferences parses frame_size_with_refs (section 5.9.7).
func (p *headerParser) parseSizeWithReferences() {
	for _, slot := range p.inter.slots {
		if isFound := p.flag(); isFound {
			r := p.slots[slot].header
			p.upscaledWidth, p.frameHeader.height = r.upscaledWidth, r.height
			p.parseSuperres()
			return
		}
	}
	p.parseFrameSize()
}

// deriveReferences is set_frame_refs (section 7.8).
func (p *headerParser) deriveReferences(last, golden int) [frameRefs]int {
	const middle = 1 << 8 // any number that is larger than distances
	refs := [frameRefs]int{last, -1, -1, golden, -1, -1, -1}
	var isUsed [8]bool
	isUsed[last], isUsed[golden] = true, true
	var hints [8]int
	for i, slot := range p.slots {
		hints[i] = middle + p.distance(slot.header.orderHint, p.orderHint)
	}
	// find returns the unused slot that is best; of equal ones the last one, or the first one.
	find := func(allows func(hint int) bool, better func(a, b int) bool) int {
		best := -1
		for i, hint := range hints {
			if !isUsed[i] && allows(hint) && (best < 0 || better(hint, hints[best])) {
				best = i
			}
		}
		return best
	}
	isBackward := func(hint int) bool { return hint >= middle }
	isForward := func(hint int) bool { return hint < middle }
	latest := func(a, b int) bool { return a >= b }
	earliest := func(a, b int) bool { return a < b }
	set := func(ref, slot int) {
		if slot >= 0 {
			refs[ref-lastFrame], isUsed[slot] = slot, true
		}
	}
	set(alternateFrame, find(isBackward, latest))
	set(backwardFrame, find(isBackward, earliest))
	set(alternate2, find(isBackward, earliest))
	for _, ref := range [...]int{last2Frame, last3Frame, backwardFrame, alternate2, alternateFrame} {
		if refs[ref-lastFrame] < 0 {
			set(ref, find(isForward, latest))
		}
	}
	isUsed = [8]bool{}
	first := find(func(int) bool { return true }, earliest)
	for i, slot := range refs {
		if slot < 0 {
			refs[i] = first
		}
	}
	return refs
}

// parseSkipMode parses frame_reference_mode and skip_mode_params (sections 5.9.23 and 5.9.22).
func (p *headerParser) parseSkipMode() {
	h := &p.inter
	h.selectsReference = !p.isIntra() && p.flag()
	if !h.selectsReference || p.orderHintBits == 0 {
		return
	}
	// nearest returns the reference with the last order hint before another, or with the first one after it.
	nearest := func(hint, sign int) int {
		best := 0
		for ref := lastFrame; ref <= alternateFrame; ref++ {
			if sign*p.distance(h.orderHints[ref], hint) <= 0 {
				continue
			}
			if best == 0 || sign*p.distance(h.orderHints[ref], h.orderHints[best]) < 0 {
				best = ref
			}
		}
		return best
	}
	forward, other := nearest(p.orderHint, -1), nearest(p.orderHint, 1)
	if forward != 0 && other == 0 {
		other = nearest(h.orderHints[forward], -1)
	}
	if forward == 0 || other == 0 {
		return
	}
	h.skipModeFrames = [2]int8{int8(min(forward, other)), int8(max(forward, other))}
	h.skipMode = p.flag()
}

// parseGlobalMotion parses global_motion_params (section 5.9.24).
func (p *headerParser) parseGlobalMotion() {
	h := &p.inter
	for ref := range h.global {
		h.global[ref].params = identityWarp
	}
	if p.isIntra() {
		return
	}
	for ref := lastFrame; ref <= alternateFrame; ref++ {
		before := identityWarp
		if p.primary != nil {
			before = p.primary.inter.global[ref].params
		}
		p.parseWarp(&h.global[ref], &before)
	}
}

// parseWarp parses the motion of a reference frame. The coded parameters are near those before.
func (p *headerParser) parseWarp(g *globalMotion, before *warpParams) {
	switch {
	case !p.flag():
		return
	case p.flag():
		g.kind = rotationZoom
	case p.flag():
		g.kind = translation
	default:
		g.kind = affine
	}
	const alphaBits, alphaPrecision, shiftBits, shiftPrecision = 12, 15, 12, 6
	w := &g.params
	if g.kind >= rotationZoom {
		w[2] = p.readParam(before[2], alphaBits, alphaPrecision, 1)
		w[3] = p.readParam(before[3], alphaBits, alphaPrecision, 0)
		w[4], w[5] = -w[3], w[2]
	}
	if g.kind == affine {
		w[4] = p.readParam(before[4], alphaBits, alphaPrecision, 0)
		w[5] = p.readParam(before[5], alphaBits, alphaPrecision, 1)
	}
	bits, precision := shiftBits, shiftPrecision
	if g.kind == translation {
		bits, precision = 9, 3
		if !p.inter.allowHighPrecision {
			bits, precision = bits-1, precision-1
		}
	}
	w[0] = p.readParam(before[0], bits, precision, 0)
	w[1] = p.readParam(before[1], bits, precision, 0)
}

// readParam is read_global_param: of a number near another one. Its integer part is usually whole.
func (p *headerParser) readParam(before, bits, precision, whole int) int {
	shift := 16 - precision
	most := 1 << bits
	v := readNear(p.bits, -most, most+1, 3, before>>shift-whole<<precision)
	return v<<shift + whole<<16
}
