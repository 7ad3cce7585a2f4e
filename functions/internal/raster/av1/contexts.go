package av1

// Distribution functions are arrays of as many elements as the symbol has values: see symbolDecoder.symbol.

// contexts are the distribution functions of the symbols that intra frames have, but for those of coefficients
// (init_non_coeff_cdfs in section 6.8.2). Their order is that of tables.bin.
type contexts struct {
	yMode            [5][5][13]uint16 // intra_frame_y_mode
	uvMode           [13][13]uint16   // where chroma from luma is not allowed
	uvModeCFL        [13][14]uint16
	angleDelta       [8][7]uint16
	intraBC          [2]uint16
	partition8       [4][4]uint16
	partition        [3][4][10]uint16 // of 16x16, 32x32 and 64x64
	partition128     [4][8]uint16
	tx8              [3][2]uint16
	txDepth          [3][3][3]uint16 // of 16x16, 32x32 and 64x64
	txSplit          [21][2]uint16
	filterIntraMode  [5]uint16
	filterIntra      [22][2]uint16
	segment          [3][8]uint16
	skip             [3][2]uint16
	mvJoint          [4]uint16
	mvClass          [2][11]uint16
	mvSign           [2][2]uint16
	mvClass0Bit      [2][2]uint16
	mvBit            [2][10][2]uint16
	hasPaletteY      [7][3][2]uint16
	hasPaletteUV     [2][2]uint16
	paletteSizeY     [7][7]uint16
	paletteSizeUV    [7][7]uint16
	paletteColor     paletteContexts
	deltaQ           [4]uint16
	deltaLF          [4]uint16
	deltaLFMulti     [4][4]uint16
	intraTxSet1      [2][13][7]uint16
	intraTxSet2      [3][13][5]uint16
	interTxSet1      [2][16]uint16
	interTxSet2      [12]uint16
	interTxSet3      [4][2]uint16
	cflSigns         [8]uint16
	cflAlpha         [6][16]uint16
	usesWiener       [2]uint16
	usesSelfGuided   [2]uint16
	restorationTypes [3]uint16
}

// interContexts are the distribution functions of the symbols that only inter frames have (init_non_coeff_cdfs), in the
// order of tables.bin.
type interContexts struct {
	yMode            [4][13]uint16
	segmentPredicted [3][2]uint16
	newMV            [6][2]uint16
	zeroMV           [2][2]uint16
	refMV            [6][2]uint16
	drl              [3][2]uint16
	isInter          [4][2]uint16
	compoundMode     [5][2]uint16 // comp_mode
	skipMode         [3][2]uint16
	forwardRef       [3][3][2]uint16 // comp_ref
	backwardRef      [3][2][2]uint16 // comp_bwdref
	singleRef        [3][6][2]uint16
	refType          [5][2]uint16    // comp_ref_type
	sameRef          [3][3][2]uint16 // uni_comp_ref
	modes            [8][8]uint16    // compound_mode
	filter           [16][3]uint16
	motionMode       [22][3]uint16
	overlaps         [22][2]uint16 // use_obmc
	vectors          vectorContexts
	compoundIndex    [6][2]uint16
	compoundGroup    [6][2]uint16
	compoundType     [22][2]uint16
	interIntra       [3][2]uint16
	interIntraMode   [3][4]uint16
	wedgeIndex       [22][16]uint16
	wedgeInterIntra  [22][2]uint16
}

// vectorContexts are those of motion vectors, by row and column: MvCtx is 0.
type vectorContexts struct {
	joint          [4]uint16
	class          [2][11]uint16
	sign           [2][2]uint16
	class0Bit      [2][2]uint16
	class0Fraction [2][2][4]uint16
	class0High     [2][2]uint16
	bit            [2][10][2]uint16
	fraction       [2][4]uint16
	high           [2][2]uint16
}

// paletteContexts are the distribution functions of color indices: for luma and chroma, for 2 to 8 colors, of which
// each function uses that many elements.
type paletteContexts [2][7][5][8]uint16

// coefficientContexts are the distribution functions of the symbols of coefficients (init_coeff_cdfs).
type coefficientContexts struct {
	allZero [5][13][2]uint16
	end16   [2][2][5]uint16 // eob_pt_16
	end32   [2][2][6]uint16
	end64   [2][2][7]uint16
	end128  [2][2][8]uint16
	end256  [2][2][9]uint16
	end512  [2][10]uint16
	end1024 [2][11]uint16
	endBit  [5][2][9][2]uint16 // eob_extra
	dcSign  [2][3][2]uint16
	baseEnd [5][2][4][3]uint16  // coeff_base_eob
	base    [5][2][42][4]uint16 // coeff_base
	more    [5][2][21][4]uint16 // coeff_br
}
