package av1

import "sync"

// combine combines two predictions (section 7.11.3.1).
func (d *decoder) combine(to []uint16, plane, w, h int, m *motionBlock) {
	b, s, p := &d.block, d.inter, &d.planes[plane]
	first, second := s.predicted[0][:w*h], s.predicted[1][:w*h]
	_, _, after := d.interRounds(true)
	most := int32(1)<<d.depth - 1
	switch b.compoundType {
	case compoundAverage:
		weigh(to, p.stride, w, first, second, 1, 1, after+1, most)
		return
	case compoundDistance:
		forward, backward := d.distanceWeights(m)
		weigh(to, p.stride, w, first, second, forward, backward, after+4, most)
		return
	}
	if plane == 0 {
		s.stride = w
		if b.compoundType == compoundWedge {
			copy(s.mask[:], wedgeMask(b.size, b.wedgeSign, b.wedge))
		} else {
			d.maskDifference(first, second, after)
		}
	}
	for y := range h {
		row := to[y*p.stride:][:w]
		for x := range row {
			v := int32(s.maskAt(x, y, p))
			sum := v*first[y*w+x] + (64-v)*second[y*w+x]
			row[x] = clipSample((sum+1<<(after+5))>>(after+6), most)
		}
	}
}

// weigh adds two predictions with weights.
func weigh(to []uint16, stride, w int, first, second []int32, a, b int32, shift uint, most int32) {
	half := int32(1) << shift >> 1
	for y := range len(first) / w {
		row, p, q := to[y*stride:][:w], first[y*w:][:w], second[y*w:][:w]
		for x := range row {
			row[x] = clipSample((a*p[x]+b*q[x]+half)>>shift, most)
		}
	}
}

// maskAt returns the weight of the first prediction, at a position in the plane.
func (s *interState) maskAt(x, y int, p *plane) uint16 {
	switch {
	case p.subX == 0:
		return uint16(s.mask[y*s.stride+x])
	case p.subY == 0:
		m := s.mask[y*s.stride+2*x:][:2]
		return (uint16(m[0]) + uint16(m[1]) + 1) >> 1
	default:
		m, n := s.mask[2*y*s.stride+2*x:][:2], s.mask[(2*y+1)*s.stride+2*x:][:2]
		return (uint16(m[0]) + uint16(m[1]) + uint16(n[0]) + uint16(n[1]) + 2) >> 2
	}
}

// maskDifference is the process of section 7.11.3.12.
func (d *decoder) maskDifference(first, second []int32, after uint) {
	shift := d.depth - 8 + after
	mask := d.inter.mask[:len(first)]
	for i, v := range first {
		difference := (abs(v-second[i]) + 1<<shift>>1) >> shift
		mask[i] = uint8(min(38+difference/16, 64))
		if d.block.invertsMask {
			mask[i] = 64 - mask[i]
		}
	}
}

// distanceWeights is the process of section 7.11.3.15.
func (d *decoder) distanceWeights(m *motionBlock) (forward, backward int32) {
	weights := [3][2]int{{2, 3}, {2, 5}, {2, 7}}             // Quant_Dist_Weight
	lookup := [4][2]int32{{9, 7}, {11, 5}, {12, 4}, {13, 3}} // Quant_Dist_Lookup
	d0, d1 := min(d.refDistance(m.ref[1]), maxFrameDistance), min(d.refDistance(m.ref[0]), maxFrameDistance)
	order := count(d0 <= d1)
	for i := range weights {
		a, b := d0*weights[i][order], d1*weights[i][1-order]
		if d0 != 0 && d1 != 0 && (order == 1 && a > b || order == 0 && a < b) {
			return lookup[i][order], lookup[i][1-order]
		}
	}
	return lookup[3][order], lookup[3][1-order]
}

// blendIntra blends the intra prediction, which is in the plane, with the inter one (section 7.11.3.14).
func (d *decoder) blendIntra(to []uint16, p *plane, w, h int) {
	b, s := &d.block, d.inter
	most := int32(1)<<d.depth - 1
	if b.usesIntraWedge {
		s.stride = b.width * 4
		copy(s.mask[:], wedgeMask(b.size, 0, b.wedge))
	}
	for y := range h {
		row := to[y*p.stride:][:w]
		for x := range row {
			var v int32
			if b.usesIntraWedge {
				v = int32(s.maskAt(x, y, p))
			} else {
				v = int32(intraWeight(b.intraMode, x, y, maxBlock/max(w, h)))
			}
			other := int32(clipSample(s.predicted[0][y*w+x], most))
			row[x] = uint16((v*int32(row[x]) + (64-v)*other + 32) >> 6)
		}
	}
}

// intraWeight is the process of section 7.11.3.13: the weight of intra prediction at a position.
func intraWeight(mode uint8, x, y, scale int) uint8 {
	switch mode {
	case 1: // II_V_PRED
		return intraWeights[y*scale]
	case 2: // II_H_PRED
		return intraWeights[x*scale]
	case 3: // II_SMOOTH_PRED
		return intraWeights[min(x, y)*scale]
	default:
		return 32
	}
}

// intraWeights are Ii_Weights_1d.
var intraWeights = [maxBlock]uint8{
	60, 58, 56, 54, 52, 50, 48, 47, 45, 44, 42, 41, 39, 38, 37, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 22,
	21, 20, 19, 19, 18, 18, 17, 16, 16, 15, 15, 14, 14, 13, 13, 12, 12, 12, 11, 11, 10, 10, 10, 9, 9, 9, 8, 8, 8, 8, 7, 7,
	7, 7, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
}

// Directions of wedges (section 7.11.3.11).
const (
	wedgeHorizontal = iota
	wedgeVertical
	wedge27
	wedge63
	wedge117
	wedge153
	wedgeDirections
)

// A wedge is a direction, and the position of the line in eighths of the block: an entry of Wedge_Codebook.
type wedge struct{ direction, x, y uint8 }

// wedges are Wedge_Codebook, of high, wide and square blocks.
var wedges = func() (all [3][16]wedge) {
	start := [4]wedge{{wedge27, 4, 4}, {wedge63, 4, 4}, {wedge117, 4, 4}, {wedge153, 4, 4}}
	middle := [3][4]wedge{
		{{wedgeHorizontal, 4, 2}, {wedgeHorizontal, 4, 4}, {wedgeHorizontal, 4, 6}, {wedgeVertical, 4, 4}},
		{{wedgeVertical, 2, 4}, {wedgeVertical, 4, 4}, {wedgeVertical, 6, 4}, {wedgeHorizontal, 4, 4}},
		{{wedgeHorizontal, 4, 2}, {wedgeHorizontal, 4, 6}, {wedgeVertical, 2, 4}, {wedgeVertical, 6, 4}},
	}
	end := [8]wedge{{wedge27, 4, 2}, {wedge27, 4, 6}, {wedge153, 4, 2}, {wedge153, 4, 6}, {wedge63, 2, 4}, {wedge63, 6, 4},
		{wedge117, 2, 4}, {wedge117, 6, 4}}
	for shape := range all {
		copy(all[shape][:], start[:])
		copy(all[shape][4:], middle[shape][:])
		copy(all[shape][8:], end[:])
	}
	return all
}()

const masterSize = 64 // MASK_MASTER_SIZE

// Weights across a line: they are 0 before these, and 64 after them.
var (
	wedgeOdd      = [...]uint8{28: 1, 2, 6, 18, 37, 53, 60, 63}  // Wedge_Master_Oblique_Odd
	wedgeEven     = [...]uint8{28: 1, 4, 11, 27, 46, 58, 62, 63} // Wedge_Master_Oblique_Even
	wedgeStraight = [...]uint8{29: 2, 7, 21, 43, 57, 62}         // Wedge_Master_Vertical
)

// wedgeWeight returns an element of such a table.
func wedgeWeight(table []uint8, i int) uint8 {
	switch {
	case i < 0:
		return 0
	case i >= len(table):
		return 64
	default:
		return table[i]
	}
}

// masterMasks are MasterMask.
func masterMasks() *[wedgeDirections][masterSize][masterSize]uint8 {
	var all [wedgeDirections][masterSize][masterSize]uint8
	for x := range masterSize {
		shift := masterSize / 4
		for y := 0; y < masterSize; y += 2 {
			all[wedge63][y][x] = wedgeWeight(wedgeEven[:], x-shift)
			shift--
			all[wedge63][y+1][x] = wedgeWeight(wedgeOdd[:], x-shift)
			all[wedgeVertical][y][x] = wedgeWeight(wedgeStraight[:], x)
			all[wedgeVertical][y+1][x] = wedgeWeight(wedgeStraight[:], x)
		}
	}
	for y := range masterSize {
		for x := range masterSize {
			v := all[wedge63][y][x]
			all[wedge27][x][y] = v
			all[wedge117][y][masterSize-1-x] = 64 - v
			all[wedge153][masterSize-1-x][y] = 64 - v
			all[wedgeHorizontal][x][y] = all[wedgeVertical][y][x]
		}
	}
	return &all
}

// wedgeMasks are WedgeMasks, by block size, sign and index. They take 200 KB.
var wedgeMasks = sync.OnceValue(func() *[blockSizes][2][16][]uint8 {
	master, all := masterMasks(), new([blockSizes][2][16][]uint8)
	for size := range blockSizes {
		if !size.hasWedges() {
			continue
		}
		w, h := 4<<blockWidth4Log2[size], 4<<blockHeight4Log2[size]
		shape := 2
		if h > w {
			shape = 0
		} else if h < w {
			shape = 1
		}
		for i, wedge := range wedges[shape] {
			m := &master[wedge.direction]
			x, y := masterSize/2-int(wedge.x)*w>>3, masterSize/2-int(wedge.y)*h>>3
			sum := 0
			for j := range w {
				sum += int(m[y][x+j])
			}
			for j := 1; j < h; j++ {
				sum += int(m[y+j][x])
			}
			average := (sum + (w+h-1)/2) / (w + h - 1)
			flips := count(average < 32)
			for row := range h {
				for _, v := range m[y+row][x : x+w] {
					all[size][flips][i] = append(all[size][flips][i], v)
					all[size][1-flips][i] = append(all[size][1-flips][i], 64-v)
				}
			}
		}
	}
	return all
})

// wedgeMask is the process of section 7.11.3.11.
func wedgeMask(size blockSize, sign, index uint8) []uint8 {
	return wedgeMasks()[size][sign&1][index&15]
}
