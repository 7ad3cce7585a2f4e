package av1

// A txSize is a transform size, in the order of the specification (section 6.10.19).
type txSize uint8

const (
	tx4x4 txSize = iota
	tx8x8
	tx16x16
	tx32x32
	tx64x64
	tx4x8
	tx8x4
	tx8x16
	tx16x8
	tx16x32
	tx32x16
	tx32x64
	tx64x32
	tx4x16
	tx16x4
	tx8x32
	tx32x8
	tx16x64
	tx64x16
	txSizes
)

// txWidthLog2 and txHeightLog2 are the logarithms of the sides of transforms, in samples.
var (
	txWidthLog2  = [txSizes]uint8{2, 3, 4, 5, 6, 2, 3, 3, 4, 4, 5, 5, 6, 2, 4, 3, 5, 4, 6}
	txHeightLog2 = [txSizes]uint8{2, 3, 4, 5, 6, 3, 2, 4, 3, 5, 4, 6, 5, 4, 2, 5, 3, 6, 4}
)

// A txType is a pair of transforms: of columns, then of rows (section 6.10.19).
type txType uint8

const (
	dctDCT txType = iota
	adstDCT
	dctADST
	adstADST
	flipADSTDCT
	dctFlipADST
	flipADSTFlipADST
	adstFlipADST
	flipADSTADST
	identityIdentity
	verticalDCT // and identity across
	horizontalDCT
	verticalADST
	horizontalADST
	verticalFlipADST
	horizontalFlipADST
	walshHadamard // of lossless blocks
)

// A plane holds rows of one colour component: those from row top on. Its rows have at least width samples, up to a
// multiple of the superblock size.
type plane struct {
	pix    []uint16
	stride int
	top    int // the first row that is held
	// width and height are those of the frame, in samples.
	width, height int
	subX, subY    uint
}

// index returns the index of a sample in pix.
func (p *plane) index(x, y int) int { return (y-p.top)*p.stride + x }

// row returns the samples of a row of the frame.
func (p *plane) row(y int) []uint16 { return p.pix[(y-p.top)*p.stride:][:p.width] }

// Flags of luma blocks in picture.blocks; the lower bits are the transform size.
const (
	blockTxSize = 0x1f
	blockSkip   = 0x20 // the block has no coefficients
)

// A restorationUnit is how loop restoration filters one unit of a plane (section 6.10.16).
type restorationUnit struct {
	kind restorationType
	set  uint8 // lr_sgr_set
	// wiener are the coefficients LrWiener of the vertical, then the horizontal filter.
	wiener [2][3]int8
	xqd    [2]int8 // LrSgrXqd
}

type restorationType uint8

const (
	restoreNone restorationType = iota
	restoreWiener
	restoreSelfGuided
	restoreSwitchable // of frames only
)

// A picture is a frame that is being decoded: its samples, and what in-loop filters need to know about its blocks.
type picture struct {
	sequence *sequence
	header   *frameHeader

	planes [3]plane // before superresolution
	count  int      // of planes: 1 or 3
	depth  uint     // bits of a sample

	miColumns, miRows int // MiCols and MiRows: the size in units of 4x4 luma samples, even
	// blocks has a transform size and flags for each unit of 4x4 luma samples, in rows of miColumns.
	blocks []uint8
	// chromaTx has the transform size for each unit of 4x4 chroma samples, in rows of chromaColumns. It is the same for
	// Cb and Cr.
	chromaTx      []uint8
	chromaColumns int
	segments      []uint8 // segment_id by unit of 4x4 luma samples; nil if segmentation is off

	sbLog2             uint // 6 or 7: the logarithm of the size of superblocks
	sbColumns, sbRows  int
	deltaLF            [][4]int8 // DeltaLF by superblock; nil if delta_lf_present is 0
	cdefIndex          []int8    // cdef_idx by 64x64 luma samples, in rows of cdefColumns; -1 if there is none
	cdefColumns        int
	restoration        [3][]restorationUnit // in rows of restorationColumns
	restorationColumns [3]int               // unitCols
	restorationRows    [3]int               // unitRows

	skipFilters bool        // Options.SkipFilters
	filters     filterState // of the in-loop filters
}
