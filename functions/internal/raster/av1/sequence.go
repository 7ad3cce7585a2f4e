package av1

// A sequence is a sequence header (section 5.5), as far as frames depend on it.
type sequence struct {
	Header
	isReduced                   bool // reduced_still_picture_header
	equalInterval               bool
	hasDecoderModel             bool
	removalTimeBits             int
	presentationTimeBits        int
	points                      []operatingPoint
	widthBits, heightBits       int
	frameIDBits, deltaIDBits    int  // 0 if frames have no identifiers
	screenContentTools, forceMV int  // selectInFrame, 0 or 1
	orderHintBits               int  // 0 if frames have no order hints
	uses128                     bool // use_128x128_superblock
	enableFilterIntra           bool
	enableEdgeFilter            bool // enable_intra_edge_filter
	enableInterIntra            bool // enable_interintra_compound
	enableMasks                 bool // enable_masked_compound
	enableWarp                  bool // enable_warped_motion
	enableDualFilter            bool
	enableDistance              bool // enable_jnt_comp
	enableRefMVs                bool // enable_ref_frame_mvs
	enableSuperres              bool
	enableCDEF                  bool
	enableRestoration           bool
	hasSeparateUVDelta          bool // separate_uv_delta_q
	hasFilmGrain                bool // film_grain_params_present
}

// selectInFrame is SELECT_SCREEN_CONTENT_TOOLS and SELECT_INTEGER_MV: each frame header has the flag.
const selectInFrame = 2

type operatingPoint struct {
	layers          int // operating_point_idc
	hasDecoderModel bool
}

// parseSequence parses a sequence header OBU (section 5.5.1).
func parseSequence(payload []byte) (*sequence, error) {
	r, s := &bits{b: payload}, &sequence{}
	profile := r.read(3)
	r.flag() // still_picture
	s.isReduced = r.flag()
	if profile > 2 {
		return nil, damaged("its sequence header has profile %d, expected 0 to 2", profile)
	}
	if s.isReduced {
		r.read(5) // seq_level_idx
		s.points = []operatingPoint{{}}
	} else {
		s.parseOperatingPoints(r)
	}
	s.widthBits, s.heightBits = r.read(4)+1, r.read(4)+1
	s.Width, s.Height = r.read(s.widthBits)+1, r.read(s.heightBits)+1
	if !s.isReduced && r.flag() {
		delta, additional := r.read(4)+2, r.read(3)+1
		s.frameIDBits, s.deltaIDBits = delta+additional, delta
	}
	s.uses128, s.enableFilterIntra, s.enableEdgeFilter = r.flag(), r.flag(), r.flag()
	s.screenContentTools, s.forceMV = selectInFrame, selectInFrame
	if !s.isReduced {
		s.parseInterTools(r)
	}
	s.enableSuperres = r.flag()
	s.enableCDEF, s.enableRestoration = r.flag(), r.flag()
	s.parseColors(r, profile)
	s.hasFilmGrain = r.flag()
	if r.isShort {
		return nil, damaged("its sequence header ends early")
	}
	if s.Matrix == 0 && !s.Gray && s.StepX > 1 {
		return nil, damaged("its sequence header has the identity matrix with subsampled chroma")
	}
	return s, nil
}

// parseOperatingPoints parses timing_info, decoder_model_info and the operating points.
func (s *sequence) parseOperatingPoints(r *bits) {
	delayBits := 0
	if hasTiming := r.flag(); hasTiming {
		r.read(32)
		r.read(32)
		if s.equalInterval = r.flag(); s.equalInterval {
			r.skipUVLC()
		}
		if s.hasDecoderModel = r.flag(); s.hasDecoderModel {
			delayBits = r.read(5) + 1
			r.read(32)
			s.removalTimeBits, s.presentationTimeBits = r.read(5)+1, r.read(5)+1
		}
	}
	hasDisplayDelay := r.flag()
	for range r.read(5) + 1 {
		p := operatingPoint{layers: r.read(12)}
		if level := r.read(5); level > 7 {
			r.read(1) // seq_tier
		}
		if s.hasDecoderModel {
			if p.hasDecoderModel = r.flag(); p.hasDecoderModel {
				r.read(delayBits)
				r.read(delayBits)
				r.read(1)
			}
		}
		if hasDisplayDelay {
			r.skipIf(4)
		}
		s.points = append(s.points, p)
	}
}

// parseInterTools parses the flags that a reduced header leaves out.
func (s *sequence) parseInterTools(r *bits) {
	s.enableInterIntra, s.enableMasks, s.enableWarp, s.enableDualFilter = r.flag(), r.flag(), r.flag(), r.flag()
	hasOrderHint := r.flag()
	if hasOrderHint {
		s.enableDistance, s.enableRefMVs = r.flag(), r.flag()
	}
	if chooses := r.flag(); !chooses {
		s.screenContentTools = r.read(1)
	}
	if s.screenContentTools > 0 {
		if chooses := r.flag(); !chooses {
			s.forceMV = r.read(1)
		}
	}
	if hasOrderHint {
		s.orderHintBits = r.read(3) + 1
	}
}

// parseColors parses color_config (section 5.5.2).
func (s *sequence) parseColors(r *bits, profile int) {
	isHigh := r.flag()
	depth := depthOf(isHigh, profile == 2 && isHigh && r.flag())
	isGray := profile != 1 && r.flag()
	s.Primaries, s.Transfer, s.Matrix = 2, 2, 2
	if hasDescription := r.flag(); hasDescription {
		s.Primaries, s.Transfer, s.Matrix = r.read(8), r.read(8), r.read(8)
	}
	isSRGB := s.Primaries == 1 && s.Transfer == 13 && s.Matrix == 0
	if !isGray && isSRGB {
		s.FullRange, s.Format = true, newFormat(depth, false, false, false)
		s.hasSeparateUVDelta = r.flag()
		return
	}
	s.FullRange = r.flag()
	if isGray {
		s.Format = newFormat(depth, true, true, true)
		return
	}
	halfX, halfY := profile != 1, profile == 0
	if profile == 2 && depth == 12 {
		halfX = r.flag()
		halfY = halfX && r.flag()
	}
	if halfX && halfY {
		r.read(2) // chroma_sample_position
	}
	s.Format = newFormat(depth, false, halfX, halfY)
	s.hasSeparateUVDelta = r.flag()
}
