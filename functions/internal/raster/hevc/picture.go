package hevc

// margin is how many luma rows above the strip are kept: the filters read 5 of them, and 8 is a multiple of what chroma
// needs.
const margin = 8

// A plane is a strip of one plane, and what is above it.
type plane struct {
	pix    []uint16
	stride int
	base   int      // of pix, where row 0 of the picture would be
	above  []uint16 // the row above the strip before it was filtered
	width  int
	subX   uint
	subY   uint
}

// A ctb is what is remembered of a coding tree block.
type ctb struct {
	slice int // number of slices up to this one; 0 before it is decoded
	sao   [3]saoParams
}

// A picture is the layout of a picture, and a strip of it: a row of coding tree blocks, or of tiles if there are several
// columns of them.
type picture struct {
	across, down int      // coding tree blocks
	ctbs         []ctb    // in raster scan
	done         int      // decoded coding tree blocks, in tile scan
	raster       []int    // by the tile scan, the raster scan (CtbAddrTsToRs); nil if they are the same
	tile         []int    // by the raster scan; nil if there is one tile
	bounds       [2][]int // of tile columns and rows, in coding tree blocks

	planes       [3]plane
	count        int // of planes
	top          int // the first luma row of the strip
	shown        int // luma rows that were handed over or cropped
	filtered     bool
	blocksAcross int     // blocks of 8x8 luma samples
	qp           []int8  // of blocks of 8x8
	edges        []uint8 // of blocks of 8x8
	out8         [3][]uint8
	out16        [3][]uint16
}

// resize returns a slice of n zeros, in the memory of s if it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// start lays out a picture, and allocates what it needs.
func (p *picture) start(sps *sps, pps *pps) error {
	size := 1 << sps.ctb
	p.across, p.down = (sps.width+size-1)>>sps.ctb, (sps.height+size-1)>>sps.ctb
	p.ctbs = resize(p.ctbs, p.across*p.down)
	if err := p.layTiles(pps); err != nil {
		return err
	}
	height := size
	if pps.columns > 1 {
		for i, y := range p.bounds[1][1:] {
			height = max(height, (y-p.bounds[1][i])*size)
		}
	}
	height = min(height, p.down*size)
	p.count = 3
	if sps.chroma == 0 {
		p.count = 1
	}
	p.done, p.top, p.shown = 0, 0, 0
	for c := range p.count {
		q := &p.planes[c]
		q.subX, q.subY = 0, 0
		if c > 0 {
			q.subX, q.subY = sps.subX, sps.subY
		}
		q.stride = p.across * size >> q.subX
		q.width = sps.width >> q.subX
		q.pix = resize(q.pix, q.stride*((height+margin)>>q.subY))
		q.above = resize(q.above, q.stride)
	}
	p.move()
	p.blocksAcross = p.across * size / 8
	blocks := p.blocksAcross * p.down * size / 8
	p.qp, p.edges = resize(p.qp, blocks), resize(p.edges, blocks)
	return nil
}

// move sets the bases of the planes for the strip.
func (p *picture) move() {
	for c := range p.count {
		q := &p.planes[c]
		q.base = ((margin - p.top) >> q.subY) * q.stride
	}
}

// layTiles finds the order of the coding tree blocks (section 6.5.1).
func (p *picture) layTiles(pps *pps) error {
	p.raster, p.tile = nil, nil
	p.bounds[0], p.bounds[1] = []int{0, p.across}, []int{0, p.down}
	if pps.columns*pps.rows == 1 {
		return nil
	}
	var err error
	if p.bounds[0], err = boundsOf(pps.columns, p.across, pps.widths); err != nil {
		return err
	}
	if p.bounds[1], err = boundsOf(pps.rows, p.down, pps.heights); err != nil {
		return err
	}
	p.tile = make([]int, len(p.ctbs))
	tile := 0
	for j, bottom := range p.bounds[1][1:] {
		for i, right := range p.bounds[0][1:] {
			for y := p.bounds[1][j]; y < bottom; y++ {
				for x := p.bounds[0][i]; x < right; x++ {
					p.tile[y*p.across+x] = tile
					p.raster = append(p.raster, y*p.across+x)
				}
			}
			tile++
		}
	}
	return nil
}

// boundsOf are where the tiles begin and end that divide a number of coding tree blocks.
func boundsOf(count, total int, sizes []int) ([]int, error) {
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

// rasterOf is the place in raster scan of the coding tree block at a place in tile scan.
func (p *picture) rasterOf(at int) int {
	if p.raster == nil || at >= len(p.raster) {
		return at
	}
	return p.raster[at]
}

// tileOf is the number of the tile that a coding tree block belongs to.
func (p *picture) tileOf(at int) int {
	if p.tile == nil {
		return 0
	}
	return p.tile[at]
}

// startsTile reports whether a coding tree block is the first one of a tile.
func (p *picture) startsTile(at int) bool {
	if p.tile == nil {
		return at == 0
	}
	x, y := at%p.across, at/p.across
	return (x == 0 || p.tile[at] != p.tile[at-1]) && (y == 0 || p.tile[at] != p.tile[at-p.across])
}

// startsRow reports whether a coding tree block is the first one of a row of its tile.
func (p *picture) startsRow(at int) bool {
	return at%p.across == 0 || p.tileOf(at) != p.tileOf(at-1)
}

// shares reports whether two coding tree blocks belong to the same slice and tile.
func (p *picture) shares(a, b int) bool {
	return p.ctbs[a].slice == p.ctbs[b].slice && p.tileOf(a) == p.tileOf(b)
}

// endsStrip reports whether a coding tree block is the last one of a strip, and where the next strip begins.
func (p *picture) endsStrip(at int, ctb uint) (bottom int, ends bool) {
	if (at+1)%p.across != 0 {
		return 0, false
	}
	y := at/p.across + 1
	if len(p.bounds[0]) == 2 {
		return y << ctb, true
	}
	for _, end := range p.bounds[1] {
		if y == end {
			return y << ctb, true
		}
	}
	return 0, false
}
