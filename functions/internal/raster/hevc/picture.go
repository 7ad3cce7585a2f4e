package hevc

// margin is the number of luma rows that are kept above the strip: filters read 5 of them, and 8 is a multiple of the
// chroma subsampling.
const margin = 8

// A plane is a strip of one colour component, with the rows above it.
type plane struct {
	pix    []uint16
	stride int
	base   int      // index in pix of row 0 of the picture, which may be negative
	above  []uint16 // the row above the strip before deblocking, for intra prediction
	width  int
	subX   uint
	subY   uint
}

// A ctb is the state of a coding tree block that filters and later blocks need.
type ctb struct {
	slice int // number of slices up to this one; 0 if it is not decoded yet
	sao   [3]saoParams
}

// A picture is the layout of a picture, and a strip of its samples: a row of coding tree blocks, or a row of tiles if
// there are several tile columns.
type picture struct {
	ctbColumns, ctbRows int      // PicWidthInCtbsY, PicHeightInCtbsY
	ctbs                []ctb    // in raster scan
	done                int      // number of decoded coding tree units
	tsToRs              []int    // CtbAddrTsToRs; nil if tile scan and raster scan are the same
	tileIDs             []int    // TileId by raster address; nil if there is one tile
	tileBounds          [2][]int // colBd and rowBd

	planes      [3]plane
	count       int // of planes
	top         int // first luma row of the strip
	emitted     int // luma rows that were emitted or cropped
	filtered    bool
	blockStride int     // 8x8 luma blocks per row
	qp          []int8  // QpY by 8x8 block
	edges       []uint8 // flags by 8x8 block
	out8        [3][]uint8
	out16       [3][]uint16
}

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
func (p *picture) start(sps *sps, pps *pps) error {
	size := 1 << sps.ctb
	p.ctbColumns, p.ctbRows = (sps.width+size-1)>>sps.ctb, (sps.height+size-1)>>sps.ctb
	p.ctbs = resize(p.ctbs, p.ctbColumns*p.ctbRows)
	if err := p.layOutTiles(pps); err != nil {
		return err
	}
	height := size
	if pps.columns > 1 {
		for i, y := range p.tileBounds[1][1:] {
			height = max(height, (y-p.tileBounds[1][i])*size)
		}
	}
	height = min(height, p.ctbRows*size)
	p.count = 3
	if sps.chroma == 0 {
		p.count = 1
	}
	p.done, p.top, p.emitted = 0, 0, 0
	for c := range p.count {
		q := &p.planes[c]
		q.subX, q.subY = 0, 0
		if c > 0 {
			q.subX, q.subY = sps.subX, sps.subY
		}
		q.stride = p.ctbColumns * size >> q.subX
		q.width = sps.width >> q.subX
		q.pix = resize(q.pix, q.stride*((height+margin)>>q.subY))
		q.above = resize(q.above, q.stride)
	}
	p.setPlaneBases()
	p.blockStride = p.ctbColumns * size / 8
	blocks := p.blockStride * p.ctbRows * size / 8
	p.qp, p.edges = resize(p.qp, blocks), resize(p.edges, blocks)
	return nil
}

// setPlaneBases sets the bases of the planes for the current strip.
func (p *picture) setPlaneBases() {
	for c := range p.count {
		q := &p.planes[c]
		q.base = ((margin - p.top) >> q.subY) * q.stride
	}
}

// layOutTiles derives the order of the coding tree blocks (section 6.5.1).
func (p *picture) layOutTiles(pps *pps) error {
	p.tsToRs, p.tileIDs = nil, nil
	p.tileBounds[0], p.tileBounds[1] = []int{0, p.ctbColumns}, []int{0, p.ctbRows}
	if pps.columns*pps.rows == 1 {
		return nil
	}
	var err error
	if p.tileBounds[0], err = tileBoundaries(pps.columns, p.ctbColumns, pps.widths); err != nil {
		return err
	}
	if p.tileBounds[1], err = tileBoundaries(pps.rows, p.ctbRows, pps.heights); err != nil {
		return err
	}
	p.tileIDs = make([]int, len(p.ctbs))
	tile := 0
	for j, bottom := range p.tileBounds[1][1:] {
		for i, right := range p.tileBounds[0][1:] {
			for y := p.tileBounds[1][j]; y < bottom; y++ {
				for x := p.tileBounds[0][i]; x < right; x++ {
					p.tileIDs[y*p.ctbColumns+x] = tile
					p.tsToRs = append(p.tsToRs, y*p.ctbColumns+x)
				}
			}
			tile++
		}
	}
	return nil
}

// tileBoundaries returns colBd or rowBd for a number of tiles.
func tileBoundaries(count, total int, sizes []int) ([]int, error) {
	bounds := []int{0}
	for i := range count {
		end := total
		if i < len(sizes) {
			end = bounds[i] + sizes[i]
		} else if sizes == nil {
			end = (i + 1) * total / count
		}
		if end <= bounds[i] || end > total {
			return nil, damaged("it has %d tiles for %d coding tree blocks", count, total)
		}
		bounds = append(bounds, end)
	}
	return bounds, nil
}

// rasterAddress returns CtbAddrTsToRs.
func (p *picture) rasterAddress(at int) int {
	if p.tsToRs == nil || at >= len(p.tsToRs) {
		return at
	}
	return p.tsToRs[at]
}

// tileID returns TileId of a coding tree block in raster scan.
func (p *picture) tileID(at int) int {
	if p.tileIDs == nil {
		return 0
	}
	return p.tileIDs[at]
}

// isFirstInTile reports whether a coding tree block is the first of a tile.
func (p *picture) isFirstInTile(at int) bool {
	if p.tileIDs == nil {
		return at == 0
	}
	x, y := at%p.ctbColumns, at/p.ctbColumns
	return (x == 0 || p.tileIDs[at] != p.tileIDs[at-1]) && (y == 0 || p.tileIDs[at] != p.tileIDs[at-p.ctbColumns])
}

// isFirstInTileRow reports whether a coding tree block is the first in a row of its tile.
func (p *picture) isFirstInTileRow(at int) bool {
	return at%p.ctbColumns == 0 || p.tileID(at) != p.tileID(at-1)
}

// inSameSliceAndTile reports whether two coding tree blocks belong to the same slice and tile.
func (p *picture) inSameSliceAndTile(a, b int) bool {
	return p.ctbs[a].slice == p.ctbs[b].slice && p.tileID(a) == p.tileID(b)
}

// endsStrip reports whether a coding tree block is the last of a strip, and returns the first luma row of the next.
func (p *picture) endsStrip(at int, ctb uint) (bottom int, ends bool) {
	if (at+1)%p.ctbColumns != 0 {
		return 0, false
	}
	y := at/p.ctbColumns + 1
	if len(p.tileBounds[0]) == 2 {
		return y << ctb, true
	}
	for _, end := range p.tileBounds[1] {
		if y == end {
			return y << ctb, true
		}
	}
	return 0, false
}
