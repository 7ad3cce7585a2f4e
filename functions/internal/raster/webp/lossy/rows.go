package lossy

import (
	"bytes"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// allocate allocates the buffers whose size depends on the width.
func (d *decoder) allocate() {
	for i := range d.rows {
		size := macroblockSize(i)
		d.rows[i] = plane.New(d.across*size, (16+d.delayedRows)*size/16, float64(16/size), float64(16/size))
		d.above[i] = bytes.Repeat([]byte{beyondTop}, d.across*size+stride)
	}
	d.aboveModes, d.aboveContexts = make([][4]uint8, d.across), make([]context, d.across)
	d.filters, d.innerEdges = make([]*loopFilter, d.across), make([]bool, d.across)
}

// macroblockSize is the side of a macroblock in a plane.
func macroblockSize(plane int) int {
	if plane == 0 {
		return 16
	}
	return 8
}

// decodeRow decodes a row of macroblocks.
func (d *decoder) decodeRow(y int) error {
	tokens := d.tokens[y%len(d.tokens)]
	d.leftModes, d.leftContext = [4]uint8{}, context{}
	d.startRow(y)
	for x := range d.across {
		if err := d.modes.ensureMacroblock(); err != nil {
			return err
		}
		m := d.readMacroblock(d.modes, &d.aboveModes[x], &d.leftModes)
		isCoded := false
		if m.empty {
			d.aboveContexts[x].clearSkipped(&m)
			d.leftContext.clearSkipped(&m)
		} else {
			if err := tokens.ensureMacroblock(); err != nil {
				return err
			}
			isCoded = d.residue.read(tokens, &d.header, &m, &d.aboveContexts[x], &d.leftContext)
		}
		d.load(x)
		d.reconstruct(&m, x, y, isCoded)
		d.store(x)
		d.filters[x], d.innerEdges[x] = d.filterOf(&m), isCoded || m.luma == predictSubblocks
	}
	if d.delayedRows > 0 {
		d.filterRow(y)
	}
	return nil
}

// clearSkipped is for a macroblock without coefficients. The context of Y2 remains if the macroblock has no Y2 block.
func (c *context) clearSkipped(m *macroblock) {
	last := c[len(c)-1]
	*c = context{}
	if m.luma == predictSubblocks {
		c[len(c)-1] = last
	}
}

func (d *decoder) filterOf(m *macroblock) *loopFilter {
	if m.luma == predictSubblocks {
		return &d.segments[m.segment].filters[1]
	}
	return &d.segments[m.segment].filters[0]
}

// startRow sets the pixels beyond the image around the first macroblock of a row (section 12).
func (d *decoder) startRow(y int) {
	for i := lumaAt; i < lumaAt+16*stride; i += stride {
		d.pred[i-1] = beyondLeft
	}
	for i := blueAt; i < blueAt+8*stride; i += stride {
		d.pred[i-1], d.pred[i+15] = beyondLeft, beyondLeft
	}
	corner := uint8(beyondTop)
	if y > 0 {
		corner = beyondLeft
		end := margin + 16*d.across
		last := d.above[0][end-1]
		copy(d.above[0][end:], []uint8{last, last, last, last})
	}
	d.pred[lumaAt-stride+15], d.pred[blueAt-stride+7], d.pred[redAt-stride+7] = corner, corner, corner
}

// load copies the pixels above a macroblock into the prediction buffer. The corner is the last of those above the
// previous macroblock, because d.above has been overwritten there.
func (d *decoder) load(x int) {
	const luma, chroma = lumaAt - stride, blueAt - stride
	corners := [3]uint8{d.pred[luma+15], d.pred[chroma+7], d.pred[chroma+23]}
	copy(d.pred[luma-margin:luma+24], d.above[0][16*x:])
	copy(d.pred[chroma-margin:chroma+8], d.above[1][8*x:])
	copy(d.pred[chroma+8:chroma+24], d.above[2][8*x:])
	d.pred[luma-1], d.pred[chroma-1], d.pred[chroma+15] = corners[0], corners[1], corners[2]
}

// store copies a macroblock into the rows, and its last row and column to where the next macroblocks need them.
func (d *decoder) store(x int) {
	luma := &d.rows[0]
	to := luma.Pix[d.delayedRows*luma.Stride+16*x:]
	for i, at := lumaAt, 0; i < lumaAt+16*stride; i, at = i+stride, at+luma.Stride {
		copy(to[at:at+16], d.pred[i:i+16])
		d.pred[i-1] = d.pred[i+15]
	}
	blue, red := &d.rows[1], &d.rows[2]
	start := d.delayedRows/2*blue.Stride + 8*x
	toBlue, toRed := blue.Pix[start:], red.Pix[start:]
	for i, at := blueAt, 0; i < blueAt+8*stride; i, at = i+stride, at+blue.Stride {
		copy(toBlue[at:at+8], d.pred[i:i+8])
		copy(toRed[at:at+8], d.pred[i+16:i+24])
		d.pred[i-1], d.pred[i+15] = d.pred[i+7], d.pred[i+23]
	}
	const lastLuma, lastChroma = lumaAt + 15*stride, blueAt + 7*stride
	copy(d.above[0][margin+16*x:], d.pred[lastLuma:lastLuma+16])
	copy(d.above[1][margin+8*x:], d.pred[lastChroma:lastChroma+8])
	copy(d.above[2][margin+8*x:], d.pred[lastChroma+16:lastChroma+24])
}

// reconstruct predicts a macroblock and adds its residue.
func (d *decoder) reconstruct(m *macroblock, x, y int, isCoded bool) {
	p := &d.pred
	if m.luma == predictSubblocks {
		d.reconstructSubblocks(m)
	} else {
		p.predict(lumaAt, 16, m.luma, y > 0, x > 0)
		if isCoded {
			for i := range 16 {
				d.residue.addBlock(p, i, lumaAt+i>>2*4*stride+i&3*4)
			}
		}
	}
	p.predict(blueAt, 8, m.chroma, y > 0, x > 0)
	p.predict(redAt, 8, m.chroma, y > 0, x > 0)
	if isCoded {
		for i := 16; i < 24; i++ {
			d.residue.addBlock(p, i, blueAt+i>>2&1*16+i>>1&1*4*stride+i&1*4)
		}
	}
}

// reconstructSubblocks works subblock by subblock, because each is predicted from the previous ones. The pixels to the
// right of the last column are not decoded yet, so that all rows use those of the row above the macroblock.
func (d *decoder) reconstructSubblocks(m *macroblock) {
	p := &d.pred
	right := p.half(lumaAt - stride + 16)
	for i, mode := range m.subblocks {
		at := lumaAt + i>>2*4*stride + i&3*4
		next := right
		if i&3 < 3 {
			next = p.half(at - stride + 4)
		}
		p.predictSubblock(at, mode, next)
		d.residue.addBlock(p, i, at)
	}
}

// addBlock adds a block to its prediction, and clears it for the next macroblock.
func (r *residue) addBlock(p *predictionBuffer, i, at int) {
	b, to := &r.blocks[i], (*[blockSpan]uint8)(p[at:])
	switch used := r.coefCounts[i]; {
	case used == 0:
		return
	case addVectors(b, to):
	case used == 1:
		b.addIDCTDC(to)
	case used <= 3:
		b.addIDCT3(to)
	default:
		b.addIDCT(to)
	}
	*b = block{}
	r.coefCounts[i] = 0
}

// filterRow filters the macroblock and subblock edges of a row of macroblocks (section 15.1).
func (d *decoder) filterRow(y int) {
	for x, f := range d.filters {
		if f.edgeLimit == 0 {
			continue
		}
		d.filterPlane(0, x, y, f)
		if !d.simple {
			d.filterPlane(1, x, y, f)
			d.filterPlane(2, x, y, f)
		}
	}
}

func (d *decoder) filterPlane(i, x, y int, f *loopFilter) {
	size, p := macroblockSize(i), &d.rows[i]
	at := d.delayedRows*size/16*p.Stride + x*size
	left, top := edge{1, p.Stride, size}, edge{p.Stride, 1, size}
	if x > 0 {
		d.filterEdge(left, p.Pix, at, f, true)
	}
	if d.innerEdges[x] {
		for n := 4; n < size; n += 4 {
			d.filterEdge(left, p.Pix, at+n, f, false)
		}
	}
	if y > 0 {
		d.filterEdge(top, p.Pix, at, f, true)
	}
	if d.innerEdges[x] {
		for n := 4; n < size; n += 4 {
			d.filterEdge(top, p.Pix, at+n*p.Stride, f, false)
		}
	}
}

func (d *decoder) filterEdge(e edge, pix []uint8, at int, f *loopFilter, wide bool) {
	limit := f.edgeLimit
	if wide {
		limit += macroblockEdgeExtra
	}
	if d.simple {
		e.simpleFilter(pix, at, limit)
	} else {
		e.normalFilter(pix, at, limit, f, wide)
	}
}

// emitRows shows the rows that are final, and keeps the others for the next row of macroblocks.
func (d *decoder) emitRows(y int, show func(*Rows) error) error {
	first, end := 0, 16
	if y == 0 {
		first = d.delayedRows
	}
	if y == d.down-1 {
		end += d.delayedRows
		end = min(end, d.delayedRows+d.height-16*y) // some rows of the last macroblocks are beyond the image
	}
	var rows Rows
	for i, p := range d.rows {
		size := macroblockSize(i)
		from, to := first*size/16, (end*size+15)/16
		rows[i] = p
		rows[i].Pix = p.Pix[from*p.Stride : to*p.Stride]
		rows[i].Width, rows[i].Height = (d.width*size+15)/16, to-from
	}
	err := show(&rows)
	for i, p := range d.rows {
		copy(p.Pix, p.Pix[macroblockSize(i)*p.Stride:])
	}
	return err
}
