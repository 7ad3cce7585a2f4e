package lossless

import "slices"

// A transform is inverted row by row, in place, in the reverse order of the stream (section 3.5).
type transform interface {
	invert(y int, row []uint32)
	// equalRows returns for how many of count rows from y on the transform is the same.
	equalRows(y, count int) int
}

// Transform types.
const (
	predictorTransform = iota
	colorTransform
	subtractGreenTransform
	colorIndexingTransform
)

// readTransforms returns the transforms of an image, and the width of the image that they were applied to.
func (d *decoder) readTransforms(width, height int) (list []transform, packed int, err error) {
	packed = width
	seen := 0
	for d.in.readBit() {
		kind := d.in.readBits(2)
		if seen&(1<<kind) != 0 {
			return nil, 0, d.damaged("a transform is repeated")
		}
		seen |= 1 << kind
		var t transform
		switch kind {
		case predictorTransform:
			t, err = d.readPredictor(packed, height)
		case colorTransform:
			t, err = d.readCrossColor(packed, height)
		case subtractGreenTransform:
			t = subtractGreen(packed)
		case colorIndexingTransform:
			var p *colorIndexing
			p, err = d.readColorIndexing(packed)
			t, packed = p, p.packed()
		}
		if err != nil {
			return nil, 0, err
		}
		list = append(list, t)
	}
	return list, packed, d.in.checkOverrun()
}

// subtractGreen is the transform that subtracts green from red and blue, for rows of that many pixels.
type subtractGreen int

func (g subtractGreen) invert(_ int, row []uint32) { undoSubtractGreen(addGreen(row[:g])) }

func undoSubtractGreen(row []uint32) {
	const others = 0x00ff00ff
	for i, pixel := range row {
		row[i] = pixel&^others | (pixel&others+pixel>>8&0xff*0x10001)&others
	}
}

func (subtractGreen) equalRows(_, count int) int { return count }

// addPixels adds two pixels channel by channel.
func addPixels(a, b uint32) uint32 {
	const low = 0x7f7f7f7f
	return (a&low + b&low) ^ (a^b)&^low
}

// crossColor is the color transform: red and blue are differences from multiples of green and red, which may differ
// from tile to tile.
type crossColor struct {
	bits, width, tiles int
	factors            []uint32 // signed bytes, from the lowest on: green to red, green to blue, red to blue
}

func (d *decoder) readCrossColor(width, height int) (*crossColor, error) {
	c := &crossColor{bits: 2 + int(d.in.readBits(3)), width: width}
	c.tiles = tilesOf(width, c.bits)
	err := d.readImage(c.tiles, tilesOf(height, c.bits), false, func(_, count int, row []uint32) error {
		for range count {
			c.factors = append(c.factors, row...)
		}
		return nil
	})
	return c, err
}

func (c *crossColor) invert(y int, row []uint32) {
	row = row[:c.width]
	for _, factors := range c.factors[y>>c.bits*c.tiles:][:c.tiles] {
		tile := row[:min(1<<c.bits, len(row))]
		row = row[len(tile):]
		undoCrossColor(undoCrossColors(tile, factors), factors)
	}
}

func (c *crossColor) equalRows(y, count int) int {
	row := y >> c.bits
	first, end := c.factors[row*c.tiles:][:c.tiles], row+1
	for end<<c.bits < y+count && slices.Equal(c.factors[end*c.tiles:][:c.tiles], first) {
		end++
	}
	return min(end<<c.bits-y, count)
}

// undoCrossColor multiplies green by both of its factors at once. The constant added to the product keeps the lower
// half from borrowing from the upper one.
func undoCrossColor(tile []uint32, factors uint32) {
	greenFactors, redToBlue := int64(int8(factors>>8))<<32+int64(int8(factors)), int32(int8(factors>>16))
	for i, pixel := range tile {
		product := uint64(int64(int8(pixel>>8))*greenFactors) + 1<<20
		red := pixel>>16 + uint32(product)>>5
		blue := pixel + uint32(product>>37) + uint32(int32(int8(red))*redToBlue)>>5
		tile[i] = pixel&0xff00ff00 | red&0xff<<16 | blue&0xff
	}
}

// colorIndexing is the transform by which green is the index of a colour. With few colours, a pixel has several
// indexes.
type colorIndexing struct {
	bits   int // a pixel has 1<<bits indexes
	width  int
	colors [256]uint32 // transparent black beyond the table
}

func (d *decoder) readColorIndexing(width int) (*colorIndexing, error) {
	count := 1 + int(d.in.readBits(8))
	p := newColorIndexing(count, width)
	err := d.readImage(count, 1, false, func(_, _ int, row []uint32) error {
		previous := uint32(0)
		for i, difference := range row {
			previous = addPixels(previous, difference)
			p.colors[i] = previous
		}
		return nil
	})
	return p, err
}

// newColorIndexing is for count colours, and rows of width pixels.
func newColorIndexing(count, width int) *colorIndexing {
	p := &colorIndexing{width: width}
	switch {
	case count <= 2:
		p.bits = 3
	case count <= 4:
		p.bits = 2
	case count <= 16:
		p.bits = 1
	}
	return p
}

// packed is the width of a row of indexes.
func (p *colorIndexing) packed() int { return tilesOf(p.width, p.bits) }

func (*colorIndexing) equalRows(_, count int) int { return count }

// invert begins at the right, because no pixel is to the left of the one that has its index.
func (p *colorIndexing) invert(_ int, row []uint32) {
	row = row[:p.width]
	if p.bits == 0 {
		for i, pixel := range row {
			row[i] = p.colors[pixel>>8&0xff]
		}
		return
	}
	indexBits := 8 >> p.bits
	mask := uint32(1)<<indexBits - 1
	for i := p.packed() - 1; i >= 0; i-- {
		indices := row[i] >> 8 & 0xff
		unpacked := row[i<<p.bits : min((i+1)<<p.bits, len(row))]
		for j := range unpacked {
			unpacked[j] = p.colors[indices&mask]
			indices >>= indexBits
		}
	}
}
