package av1

import (
	mathbits "math/bits"
	"slices"
)

// readPalettes is palette_mode_info (section 5.11.46).
func (d *decoder) readPalettes() {
	b, c := &d.block, &d.contexts
	size := int(blockWidth4Log2[b.size]+blockHeight4Log2[b.size]) - 2
	if b.mode == modeDC {
		ctx := 0
		if b.hasAbove && b.above.colors[0] > 0 {
			ctx++
		}
		if b.hasLeft && b.left.colors[0] > 0 {
			ctx++
		}
		if d.boolean(&c.hasPaletteY[size][ctx]) {
			b.colors[0] = d.symbol(c.paletteSizeY[size][:]) + 2
			d.readPalette(0, 1)
		}
	}
	if b.hasChroma && b.uvMode == modeDC {
		ctx := min(b.colors[0], 1)
		if d.boolean(&c.hasPaletteUV[ctx]) {
			b.colors[1] = d.symbol(c.paletteSizeUV[size][:]) + 2
			d.readPalette(1, 0)
			d.readPaletteV()
		}
	}
}

// readPalette reads the colors of luma or Cb. They are in ascending order, at least step apart.
func (d *decoder) readPalette(plane, step int) {
	b := &d.block
	n, colors := b.colors[plane], b.palette[plane][:0]
	limit := 1<<d.depth - 1
	var buffer [16]uint16
	for _, color := range d.paletteCache(plane, buffer[:0]) {
		if len(colors) == n {
			break
		}
		if isUsed := d.flag(); isUsed {
			colors = append(colors, color)
		}
	}
	if len(colors) < n {
		colors = append(colors, uint16(d.read(int(d.depth))))
	}
	if len(colors) < n {
		width := int(d.depth) - 3 + d.read(2)
		for len(colors) < n {
			color := min(int(colors[len(colors)-1])+d.read(width)+step, limit)
			colors = append(colors, uint16(color))
			width = min(width, mathbits.Len(uint(max(limit-color+1-step, 1)-1)))
		}
	}
	slices.Sort(colors)
}

// readPaletteV reads the colors of Cr.
func (d *decoder) readPaletteV() {
	b, depth := &d.block, int(d.depth)
	colors := b.palette[2][:b.colors[1]]
	if isDelta := d.flag(); !isDelta {
		for i := range colors {
			colors[i] = uint16(d.read(depth))
		}
		return
	}
	width := depth - 4 + d.read(2)
	v := d.read(depth)
	colors[0] = uint16(v)
	for i := range colors[1:] {
		delta := d.read(width)
		if delta != 0 && d.flag() {
			delta = -delta
		}
		v = (v + delta) & (1<<depth - 1)
		colors[i+1] = uint16(v)
	}
}

// paletteCache is get_palette_cache: it appends the colors of the blocks above and to the left, in ascending order.
func (d *decoder) paletteCache(plane int, to []uint16) []uint16 {
	b := &d.block
	var above, left []uint16
	if b.hasAbove && b.row&15 != 0 {
		above = d.tile.aboveColors[plane][b.column][:b.above.colors[plane]]
	}
	if b.hasLeft {
		left = d.tile.leftColors[plane][b.row&31][:b.left.colors[plane]]
	}
	for len(above) > 0 || len(left) > 0 {
		var color uint16
		if len(above) == 0 || len(left) > 0 && left[0] < above[0] {
			color, left = left[0], left[1:]
		} else {
			color, above = above[0], above[1:]
		}
		if len(to) == 0 || to[len(to)-1] != color {
			to = append(to, color)
		}
	}
	return to
}

// readColorMaps is palette_tokens (section 5.11.49).
func (d *decoder) readColorMaps() {
	b := &d.block
	width, height := b.width*4, b.height*4
	seenWidth, seenHeight := min(width, (d.miColumns-b.column)*4), min(height, (d.miRows-b.row)*4)
	if b.colors[0] > 0 {
		d.readColorMap(0, width, height, seenWidth, seenHeight)
	}
	if b.colors[1] > 0 {
		p := &d.planes[1]
		width, seenWidth = width>>p.subX, seenWidth>>p.subX
		height, seenHeight = height>>p.subY, seenHeight>>p.subY
		if width < 4 {
			width, seenWidth = width+2, seenWidth+2
		}
		if height < 4 {
			height, seenHeight = height+2, seenHeight+2
		}
		d.readColorMap(1, width, height, seenWidth, seenHeight)
	}
}

// readColorMap reads the color indices of luma or chroma, in rows of width, along diagonals from the upper right.
func (d *decoder) readColorMap(plane, width, height, seenWidth, seenHeight int) {
	n := d.block.colors[plane]
	m := d.colorMap[plane][:width*height]
	contexts := &d.contexts.paletteColor[plane][n-2]
	m[0] = uint8(nonSymmetric(&d.symbolDecoder, n))
	for i := 1; i < seenHeight+seenWidth-1; i++ {
		for x := min(i, seenWidth-1); x >= max(0, i-seenHeight+1); x-- {
			at := (i-x)*width + x
			ctx := d.orderColors(m, at, width, i-x, x)
			m[at] = d.colorOrder[d.symbol(contexts[ctx][:n])]
		}
	}
	for y := range seenHeight {
		row := m[y*width:][:width]
		for x := seenWidth; x < width; x++ {
			row[x] = row[seenWidth-1]
		}
	}
	for y := seenHeight; y < height; y++ {
		copy(m[y*width:][:width], m[(seenHeight-1)*width:])
	}
}

// orderColors is get_palette_color_context: it sets the order of the colors by those of the neighbors, and returns the
// context.
func (d *decoder) orderColors(m []uint8, at, width, y, x int) int {
	order := d.colorOrder[:0]
	ctx := 0
	switch {
	case x == 0:
		order = append(order, m[at-width])
	case y == 0:
		order = append(order, m[at-1])
	default:
		left, corner, above := m[at-1], m[at-width-1], m[at-width]
		switch {
		case left == above && left == corner:
			order, ctx = append(order, left), 4
		case left == above:
			order, ctx = append(order, left, corner), 3
		case left == corner:
			order, ctx = append(order, left, above), 2
		case above == corner:
			order, ctx = append(order, above, left), 2
		default:
			order, ctx = append(order, min(left, above), max(left, above), corner), 1
		}
	}
	first := len(order)
	for color := range uint8(8) {
		if !slices.Contains(order[:first], color) {
			order = append(order, color)
		}
	}
	return ctx
}
