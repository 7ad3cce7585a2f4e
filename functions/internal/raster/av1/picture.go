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
	// motion is how blocks of inter frames are predicted, by unit of 4x4 luma samples; nil in intra frames.
	motion []motionBlock

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

// margin is the number of luma rows above those that are not final that are kept for filters.
const margin = 16

// strideExtra keeps the distance of rows from being a power of two, in which case the samples of a column would
// displace one another in the processor's cache.
const strideExtra = 32

// resize returns a slice of n zeros, which reuses the memory of s if it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// start lays out a picture and allocates its buffers.
func (d *decoder) start(s *sequence, h *frameHeader) {
	p := &d.picture
	p.sequence, p.header, p.depth, p.count = s, h, uint(s.Depth), s.planeCount()
	p.skipFilters = d.options.SkipFilters
	p.miColumns, p.miRows = h.miColumns(), h.miRows()
	p.sbLog2 = s.sbLog2()
	size := 1 << p.sbLog2
	p.sbColumns, p.sbRows = (h.width+size-1)>>p.sbLog2, (h.height+size-1)>>p.sbLog2
	height := d.windowHeight()
	for c := range p.count {
		q := &p.planes[c]
		q.subX, q.subY = 0, 0
		if c > 0 {
			q.subX, q.subY = uint(s.StepX-1), uint(s.StepY-1)
		}
		q.width, q.height = (h.width+int(q.subX))>>q.subX, (h.height+int(q.subY))>>q.subY
		q.stride, q.top = p.sbColumns*size>>q.subX+strideExtra, 0
		q.pix = resize(q.pix, q.stride*(height>>q.subY))
	}
	p.blocks = resize(p.blocks, p.miColumns*p.miRows)
	p.chromaTx, p.segments, p.deltaLF = nil, nil, nil
	if p.count > 1 {
		p.chromaColumns = p.miColumns >> p.planes[1].subX
		p.chromaTx = resize(p.chromaTx, p.chromaColumns*(p.miRows>>p.planes[1].subY))
	}
	if h.segmentation.enabled {
		p.segments = make([]uint8, p.miColumns*p.miRows)
	}
	if h.deltaLFPresent {
		p.deltaLF = make([][4]int8, p.sbColumns*p.sbRows)
	}
	p.cdefColumns = (h.width + 63) >> 6
	p.cdefIndex = resize(p.cdefIndex, p.cdefColumns*((h.height+63)>>6))
	d.startRestoration()
	d.startTiles()
	d.startQuantizers()
	d.startCopies()
	p.startFilters()
}

// startRestoration lays out the units of loop restoration.
func (p *picture) startRestoration() {
	h := p.header
	for c := range p.count {
		p.restoration[c] = nil
		if h.restoration.kind[c] == restoreNone {
			continue
		}
		q := &p.planes[c]
		size := 1 << h.restoration.sizeLog2[c]
		units := func(samples int) int { return max((samples+size>>1)/size, 1) }
		p.restorationColumns[c] = units((h.upscaledWidth + int(q.subX)) >> q.subX)
		p.restorationRows[c] = units(q.height)
		p.restoration[c] = make([]restorationUnit, p.restorationColumns[c]*p.restorationRows[c])
	}
}

// heldRows is the number of luma rows that are held: some superblocks, so that rows need not be moved after each.
const heldRows = 384

// windowHeight returns the number of luma rows that are held, which is all if blocks are copied from above.
func (d *decoder) windowHeight() int {
	all := d.sbRows << d.sbLog2
	if d.header.allowBC {
		return all
	}
	return min(heldRows, all)
}

// advance makes room for the next row of superblocks: it moves those that are needed to the top of the window. The rows
// up to done are final, and those up to bottom decoded.
func (d *decoder) advance(done, bottom int) {
	next := min(bottom+1<<d.sbLog2, d.sbRows<<d.sbLog2)
	keep := max(done-margin, 0) &^ 7
	for c := range d.count {
		p := &d.planes[c]
		if rows := len(p.pix) / p.stride; next>>p.subY-p.top <= rows {
			continue
		}
		from, end := keep>>p.subY, min(bottom, d.sbRows<<d.sbLog2)>>p.subY
		kept := p.pix[p.index(0, from):p.index(0, end)]
		if need := (next>>p.subY - from) * p.stride; need > len(p.pix) {
			p.pix = make([]uint16, need)
		}
		copy(p.pix, kept)
		p.top = from
	}
}

// startTiles allocates the state of tiles.
func (d *decoder) startTiles() {
	t := &d.tile
	columns := d.sbColumns << (d.sbLog2 - 2)
	t.above = resize(t.above, columns)
	for c := range d.count {
		n := columns >> d.planes[c].subX
		t.aboveLevels[c] = resize(t.aboveLevels[c], n)
		t.aboveRows[c] = resize(t.aboveRows[c], 4*n)
	}
	if d.count > 1 {
		t.aboveUV = resize(t.aboveUV, columns>>d.planes[1].subX)
	}
	t.abovePredicted = t.abovePredicted[:0]
	if d.header.segmentation.isTemporal {
		t.abovePredicted = resize(t.abovePredicted, columns)
	}
	for i := range t.aboveColors {
		t.aboveColors[i] = nil
		if d.header.allowScreenContent {
			t.aboveColors[i] = make([][8]uint16, columns)
		}
	}
}
