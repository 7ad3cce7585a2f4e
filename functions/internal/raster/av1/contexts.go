package av1

// Distribution functions are arrays of as many elements as the symbol has values: see symbolDecoder.symbol.

// contexts are the distribution functions of all symbols but those of coefficients, as far as intra frames use them
// (init_non_coeff_cdfs in section 7.20). Their order is that of tables.bin.
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
