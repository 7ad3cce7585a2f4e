package hevc

// saoParams are the sample adaptive offset parameters of a coding tree block and component (section 7.4.9.3).
type saoParams struct {
	kind    uint8 // SaoTypeIdx: 0, saoBand or saoEdge
	class   uint8 // sao_band_position or SaoEoClass
	offsets [4]int16
}

const (
	saoBand = 1
	saoEdge = 2
)

// readSAO reads sao (section 7.3.8.3).
func (d *decoder) readSAO(at int) {
	t, b := &d.quadtree, &d.ctbs[at]
	if t.left && d.bin(ctxSAOMerge) == 1 {
		b.sao = d.ctbs[at-1].sao
		return
	}
	if t.above && d.bin(ctxSAOMerge) == 1 {
		b.sao = d.ctbs[at-d.ctbColumns].sao
		return
	}
	for c := range d.count {
		if !d.slice.sao[c] {
			continue
		}
		p := &b.sao[c]
		if c == 2 {
			p.kind, p.class = b.sao[1].kind, b.sao[1].class
		} else if d.bin(ctxSAOType) == 1 {
			p.kind = 1 + d.bypassBin()
		}
		if p.kind != 0 {
			d.readOffsets(p, c)
		}
	}
}

// readOffsets reads the offsets, and the band position or edge offset class.
func (d *decoder) readOffsets(p *saoParams, c int) {
	depth := d.sps.depth[c]
	most := int16(1)<<(min(depth, 10)-5) - 1
	shift := d.pps.saoShift[c]
	for i := range p.offsets {
		for p.offsets[i] < most && d.bypassBin() == 1 {
			p.offsets[i]++
		}
	}
	if p.kind == saoBand {
		for i := range p.offsets {
			if p.offsets[i] != 0 && d.bypassBin() == 1 {
				p.offsets[i] = -p.offsets[i]
			}
		}
		p.class = uint8(d.bypassBins(5))
	} else {
		p.offsets[2], p.offsets[3] = -p.offsets[2], -p.offsets[3]
		if c < 2 {
			p.class = uint8(d.bypassBins(2))
		}
	}
	for i := range p.offsets {
		p.offsets[i] <<= shift
	}
}

// bandOffset applies band offset to rows of a plane (section 8.7.3.2).
func bandOffset[T uint8 | uint16](
	to []T, stride int, from []uint16, fromStride, width, height int, p *saoParams, depth int,
) {
	var table [32]int32
	for k := range 4 {
		table[(int(p.class)+k)&31] = int32(p.offsets[k])
	}
	shift := uint(depth - 5)
	most := int32(1)<<depth - 1
	for y := range height {
		row, source := to[y*stride:][:width], from[y*fromStride:][:width]
		for x, v := range source {
			if offset := table[v>>shift&31]; offset != 0 {
				row[x] = T(max(0, min(int32(v)+offset, most)))
			}
		}
	}
}

// saoSteps are hPos and vPos of the first neighbour by SaoEoClass; the second is opposite.
var saoSteps = [4][2]int{{-1, 0}, {0, -1}, {-1, -1}, {1, -1}}

// edgeOffset applies edge offset to rows of a plane (section 8.7.3.2). Index at of from is the first sample.
func edgeOffset[T uint8 | uint16](
	to []T, stride int, from []uint16, at, fromStride, width, height int, p *saoParams, depth int,
) {
	step := saoSteps[p.class&3][0] + saoSteps[p.class&3][1]*fromStride
	// Offsets by the sum of both signs, plus 2.
	table := [8]int32{int32(p.offsets[0]), int32(p.offsets[1]), 0, int32(p.offsets[2]), int32(p.offsets[3])}
	most := int32(1)<<depth - 1
	for y := range height {
		row := to[y*stride:][:width]
		source := from[at+y*fromStride:][:width]
		before := from[at+y*fromStride+step:][:width]
		after := from[at+y*fromStride-step:][:width]
		for x, v := range source {
			w := int32(v)
			a, b := w-int32(before[x]), w-int32(after[x])
			// a>>31 - -a>>31 is Sign(a).
			sum := a>>31 - -a>>31 + b>>31 - -b>>31
			if offset := table[(sum+2)&7]; offset != 0 {
				row[x] = T(max(0, min(w+offset, most)))
			}
		}
	}
}
