package hevc

import (
	"io"
	"slices"
)

// A decoder decodes pictures, one after the other. What it allocates is used again.
type decoder struct {
	options Options
	emit    func(*Rows) error
	config  *Config
	sets    sets
	unit    []byte // the NAL unit

	sps *sps
	pps *pps
	picture

	slices []slice
	cur    *slice // of the coding tree block
	coder
	saved [2]contextSet // after the second coding tree block of a row, and after a slice segment

	block     codingBlock
	tree      treeState
	residue   residue
	coding    blockCoding
	reference reference
	fault     error // what was found to be broken within a coding tree block
}

// decode is Config.Decode.
func (d *decoder) decode(c *Config, r io.Reader, o Options, emit func(*Rows) error) error {
	d.config, d.sets, d.options, d.emit = c, c.sets, o, emit
	d.sps, d.pps, d.fault, d.cur = nil, nil, nil, nil
	d.slices, d.data = d.slices[:0], nil
	d.done, d.ctbs = 0, d.ctbs[:0]
	for {
		if err := d.readUnit(r); err != nil {
			return err
		}
		if err := d.take(d.unit); err != nil {
			return err
		}
		if d.sps != nil && d.done == len(d.ctbs) {
			return nil
		}
	}
}

// readUnit reads the next NAL unit. A length that is not true allocates no more than twice of what there is.
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
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damaged("its data ends before the picture does")
	}
	return err
}

// take decodes a NAL unit.
func (d *decoder) take(unit []byte) error {
	nal, base := header(unit)
	if !base {
		return nil
	}
	if !isSlice(nal) {
		if d.sps != nil {
			return nil // parameter sets that come later are not for this picture
		}
		return d.sets.add(unit)
	}
	b := unescape(unit[2:])
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

// activate starts a picture with a picture parameter set.
func (d *decoder) activate(id int) error {
	if id > 63 || d.sets.pps[id] == nil {
		return damaged("a slice refers to picture parameter set %d, which is missing", id)
	}
	pps := d.sets.pps[id]
	sps := d.sets.sps[pps.spsID]
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
		return damaged("it has quantization groups of depths %d and %d, expected at most %d", pps.deltaQPDepth, pps.chromaOffsetDepth, depth)
	}
	if least := -6 * (sps.depth[0] - 8); pps.qp < least || pps.qp > 51 {
		return damaged("it has a QP of %d, expected %d to 51", pps.qp, least)
	}
	if pps.crossComponent && sps.chroma != 3 {
		return damaged("it predicts chroma from luma without being 4:4:4")
	}
	for c, shift := range pps.saoShift {
		if int(shift) > max(0, sps.depth[c]-10) {
			return damaged("its sample adaptive offsets are shifted by %d bits, expected at most %d", shift, max(0, sps.depth[c]-10))
		}
	}
	d.sps, d.pps = sps, pps
	if err := d.start(sps, pps); err != nil {
		return err
	}
	d.filtered = !d.options.SkipFilters
	d.tree.start(sps, pps)
	d.residue.start(sps, pps)
	return nil
}

// decodeSegment decodes the coding tree blocks of a slice segment (section 7.3.8.1).
func (d *decoder) decodeSegment(g *segment) error {
	if d.rasterOf(d.done) != g.address {
		return damaged("a slice is missing: %d of %d coding tree blocks are there", d.done, len(d.ctbs))
	}
	if len(d.slices) == 0 {
		return damaged("a dependent slice segment has no slice before it")
	}
	d.cur = &d.slices[len(d.slices)-1]
	if !g.dependent {
		d.tree.startSlice(d.cur)
	}
	d.ctbs[g.address].slice = len(d.slices)
	if err := d.begin(g.data); err != nil {
		return err
	}
	d.startContexts(g)
	for {
		at := d.rasterOf(d.done)
		if err := d.decodeBlock(at); err != nil {
			return err
		}
		isLast := d.terminate()
		if d.over() {
			return damaged("the data of a slice ends within its coding tree block %d", at)
		}
		d.done++
		if err := d.finish(at); err != nil {
			return err
		}
		if isLast {
			break
		}
		if d.done == len(d.ctbs) {
			return damaged("a slice goes on behind the last coding tree block")
		}
		if err := d.startSubstream(at); err != nil {
			return err
		}
	}
	d.saved[1] = d.contextSet
	return nil
}

// startContexts sets the contexts at the start of a slice segment (section 9.3.1).
func (d *decoder) startContexts(g *segment) {
	at := g.address
	switch {
	case d.startsTile(at):
		d.contextSet.start(d.cur.qp)
	case d.pps.wavefront && d.startsRow(at):
		d.syncContexts(at)
	case g.dependent:
		d.contextSet = d.saved[1]
	default:
		d.contextSet.start(d.cur.qp)
	}
	if d.startsTile(at) || d.pps.wavefront && d.startsRow(at) {
		d.tree.startQP(d.cur)
	}
}

// syncContexts takes the contexts that the row above had after its second coding tree block, if that belongs to the same
// slice and tile.
func (d *decoder) syncContexts(at int) {
	x, y := at%d.across, at/d.across
	if x+1 < d.across && y > 0 && d.shares(at, at-d.across+1) {
		d.contextSet = d.saved[0]
	} else {
		d.contextSet.start(d.cur.qp)
	}
}

// startSubstream begins the next substream, if one ends behind a coding tree block.
func (d *decoder) startSubstream(before int) error {
	at := d.rasterOf(d.done)
	isTile := d.startsTile(at)
	isRow := d.pps.wavefront && d.startsRow(at)
	if !isTile && !isRow {
		return nil
	}
	if !d.terminate() {
		return damaged("a substream does not end behind its coding tree block %d", before)
	}
	if err := d.begin(d.next()); err != nil {
		return err
	}
	// The next coding tree block belongs to this slice, which has to be known to compare it with others.
	d.ctbs[at].slice = len(d.slices)
	if isTile {
		d.contextSet.start(d.cur.qp)
	} else {
		d.syncContexts(at)
	}
	d.tree.startQP(d.cur)
	return nil
}
