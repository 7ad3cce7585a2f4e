package hevc

// A pps is a picture parameter set (section 7.3.2.3).
type pps struct {
	id, spsID int

	dependentSlices   bool
	outputFlag        bool
	extraBits         int
	signHiding        bool
	qp                int // SliceQpY without slice_qp_delta
	skipEnabled       bool
	deltaQP           bool
	deltaQPDepth      int
	chromaQP          [3]int // pps_cb_qp_offset and pps_cr_qp_offset
	sliceChromaQP     bool
	bypassEnabled     bool
	wavefront         bool
	tiles             bool
	columns, rows     int
	widths, heights   []int // of tiles, in coding tree blocks, without the last; nil if they are uniform
	acrossTiles       bool
	acrossSlices      bool
	overrideDeblock   bool
	deblockDisabled   bool
	beta, tc          int // offsets
	scaling           *scalingList
	headerExtension   bool
	maxSkip           uint // Log2MaxTransformSkipSize
	crossComponent    bool
	chromaOffsets     bool
	chromaOffsetDepth int
	chromaOffsetList  [][3]int // CuQpOffset by cu_chroma_qp_offset_idx and component
	saoShift          [3]uint  // log2_sao_offset_scale
}

// parsePPS reads the RBSP of a picture parameter set.
func parsePPS(b []byte) (*pps, error) {
	r := &bitReader{data: b}
	p := new(pps)
	err := p.read(r)
	if r.pastEnd() {
		return nil, damaged("a picture parameter set is cut short")
	}
	return p, err
}

func (p *pps) read(r *bitReader) error {
	if p.id, p.spsID = r.ue(), r.ue(); p.id > 63 || p.spsID > 15 {
		return damaged("a picture parameter set has the number %d and refers to %d, expected at most 63 and 15",
			p.id, p.spsID)
	}
	p.dependentSlices, p.outputFlag, p.extraBits, p.signHiding = r.flag(), r.flag(), r.u(3), r.flag()
	r.skip(1) // cabac_init_present_flag: for P and B slices
	r.ue()
	r.ue()
	p.qp = 26 + r.se()
	r.skip(1) // constrained_intra_pred_flag: has no effect if all blocks are intra
	p.skipEnabled = r.flag()
	if p.deltaQP = r.flag(); p.deltaQP {
		p.deltaQPDepth = r.ue()
	}
	p.chromaQP = [3]int{0, r.se(), r.se()}
	if p.chromaQP[1] < -12 || p.chromaQP[1] > 12 || p.chromaQP[2] < -12 || p.chromaQP[2] > 12 {
		return damaged("its chroma QP offsets are %d and %d, expected -12 to 12", p.chromaQP[1], p.chromaQP[2])
	}
	p.sliceChromaQP = r.flag()
	r.skip(2) // weighted_pred_flag, weighted_bipred_flag
	p.bypassEnabled, p.tiles, p.wavefront = r.flag(), r.flag(), r.flag()
	if err := p.readTiles(r); err != nil {
		return err
	}
	return p.readFilters(r)
}

// readFilters reads the rest of the set, from pps_loop_filter_across_slices_enabled_flag on.
func (p *pps) readFilters(r *bitReader) error {
	p.acrossSlices = r.flag()
	if err := p.readDeblocking(r); err != nil {
		return err
	}
	if r.flag() { // pps_scaling_list_data_present_flag
		var err error
		if p.scaling, err = readScalingList(r); err != nil {
			return err
		}
	}
	r.skip(1) // lists_modification_present_flag
	r.ue()
	p.headerExtension = r.flag()
	p.maxSkip = 2
	if r.flag() { // pps_extension_present_flag
		return p.readExtensions(r)
	}
	return nil
}

// readTiles reads the tile structure. layOutTiles checks it against the picture size.
func (p *pps) readTiles(r *bitReader) error {
	p.columns, p.rows, p.acrossTiles = 1, 1, true
	if !p.tiles {
		return nil
	}
	const maxColumns, maxRows = 20, 22 // table A.8, level 6.2
	if p.columns, p.rows = r.ue()+1, r.ue()+1; p.columns > maxColumns || p.rows > maxRows {
		return damaged("it has %dx%d tiles, expected at most %dx%d", p.columns, p.rows, maxColumns, maxRows)
	}
	if isUniform := r.flag(); !isUniform {
		p.widths, p.heights = make([]int, p.columns-1), make([]int, p.rows-1)
		for i := range p.widths {
			p.widths[i] = r.ue() + 1
		}
		for i := range p.heights {
			p.heights[i] = r.ue() + 1
		}
	}
	p.acrossTiles = r.flag()
	return nil
}

func (p *pps) readDeblocking(r *bitReader) error {
	if !r.flag() {
		return nil
	}
	p.overrideDeblock, p.deblockDisabled = r.flag(), r.flag()
	if p.deblockDisabled {
		return nil
	}
	var err error
	p.beta, p.tc, err = readOffsets(r)
	return err
}

// readOffsets reads beta_offset_div2 and tc_offset_div2, and returns the offsets themselves.
func readOffsets(r *bitReader) (beta, tc int, err error) {
	beta, tc = 2*r.se(), 2*r.se()
	if beta < -12 || beta > 12 || tc < -12 || tc > 12 {
		return 0, 0, damaged("its deblocking offsets are %d and %d, expected -12 to 12", beta, tc)
	}
	return beta, tc, nil
}

// readExtensions reads the range extension (section 7.3.2.3.2), and refuses extensions that change the decoding
// process.
func (p *pps) readExtensions(r *bitReader) error {
	isRange := r.flag()
	r.skip(2) // the multilayer and 3D extensions do not affect the base layer; their data comes last
	if isSCC := r.flag(); isSCC {
		return unsupported("the screen content coding extension")
	}
	r.skip(4)
	if !isRange {
		return nil
	}
	if p.skipEnabled {
		p.maxSkip = uint(r.ue()) + 2
	}
	if p.maxSkip > 5 {
		return damaged("its transforms are skipped up to a size of 2^%d, expected at most 2^5", p.maxSkip)
	}
	p.crossComponent = r.flag()
	if p.chromaOffsets = r.flag(); p.chromaOffsets {
		p.chromaOffsetDepth = r.ue()
		count := r.ue() + 1
		if count > 6 {
			return damaged("it has %d chroma QP offsets, expected at most 6", count)
		}
		for range count {
			o := [3]int{0, r.se(), r.se()}
			if o[1] < -12 || o[1] > 12 || o[2] < -12 || o[2] > 12 {
				return damaged("its chroma QP offsets are %d and %d, expected -12 to 12", o[1], o[2])
			}
			p.chromaOffsetList = append(p.chromaOffsetList, o)
		}
	}
	luma, chroma := r.ue(), r.ue()
	if luma > 2 || chroma > 2 { // at most the bit depth, 12, less 10
		return damaged("its sample adaptive offsets are shifted by %d and %d bits, expected at most 2", luma, chroma)
	}
	p.saoShift = [3]uint{uint(luma), uint(chroma), uint(chroma)}
	return nil
}
