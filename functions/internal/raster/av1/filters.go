package av1

// The in-loop filters run in strips of 8 luma rows, as soon as the rows that they need are reconstructed: deblocking,
// then CDEF, then superresolution, then loop restoration. All but superresolution filter in place.

// A filterState has the progress and the buffers of the in-loop filters.
type filterState struct {
	deblocks, constrains, restores, upscales bool

	// Luma rows: those before them are reconstructed, are filtered up to superresolution, and are final.
	reconstructed, filtered, done int

	levels  levelTable
	strips  [3]cdefStrip
	borders [3]stripeBorders
	unit    restorationBuffers
	scales  [3]scale
	// upscaled are the planes after superresolution. They hold rows from done-16 on.
	upscaled [3]plane
}

// stripHeight is the height of a strip in luma samples: that of the blocks of CDEF.
const stripHeight = 8

// Loop restoration works in stripes of 64 luma rows, which begin 8 rows higher than those of superblocks
// (section 7.17).
const (
	stripeHeight = 64
	stripeOffset = 8
)

// keptRows is the number of luma rows that callers keep beside those that are not done.
const keptRows = 16

// startFilters prepares the filters for a frame, whose header, planes and arrays are set.
func (p *picture) startFilters() {
	f, h := &p.filters, p.header
	f.reconstructed, f.filtered, f.done = 0, 0, 0
	f.deblocks = !p.skipFilters && (h.loopFilter.level[0] != 0 || h.loopFilter.level[1] != 0)
	f.constrains = !p.skipFilters && h.cdef.changes(p.count > 1)
	f.restores = !p.skipFilters && h.restoration.usesAny
	f.upscales = h.upscaledWidth != h.width
	if f.deblocks {
		f.levels.start(h)
	}
	for c := range p.count {
		if f.constrains {
			f.strips[c].start(&p.planes[c], p.codedWidth(c))
		}
		if f.upscales {
			p.startScale(c)
		}
		if f.restores {
			f.borders[c].start(p.shown(c).width)
		}
	}
}

// codedWidth and codedHeight are the size of a plane in whole blocks of 8x8 luma samples. Samples beyond the frame are
// decoded, and filters use them.
func (p *picture) codedWidth(c int) int  { return 4 * p.miColumns >> p.planes[c].subX }
func (p *picture) codedHeight(c int) int { return 4 * p.miRows >> p.planes[c].subY }

// shown returns the plane to show: that after superresolution.
func (p *picture) shown(c int) *plane {
	if p.filters.upscales {
		return &p.filters.upscaled[c]
	}
	return &p.planes[c]
}

// filter filters as far as possible if luma rows up to bottom are reconstructed: a multiple of the superblock size, or
// the height of the frame. It returns the number of luma rows that are final.
func (p *picture) filter(bottom int) (done int) {
	f := &p.filters
	bottom = min(bottom, p.header.height)
	isEnd := bottom == p.header.height
	ready := bottom
	if f.deblocks {
		p.deblock(f.reconstructed, bottom)
		if !isEnd {
			ready -= 8 // filters of the edge at bottom change up to 6 rows
		}
	}
	f.reconstructed = bottom
	if !f.constrains && !f.restores && !f.upscales {
		f.done = ready
		return f.done
	}
	if f.constrains && !isEnd {
		ready -= 4 // CDEF needs 2 rows more, also of chroma
	}
	if !isEnd {
		ready &^= stripHeight - 1
	}
	if f.upscales {
		p.makeRoom(ready)
	}
	for f.filtered < ready {
		p.filterStrip(f.filtered)
		f.filtered = min(f.filtered+stripHeight, p.header.height)
	}
	switch {
	case !f.restores:
		f.done = f.filtered
	case isEnd && f.done < bottom:
		p.restoreStripe(bottom)
	}
	return f.done
}

// filterStrip filters the strip that begins at a luma row, and the stripe of loop restoration that ends there.
func (p *picture) filterStrip(y int) {
	f := &p.filters
	if f.constrains {
		for c := range p.count {
			f.strips[c].load(&p.planes[c], y, p.codedHeight(c))
		}
	}
	endsStripe := f.restores && y%stripeHeight == stripeHeight-stripeOffset
	if endsStripe {
		for c := range p.count {
			p.saveBorder(c, y)
		}
	}
	if f.constrains {
		p.constrainStrip(y)
	}
	if f.upscales {
		p.upscaleStrip(y)
	}
	if endsStripe {
		p.restoreStripe(y)
	}
}
