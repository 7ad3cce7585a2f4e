package lossless

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// maxRing is the largest distance of a copy, rounded up to a power of two, in pixels.
const maxRing = 1 << 20

// A rowFunc receives the rows of an image from the top: count equal ones from y on. It must not change them.
type rowFunc func(y, count int, row []uint32) error

// An imageState is an image that is being read. The ring of the decoder has its last pixels.
type imageState struct {
	width, height int
	tiles         tiles
	groups        *codeGroups
	pos           int // index of the next pixel
	nearDistances [numNearDistances]int
}

// tiles assign a code group to each pixel: the entropy image (section 3.7.2.2).
type tiles struct {
	bits   int // a tile has 1<<bits pixels on a side
	width  int // in tiles
	groups []uint16
}

// run returns the group of a pixel, and the x up to which it is used in the row.
func (t *tiles) run(x, y, width int) (index, end int) {
	if t.groups == nil {
		return 0, width
	}
	row := t.groups[y>>t.bits*t.width:][:t.width]
	i := x >> t.bits
	index = int(row[i])
	for i++; i < len(row) && int(row[i]) == index; i++ {
	}
	return index, min(i<<t.bits, width)
}

// readImage reads an entropy-coded image (section 3.7): that of a transform, the entropy image, or the main one, which
// alone may have an entropy image.
func (d *decoder) readImage(width, height int, isMain bool, add rowFunc) error {
	cacheBits := 0
	if d.in.readBit() {
		if cacheBits = int(d.in.readBits(4)); cacheBits < 1 || cacheBits > maxCacheBits {
			return d.damaged("its colour cache has %d bits, expected 1 to 11", cacheBits)
		}
	}
	m := &imageState{width: width, height: height}
	count := 1
	if isMain && d.in.readBit() {
		var err error
		if m.tiles, count, err = d.readTiles(width, height); err != nil {
			return err
		}
	}
	var err error
	if m.groups, err = d.readGroups(count, cacheBits, width*height); err != nil {
		return err
	}
	d.cacheShift = 0
	if cacheBits > 0 {
		d.cacheShift = 32 - uint(cacheBits)
		clear(d.cache[:])
	}
	d.ring = resizeRing(d.ring, width*height)
	for i, to := range nearDistances {
		m.nearDistances[i] = max(1, to.y*width+to.x)
	}
	return d.readRows(m, add)
}

// resizeRing returns a ring for an image of so many pixels, which is the old one if possible.
func resizeRing(old []uint32, pixels int) []uint32 {
	size := min(maxRing, 1<<bits.Len(uint(pixels-1)))
	if cap(old) >= size {
		return old[:size]
	}
	return make([]uint32, size)
}

// maxGroups is the largest number of code groups of a file: that of libwebp's encoder. The format allows 65536, so that
// a file of a megabyte could use another one for every 16 pixels, each of which costs as much as thousands of pixels.
const maxGroups = 2600

func (d *decoder) readTiles(width, height int) (t tiles, count int, err error) {
	t.bits = 2 + int(d.in.readBits(3))
	t.width = tilesOf(width, t.bits)
	err = d.readImage(t.width, tilesOf(height, t.bits), false, func(_, equal int, row []uint32) error {
		for range equal {
			for _, pixel := range row {
				group := uint16(pixel >> 8)
				t.groups = append(t.groups, group)
				count = max(count, 1+int(group))
			}
		}
		return nil
	})
	if err == nil && count > maxGroups {
		err = &imgerr.Error{
			Reason:  imgerr.ReasonUnsupported,
			Message: fmt.Sprintf("The WebP has %d groups of prefix codes, more than the limit of %d", count, maxGroups),
			Limit:   maxGroups,
			Found:   count,
		}
	}
	return t, count, err
}

// tilesOf is the number of tiles of 1<<bits pixels to a side.
func tilesOf(side, bits int) int { return (side + 1<<bits - 1) >> bits }

func (d *decoder) readRows(m *imageState, add rowFunc) error {
	for y := 0; y < m.height; {
		begin, even := y*m.width, true
		isWhole := m.pos == begin
		for m.pos < begin+m.width {
			index, end := m.tiles.run(m.pos-begin, y, m.width)
			g := d.group(m.groups, index)
			if g.isEven {
				d.fill(m, g.pixel, begin+end)
				continue
			}
			even = false
			if err := d.readRun(m, g, begin+end); err != nil {
				return err
			}
		}
		row, count := d.row(begin, m.width), 1
		if even && isWhole {
			count = m.tiles.equalRows(y, m.height)
			row = d.repeatRow(m, row, count-1)
		}
		if err := add(y, count, row); err != nil {
			return err
		}
		y += count
	}
	return nil
}

// equalRows is the number of rows from y on that have the same groups.
func (t *tiles) equalRows(y, height int) int {
	if t.groups == nil {
		return height - y
	}
	return min((y>>t.bits+1)<<t.bits, height) - y
}

// fill sets the pixels up to end, of a group that has no other.
func (d *decoder) fill(m *imageState, pixel uint32, end int) {
	for m.pos < end {
		begin := m.pos & (len(d.ring) - 1)
		to := d.ring[begin:min(begin+end-m.pos, len(d.ring))]
		for i := range to {
			to[i] = pixel
		}
		m.pos += len(to)
	}
	if d.cacheShift > 0 {
		d.cache[pixel*cacheHash>>d.cacheShift] = pixel
	}
}

// repeatRow repeats the last row, those that a copy can refer to. It returns the row outside of the ring.
func (d *decoder) repeatRow(m *imageState, row []uint32, count int) []uint32 {
	d.unrolled = append(d.unrolled[:0], row...)
	end := m.pos + count*m.width
	for m.pos = max(m.pos, end-(len(d.ring)/m.width+1)*m.width); m.pos < end; m.pos += m.width {
		n := copy(d.ring[m.pos&(len(d.ring)-1):], d.unrolled)
		copy(d.ring, d.unrolled[n:])
	}
	return d.unrolled
}

// row returns a row that was read. The few pixels read after it have not overwritten it in the ring.
func (d *decoder) row(begin, width int) []uint32 {
	begin &= len(d.ring) - 1
	if begin+width <= len(d.ring) {
		return d.ring[begin : begin+width]
	}
	d.unrolled = append(append(d.unrolled[:0], d.ring[begin:]...), d.ring[:begin+width-len(d.ring)]...)
	return d.unrolled
}

// readRun reads pixels up to end, and possibly more: the rest of a copy.
func (d *decoder) readRun(m *imageState, g *codeGroup, end int) error {
	for m.pos < end {
		d.in.ensureLookahead()
		d.readLiterals(m, g, end)
		var err error
		if m.pos < end {
			err = d.readPixel(m, g)
		}
		if cut := d.in.checkOverrun(); cut != nil {
			return cut // the rest was decoded from the zeros that follow the input
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readLiterals reads consecutive pixels that the tables have everything for: literals of short codes, and colours of
// the cache. It stops before any other, at the end of the available input, and at the end of the ring.
//
// It does nothing else, so that all of its state is kept in registers.
func (d *decoder) readLiterals(m *imageState, g *codeGroup, end int) {
	const root = 1<<rootBits - 1
	in, cache, shift := &d.in.buf, &d.cache, d.cacheShift
	greens, rba, rbaMask := (*[root + 1]entry)(g.green.table), g.rba, g.rbaMask
	acc, n, p, limit := d.in.acc, d.in.n, d.in.pos, d.in.limit()
	begin := m.pos & (len(d.ring) - 1)
	to := d.ring[begin:min(begin+end-m.pos, len(d.ring))]
	i := 0
	for i < len(to) && p < limit {
		acc |= in.word(p) << (n & 63)
		p += int(^n & 63 >> 3)
		n |= 56

		e := greens[acc&root]
		used := e & entryBits
		afterGreen := acc >> used
		var pixel uint32
		if e < numLiterals<<symbolShift {
			rbaEntry := rba[afterGreen&rbaMask]
			if rbaEntry&slowPath == slowPath {
				break
			}
			pixel = uint32(e)<<(rbaBitsShift-symbolShift)&0xff00 | rbaEntry&^slowPath
			acc = afterGreen >> (rbaEntry >> rbaBitsShift & 63)
			n -= uint64(used) + uint64(rbaEntry>>rbaBitsShift)
		} else {
			place := e>>symbolShift - numLiterals - numLengthCodes
			if used > rootBits || place >= 1<<maxCacheBits {
				break
			}
			pixel = cache[place]
			acc = afterGreen
			n -= uint64(used)
		}
		to[i] = pixel
		i++
		if shift > 0 {
			cache[pixel*cacheHash>>(shift&31)&(1<<maxCacheBits-1)] = pixel
		}
	}
	d.in.acc, d.in.n, d.in.pos = acc, n&63, p
	m.pos += i
}

// readPixel reads anything: a pixel or a copy.
func (d *decoder) readPixel(m *imageState, g *codeGroup) error {
	symbol := d.readSymbol(&g.green)
	switch {
	case symbol >= numLiterals+numLengthCodes:
		d.emit(m, d.cache[symbol-numLiterals-numLengthCodes])
	case symbol >= numLiterals:
		return d.copyPixels(m, d.readPrefixed(symbol-numLiterals), d.readPrefixed(d.readSymbol(&g.distance)))
	default:
		red, blue, alpha := d.readSymbol(&g.red), d.readSymbol(&g.blue), d.readSymbol(&g.alpha)
		d.emit(m, alpha<<24|red<<16|symbol<<8|blue)
	}
	return nil
}

func (d *decoder) readSymbol(c *prefixCode) uint32 {
	d.in.refill()
	e := c.lookUp(d.in.acc)
	d.in.consume(uint64(e & entryBits))
	return uint32(e >> symbolShift)
}

// readPrefixed reads the extra bits of a length or distance code (section 3.6.2.2).
func (d *decoder) readPrefixed(symbol uint32) int {
	base, extra := prefix(int(symbol))
	return base + int(d.in.readBits(uint64(extra)))
}

func (d *decoder) emit(m *imageState, pixel uint32) {
	d.ring[m.pos&(len(d.ring)-1)] = pixel
	m.pos++
	if d.cacheShift > 0 {
		d.cache[pixel*cacheHash>>d.cacheShift] = pixel
	}
}

// copyPixels repeats pixels. A distance code up to numNearDistances stands for one of nearDistances.
func (d *decoder) copyPixels(m *imageState, length, distance int) error {
	if distance > numNearDistances {
		distance -= numNearDistances
	} else {
		distance = m.nearDistances[distance-1]
	}
	if distance > m.pos || length > m.width*m.height-m.pos {
		return damaged("a copy of %d pixels, from a distance of %d, exceeds the image", length, distance)
	}
	copyMatch(d.ring, m.pos, distance, length)
	if d.cacheShift > 0 {
		for i := m.pos; i < m.pos+length; i++ {
			pixel := d.ring[i&(len(d.ring)-1)]
			d.cache[pixel*cacheHash>>d.cacheShift] = pixel
		}
	}
	m.pos += length
	return nil
}

// cacheHash is the multiplier of the colour cache's hash (section 3.6.2.3).
const cacheHash = 0x1e35a7bd

// copyMatch copies pixels to pos from distance before, one after the other: it may read pixels that it has written.
func copyMatch(ring []uint32, pos, distance, length int) {
	mask := len(ring) - 1
	to, from := pos&mask, (pos-distance)&mask
	if max(to, from)+length > len(ring) {
		for i := range length {
			ring[(to+i)&mask] = ring[(from+i)&mask]
		}
		return
	}
	target, source := ring[to:to+length], ring[from:from+length]
	switch {
	case distance == 1:
		pixel := source[0]
		for i := range target {
			target[i] = pixel
		}
	case distance >= length && length > 16:
		copy(target, source)
	default:
		for i := range target {
			target[i] = source[i]
		}
	}
}

// numNearDistances is the number of distance codes for pixels that are near in the image, not in the order of pixels.
const numNearDistances = 120

// nearDistances are the offsets of these pixels (section 3.6.2.2): to the left, and upwards. They lie in the same row
// and the seven above, and are ordered by distance, then by how far they are to a side, the left one first.
var nearDistances = func() (list []struct{ x, y int }) {
	for y := range 8 {
		for x := -7; x <= 8; x++ {
			if y > 0 || x > 0 {
				list = append(list, struct{ x, y int }{x, y})
			}
		}
	}
	slices.SortFunc(list, func(a, b struct{ x, y int }) int {
		return cmp.Or(a.x*a.x+a.y*a.y-b.x*b.x-b.y*b.y, a.x*a.x-b.x*b.x, b.x-a.x)
	})
	return list
}()
