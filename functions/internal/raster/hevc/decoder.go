package hevc

import (
	"errors"
	"io"
	"slices"
)

// A decoder decodes one picture after another, and reuses its buffers.
type decoder struct {
	options       Options
	emit          func(*Rows) error
	config        *Config
	parameterSets parameterSets
	unit          []byte // the current NAL unit

	sps *sps
	pps *pps
	picture

	slices []slice
	slice  *slice // of the current coding tree unit
	engine
	saved [2]contextVariables // for synchronization: after the second CTU of a row, and after a slice segment

	cu           codingBlock
	quadtree     quadtreeState
	residuals    residualState
	coefficients coefficientState
	reference    reference
	fault        error // the first error within a coding tree unit
}

// decode is Config.Decode.
func (d *decoder) decode(c *Config, r io.Reader, o Options, emit func(*Rows) error) error {
	d.config, d.parameterSets, d.options, d.emit = c, c.parameterSets, o, emit
	d.sps, d.pps, d.fault, d.slice = nil, nil, nil, nil
	d.slices, d.data = d.slices[:0], nil
	d.done, d.ctbs = 0, d.ctbs[:0]
	for {
		if err := d.readUnit(r); err != nil {
			return err
		}
		if err := d.decodeUnit(d.unit); err != nil {
			return err
		}
		if d.sps != nil && d.done == len(d.ctbs) {
			return nil
		}
	}
}

// readUnit reads the next NAL unit. Its buffer grows with the data that arrives, to at most twice that, whatever the
// length field says.
func (d *decoder) readUnit(r io.Reader) error {
	var length [4]byte
	n := d.config.lengthSize
	if _, err := io.ReadFull(r, length[:n]); err != nil {
		return short(err)
	}
	left := 0
	for _, b := range length[:n] {
		left = left<<8 | int(b)
	}
	d.unit = d.unit[:0]
	for left > 0 {
		start := len(d.unit)
		size := min(left, max(64<<10, start))
		d.unit = slices.Grow(d.unit, size)[:start+size]
		if _, err := io.ReadFull(r, d.unit[start:]); err != nil {
			return short(err)
		}
		left -= size
	}
	return nil
}

func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("its data ends before the picture does")
	}
	return err
}

// decodeUnit decodes a NAL unit.
func (d *decoder) decodeUnit(unit []byte) error {
	nal, base := header(unit)
	if !base {
		return nil
	}
	if !isSlice(nal) {
		if d.sps != nil {
			return nil // parameter sets after the first slice are for other pictures
		}
		return d.parameterSets.add(unit)
	}
	b := removeEmulationPrevention(unit[2:])
	if isFirst := len(b) > 0 && b[0]&0x80 != 0; isFirst != (d.sps == nil) {
		return damaged("a slice is missing: %d of %d coding tree blocks are there", d.done, len(d.ctbs))
	}
	g, err := d.readSegment(b, nal)
	if err != nil {
		return err
	}
	d.data = b
	return d.decodeSegment(g)
}

// activate starts a picture with a picture parameter set and the sequence parameter set that it refers to.
func (d *decoder) activate(id int) error {
	if id > 63 || d.parameterSets.pps[id] == nil {
		return damaged("a slice refers to picture parameter set %d, which is missing", id)
	}
	pps := d.parameterSets.pps[id]
	sps := d.parameterSets.sps[pps.spsID]
	if sps == nil {
		return damaged("a picture refers to sequence parameter set %d, which is missing", pps.spsID)
	}
	if d.config.first == nil {
		return damaged("its hvcC property has no sequence parameter set")
	}
	if want := d.config.first.info; sps.info != want {
		return damaged("its picture is %+v, expected %+v, as its hvcC property says", sps.info, want)
	}
	if depth := int(sps.ctb - sps.minCb); pps.deltaQPDepth > depth || pps.chromaOffsetDepth > depth {
		return damaged("it has quantization groups of depths %d and %d, expected at most %d",
			pps.deltaQPDepth, pps.chromaOffsetDepth, depth)
	}
	if least := -6 * (sps.depth[0] - 8); pps.qp < least || pps.qp > 51 {
		return damaged("it has a QP of %d, expected %d to 51", pps.qp, least)
	}
	if pps.crossComponent && sps.chroma != 3 {
		return damaged("it uses cross-component prediction, which only 4:4:4 may")
	}
	for c, shift := range pps.saoShift {
		if most := max(0, sps.depth[c]-10); int(shift) > most {
			return damaged("its sample adaptive offsets are shifted by %d bits, expected at most %d", shift, most)
		}
	}
	d.sps, d.pps = sps, pps
	if err := d.start(sps, pps); err != nil {
		return err
	}
	d.filtered = !d.options.SkipFilters
	d.quadtree.start(sps, pps)
	d.residuals.start(sps, pps)
	return nil
}

// decodeSegment decodes slice_segment_data (section 7.3.8.1).
func (d *decoder) decodeSegment(g *segment) error {
	if d.rasterAddress(d.done) != g.address {
		return damaged("a slice is missing: %d of %d coding tree blocks are there", d.done, len(d.ctbs))
	}
	if len(d.slices) == 0 {
		return damaged("a dependent slice segment has no slice before it")
	}
	d.slice = &d.slices[len(d.slices)-1]
	if !g.dependent {
		d.quadtree.startSlice(d.slice)
	}
	d.ctbs[g.address].slice = len(d.slices)
	if err := d.init(g.data); err != nil {
		return err
	}
	d.startContexts(g)
	for {
		at := d.rasterAddress(d.done)
		if err := d.decodeCTU(at); err != nil {
			return err
		}
		isLast := d.terminateBin()
		if d.pastEnd() {
			return damaged("the data of a slice ends within its coding tree block %d", at)
		}
		d.done++
		if err := d.finishCTU(at); err != nil {
			return err
		}
		if isLast {
			break
		}
		if d.done == len(d.ctbs) {
			return damaged("a slice continues after the last coding tree block")
		}
		if err := d.startSubstream(at); err != nil {
			return err
		}
	}
	d.saved[1] = d.contextVariables
	return nil
}

// startContexts initializes or synchronizes the context variables at the start of a slice segment (section 9.3.1).
func (d *decoder) startContexts(g *segment) {
	at := g.address
	switch {
	case d.isFirstInTile(at):
		d.contextVariables.init(d.slice.qp)
	case d.pps.wavefront && d.isFirstInTileRow(at):
		d.syncContexts(at)
	case g.dependent:
		d.contextVariables = d.saved[1]
	default:
		d.contextVariables.init(d.slice.qp)
	}
	if d.isFirstInTile(at) || d.pps.wavefront && d.isFirstInTileRow(at) {
		d.quadtree.startQP(d.slice)
	}
}

// syncContexts is the synchronization process of wavefronts (section 9.3.2.4): the context variables are those after
// the second coding tree unit of the row above, if it is available, and are initialized otherwise.
func (d *decoder) syncContexts(at int) {
	x, y := at%d.ctbColumns, at/d.ctbColumns
	if x+1 < d.ctbColumns && y > 0 && d.inSameSliceAndTile(at, at-d.ctbColumns+1) {
		d.contextVariables = d.saved[0]
	} else {
		d.contextVariables.init(d.slice.qp)
	}
}

// startSubstream starts the next substream, if the coding tree unit before ended one: at the start of a tile, or with
// wavefronts of a row.
func (d *decoder) startSubstream(before int) error {
	at := d.rasterAddress(d.done)
	isTile := d.isFirstInTile(at)
	isRow := d.pps.wavefront && d.isFirstInTileRow(at)
	if !isTile && !isRow {
		return nil
	}
	if !d.terminateBin() {
		return damaged("a substream does not end after its coding tree block %d", before)
	}
	if err := d.init(d.nextByte()); err != nil {
		return err
	}
	// syncContexts checks whether the unit above belongs to the same slice as this one.
	d.ctbs[at].slice = len(d.slices)
	if isTile {
		d.contextVariables.init(d.slice.qp)
	} else {
		d.syncContexts(at)
	}
	d.quadtree.startQP(d.slice)
	return nil
}
