package av1

const maxSegments = 8

// Segmentation features (section 6.8.13).
const (
	segmentQuantizer  = 0
	segmentLoopFilter = 1 // to 4: one for each of the four levels
	segmentReference  = 5
	segmentSkip       = 6
	segmentGlobalMV   = 7
	segmentFeatures   = 8
)

// A frameHeader is an uncompressed header (section 5.9.2).
type frameHeader struct {
	kind                          int  // frame_type
	isShown, isShowable           bool // show_frame, showable_frame
	showsExisting                 bool // show_existing_frame
	existing                      int  // frame_to_show_map_idx
	isResilient                   bool // error_resilient_mode
	disableCDFUpdate              bool
	allowScreenContent, allowBC   bool
	forceInteger                  bool // force_integer_mv
	endsWithoutUpdate             bool // disable_frame_end_update_cdf
	orderHint                     int
	refresh                       int // refresh_frame_flags
	width, height                 int // before superresolution: FrameWidth, FrameHeight
	upscaledWidth                 int // UpscaledWidth
	superresDenominator           int // SuperresDenom: 8 if superresolution is off
	reducedTxSet                  bool
	txSelect                      bool // TxMode is TX_MODE_SELECT
	lossless                      bool // CodedLossless
	allLossless                   bool
	tiles                         tileInfo
	quantizer                     quantizer
	segmentation                  segmentation
	deltaQPresent, deltaLFPresent bool
	deltaQShift, deltaLFShift     uint
	deltaLFMulti                  bool
	losslessArray                 [maxSegments]bool
	loopFilter                    loopFilter
	cdef                          cdef
	restoration                   restoration
	inter                         interHeader
}

type tileInfo struct {
	columnStarts, rowStarts []int // MiColStarts and MiRowStarts, with the end of the last one
	columnsLog2, rowsLog2   int
	sizeBytes               int // TileSizeBytes
	contextTile             int // context_update_tile_id
}

func (t *tileInfo) columns() int { return len(t.columnStarts) - 1 }
func (t *tileInfo) rows() int    { return len(t.rowStarts) - 1 }

type quantizer struct {
	base             int    // base_q_idx
	deltaDC, deltaAC [3]int // by plane
	usesMatrix       bool
	matrix           [3]int // qm_y, qm_u, qm_v
}

type segmentation struct {
	enabled    bool
	updatesMap bool // segmentation_update_map
	isTemporal bool // segmentation_temporal_update
	preSkip    bool // SegIdPreSkip
	lastActive int  // LastActiveSegId
	feature    [maxSegments][segmentFeatures]bool
	data       [maxSegments][segmentFeatures]int
}

type loopFilter struct {
	level        [4]int // loop_filter_level: of luma across vertical and horizontal edges, of Cb, of Cr
	sharpness    int
	deltaEnabled bool
	refDeltas    [8]int
	modeDeltas   [2]int
}

// cdef are the parameters of section 5.9.19. Filters are off if isOn is false.
type cdef struct {
	isOn        bool
	damping     int // CdefDamping
	bits        int
	yPrimary    [8]int
	ySecondary  [8]int // 0, 1, 2 or 4
	uvPrimary   [8]int
	uvSecondary [8]int
}

// restoration are the parameters of section 5.9.20.
type restoration struct {
	usesAny  bool               // UsesLr
	kind     [3]restorationType // FrameRestorationType
	sizeLog2 [3]uint            // the logarithm of LoopRestorationSize, in samples of the plane
}
