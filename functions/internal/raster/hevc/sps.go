package hevc

import "fmt"

// maxSize is the limit of width and height. Level 6.2 allows 16888.
const maxSize = 1 << 16

// An sps is a sequence parameter set (section 7.3.2.2).
type sps struct {
	id   int
	info Info

	width, height int // in luma samples, before the conformance window is applied
	cropX, cropY  int // offsets of the conformance window in luma samples
	chroma        int // chroma_format_idc; equals ChromaArrayType, as separate planes are refused
	subX, subY    uint
	depth         [3]int // bit depth by component

	pocBits        int
	shortTermSets  []int // NumDeltaPocs of each short-term reference picture set
	longTerm       bool
	longTermCount  int
	temporalMVP    bool
	scalingEnabled bool
	scaling        *scalingList // nil for the default lists
	sao            bool
	pcm            bool
	pcmDepth       [3]int
	pcmMin, pcmMax uint // Log2 of the sizes of PCM blocks
	pcmUnfiltered  bool
	strongSmooth   bool

	minCb, ctb   uint // Log2 of the sizes of blocks
	minTb, maxTb uint
	depthIntra   int // max_transform_hierarchy_depth_intra

	// Range extension (section 7.3.2.2.2).
	skipRotation, skipContext, implicitRDPCM, smoothingDisabled, persistentRice, bypassAlign bool
}

// parseSPS reads the RBSP of a sequence parameter set.
func parseSPS(b []byte) (*sps, error) {
	r := &bitReader{data: b}
	s := new(sps)
	err := s.read(r)
	if r.pastEnd() {
		return nil, damaged("a sequence parameter set is cut short")
	}
	return s, err
}

func (s *sps) read(r *bitReader) error {
	r.skip(4)
	subLayers := r.u(3)
	r.skip(1)
	skipProfile(r, subLayers)
	if s.id = r.ue(); s.id > 15 {
		return damaged("a sequence parameter set has the number %d, expected at most 15", s.id)
	}
	if err := s.readSampleFormat(r); err != nil {
		return err
	}
	if s.pocBits = r.ue() + 4; s.pocBits > 16 {
		return damaged("its picture order count has %d bits, expected at most 16", s.pocBits)
	}
	layers := 1
	if r.flag() { // sps_sub_layer_ordering_info_present_flag
		layers = subLayers + 1
	}
	for range 3 * layers {
		r.ue()
	}
	if err := s.readBlockSizes(r); err != nil {
		return err
	}
	if err := s.readTools(r); err != nil {
		return err
	}
	s.info.Matrix, s.info.Primaries, s.info.Transfer = 2, 2, 2
	if r.flag() { // vui_parameters_present_flag
		if err := s.readVUI(r, subLayers); err != nil {
			return err
		}
	}
	if r.flag() { // sps_extension_present_flag
		return s.readExtensions(r)
	}
	return nil
}

// readTools reads the flags of coding tools, from scaling_list_enabled_flag on.
func (s *sps) readTools(r *bitReader) error {
	var err error
	if s.scalingEnabled = r.flag(); s.scalingEnabled && r.flag() {
		if s.scaling, err = readScalingList(r); err != nil {
			return err
		}
	}
	r.skip(1) // amp_enabled_flag
	s.sao = r.flag()
	if err := s.readPCM(r); err != nil {
		return err
	}
	if err := s.readReferences(r); err != nil {
		return err
	}
	s.temporalMVP, s.strongSmooth = r.flag(), r.flag()
	return nil
}

// skipProfile skips profile_tier_level (section 7.3.3).
func skipProfile(r *bitReader, subLayers int) {
	const profile, level = 88, 8
	r.skip(profile + level)
	if subLayers == 0 {
		return
	}
	skip := 0
	for i := range 8 {
		hasProfile, hasLevel := r.flag(), r.flag()
		if i < subLayers && hasProfile {
			skip += profile
		}
		if i < subLayers && hasLevel {
			skip += level
		}
	}
	r.skip(skip)
}

// readSampleFormat reads chroma format, size, conformance window and bit depths.
func (s *sps) readSampleFormat(r *bitReader) error {
	if s.chroma = r.ue(); s.chroma > 3 {
		return damaged("its chroma_format_idc is %d, expected at most 3", s.chroma)
	}
	if s.chroma == 3 && r.flag() {
		return unsupported("separate colour planes")
	}
	if s.chroma == 1 || s.chroma == 2 {
		s.subX = 1
	}
	if s.chroma == 1 {
		s.subY = 1
	}
	s.width, s.height = r.ue(), r.ue()
	if s.width < 1 || s.height < 1 || s.width > maxSize || s.height > maxSize {
		return damaged("its picture has %dx%d samples, expected 1 to %d", s.width, s.height, maxSize)
	}
	var crop [4]int // left, right, top, bottom
	if r.flag() {
		for i := range crop {
			crop[i] = r.ue()
		}
	}
	crop[0], crop[1] = crop[0]<<s.subX, crop[1]<<s.subX
	crop[2], crop[3] = crop[2]<<s.subY, crop[3]<<s.subY
	s.info.Width, s.info.Height = s.width-crop[0]-crop[1], s.height-crop[2]-crop[3]
	if s.info.Width < 1 || s.info.Height < 1 {
		return damaged("its conformance window leaves nothing of %dx%d samples", s.width, s.height)
	}
	s.cropX, s.cropY = crop[0], crop[2]
	luma := r.ue() + 8
	chroma := r.ue() + 8
	if luma > 16 || chroma > 16 {
		return damaged("its samples have %d and %d bits, expected at most 16", luma, chroma)
	}
	if luma > 12 || chroma > 12 {
		return unsupported(fmt.Sprintf("samples of %d bits", max(luma, chroma)))
	}
	s.depth = [3]int{luma, chroma, chroma}
	s.info.Chroma, s.info.BitDepth, s.info.BitDepthChroma = s.chroma, luma, chroma
	return nil
}

// readBlockSizes reads the sizes of coding and transform blocks.
func (s *sps) readBlockSizes(r *bitReader) error {
	minCb := r.ue() + 3
	ctb := minCb + r.ue()
	minTb := r.ue() + 2
	maxTb := minTb + r.ue()
	r.ue() // max_transform_hierarchy_depth_inter
	s.depthIntra = r.ue()
	if ctb < 4 || ctb > 6 {
		return damaged("its coding tree blocks have a size of 2^%d, expected 2^4 to 2^6", ctb)
	}
	if minTb >= minCb || maxTb > min(ctb, 5) {
		return damaged("its transform blocks have sizes of 2^%d to 2^%d, expected less than 2^%d to at most 2^%d",
			minTb, maxTb, minCb, min(ctb, 5))
	}
	if s.depthIntra > ctb-minTb {
		return damaged("its transform trees have a depth of %d, expected at most %d", s.depthIntra, ctb-minTb)
	}
	if s.width&(1<<minCb-1) != 0 || s.height&(1<<minCb-1) != 0 {
		return damaged("its picture has %dx%d samples, expected multiples of %d", s.width, s.height, 1<<minCb)
	}
	s.minCb, s.ctb, s.minTb, s.maxTb = uint(minCb), uint(ctb), uint(minTb), uint(maxTb)
	return nil
}

// readPCM reads the parameters of PCM blocks.
func (s *sps) readPCM(r *bitReader) error {
	if s.pcm = r.flag(); !s.pcm {
		return nil
	}
	luma, chroma := r.u(4)+1, r.u(4)+1
	s.pcmDepth = [3]int{luma, chroma, chroma}
	smallest := r.ue() + 3
	largest := smallest + r.ue()
	if luma > s.depth[0] || chroma > s.depth[1] {
		return damaged("its PCM samples have %d and %d bits, expected at most %d and %d",
			luma, chroma, s.depth[0], s.depth[1])
	}
	if smallest < int(s.minCb) || largest > min(int(s.ctb), 5) {
		return damaged("its PCM blocks have sizes of 2^%d to 2^%d, expected 2^%d to 2^%d",
			smallest, largest, s.minCb, min(s.ctb, 5))
	}
	s.pcmMin, s.pcmMax = uint(smallest), uint(largest)
	s.pcmUnfiltered = r.flag()
	return nil
}

// readReferences reads the reference picture sets, whose sizes slice headers depend on.
func (s *sps) readReferences(r *bitReader) error {
	count := r.ue()
	if count > 64 {
		return damaged("it has %d short-term reference picture sets, expected at most 64", count)
	}
	for range count {
		if err := s.readShortTermSet(r, len(s.shortTermSets), count); err != nil {
			return err
		}
	}
	if s.longTerm = r.flag(); s.longTerm {
		if s.longTermCount = r.ue(); s.longTermCount > 32 {
			return damaged("it has %d long-term reference pictures, expected at most 32", s.longTermCount)
		}
		for range s.longTermCount {
			r.skip(s.pocBits + 1)
		}
	}
	return nil
}

// readShortTermSet reads st_ref_pic_set (section 7.3.7), of which only the number of pictures is kept: the next set
// may be predicted from it. The set in a slice header has the index count, and is not kept.
func (s *sps) readShortTermSet(r *bitReader, index, count int) error {
	size := 0
	if index > 0 && r.flag() {
		from := 1
		if index == count {
			from += r.ue()
		}
		if from > index {
			return damaged("a reference picture set is predicted from one that does not exist")
		}
		r.skip(1)
		r.ue()
		for range s.shortTermSets[index-from] + 1 {
			isUsed := r.flag()
			if isUsed || r.flag() {
				size++
			}
		}
	} else {
		negative, positive := r.ue(), r.ue()
		if negative > 16 || positive > 16 {
			return damaged("a reference picture set has %d and %d pictures, expected at most 16", negative, positive)
		}
		size = negative + positive
		for range size {
			r.ue()
			r.skip(1)
		}
	}
	if size > 32 {
		return damaged("a reference picture set has %d pictures, expected at most 32", size)
	}
	if index < count {
		s.shortTermSets = append(s.shortTermSets, size)
	}
	return nil
}

// readVUI reads the video usability information (section E.2.1).
func (s *sps) readVUI(r *bitReader, subLayers int) error {
	const extendedSAR = 255
	if r.flag() && r.u(8) == extendedSAR {
		r.skip(32)
	}
	if r.flag() { // overscan_info_present_flag
		r.skip(1)
	}
	if r.flag() { // video_signal_type_present_flag
		r.skip(3)
		s.info.FullRange = r.flag()
		if r.flag() {
			s.info.Primaries, s.info.Transfer, s.info.Matrix = r.u(8), r.u(8), r.u(8)
		}
	}
	if r.flag() { // chroma_loc_info_present_flag
		r.ue()
		r.ue()
	}
	r.skip(3)
	if r.flag() { // default_display_window_flag
		for range 4 {
			r.ue()
		}
	}
	if r.flag() { // vui_timing_info_present_flag
		r.skip(64)
		if r.flag() {
			r.ue()
		}
		if r.flag() {
			if err := skipHRD(r, subLayers); err != nil {
				return err
			}
		}
	}
	if r.flag() { // bitstream_restriction_flag
		r.skip(3)
		for range 5 {
			r.ue()
		}
	}
	return nil
}

// skipHRD skips the parameters of the hypothetical reference decoder (section E.2.2).
func skipHRD(r *bitReader, subLayers int) error {
	nal, vcl := r.flag(), r.flag()
	subPictures := false
	if nal || vcl {
		if subPictures = r.flag(); subPictures {
			r.skip(19)
		}
		r.skip(8)
		if subPictures {
			r.skip(4)
		}
		r.skip(15)
	}
	for range subLayers + 1 {
		isFixed := r.flag()
		isFixedWithin := isFixed || r.flag()
		lowDelay := false
		if isFixedWithin {
			r.ue()
		} else {
			lowDelay = r.flag()
		}
		count := 1
		if !lowDelay {
			count += r.ue()
		}
		if count > 32 {
			return damaged("its video usability information has %d coded picture buffers, expected at most 32", count)
		}
		for _, present := range []bool{nal, vcl} {
			if !present {
				continue
			}
			for range count {
				r.ue()
				r.ue()
				if subPictures {
					r.ue()
					r.ue()
				}
				r.skip(1)
			}
		}
	}
	return nil
}

// readExtensions reads the range extension, and refuses extensions that change the decoding process.
func (s *sps) readExtensions(r *bitReader) error {
	isRange := r.flag()
	r.skip(2) // the multilayer and 3D extensions do not affect the base layer; their data comes last
	if isSCC := r.flag(); isSCC {
		return unsupported("the screen content coding extension")
	}
	r.skip(4)
	if isRange {
		s.skipRotation, s.skipContext, s.implicitRDPCM = r.flag(), r.flag(), r.flag()
		r.skip(1) // explicit_rdpcm_enabled_flag: for inter blocks
		if r.flag() {
			return unsupported("extended precision")
		}
		s.smoothingDisabled = r.flag()
		r.skip(1) // high_precision_offsets_enabled_flag: for inter blocks
		s.persistentRice, s.bypassAlign = r.flag(), r.flag()
	}
	return nil
}
