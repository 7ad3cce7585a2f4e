package lossless

import (
	"cmp"
	"math/bits"
	"slices"
)

// history is how many pixels a distance reaches back, at most, as a power of two.
const history = 1 << 20

// A rowFunc takes the rows of an image from the top. It must not change them.
type rowFunc func(y int, row []uint32) error

// pixels are the state of an image that is read. What was read of it is in a ring.
type pixels struct {
	width, height int
	tiles         tiles
	groups        *groups
	pos           int // of the pixel that comes next
	distances     [neighbours]int
}

// tiles say which group a pixel uses (section 3.7.2.2).
type tiles struct {
	bits   int // of a tile's side
	width  int // in tiles
	groups []uint16
}

// run returns the group of a pixel, and up to which pixel of its row it is used.
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

// readImage reads an image that is coded by entropy (section 3.7): of transforms, of tiles, or the main one, which alone
// may have tiles.
func (d *decoder) readImage(width, height int, isMain bool, add rowFunc) error {
	cacheBits := 0
	if d.in.bit() {
		if cacheBits = int(d.in.bits(4)); cacheBits < 1 || cacheBits > maxCache {
			return d.damaged("its colour cache has 2^%d colours", cacheBits)
		}
	}
	m := &pixels{width: width, height: height}
	count := 1
	if isMain && d.in.bit() {
		var err error
		if m.tiles, count, err = d.readTiles(width, height); err != nil {
			return err
		}
	}
	var err error
	if m.groups, err = d.readGroups(count, cacheBits, width*height); err != nil {
		return err
	}
	d.shift = 0
	if cacheBits > 0 {
		d.shift = 32 - uint(cacheBits)
		clear(d.cache[:])
	}
	d.ring = ring(d.ring, width*height)
	for i, to := range neighbourhood {
		m.distances[i] = max(1, to.y*width+to.x)
	}
	return d.readRows(m, add)
}

// ring returns one for an image of so many pixels, if possible the old one.
func ring(old []uint32, pixels int) []uint32 {
	size := min(history, 1<<bits.Len(uint(pixels-1)))
	if cap(old) >= size {
		return old[:size]
	}
	return make([]uint32, size)
}

func (d *decoder) readTiles(width, height int) (t tiles, count int, err error) {
	t.bits = 2 + int(d.in.bits(3))
	t.width = tilesOf(width, t.bits)
	err = d.readImage(t.width, tilesOf(height, t.bits), false, func(_ int, row []uint32) error {
		for _, pixel := range row {
			group := uint16(pixel >> 8)
			t.groups = append(t.groups, group)
			count = max(count, 1+int(group))
		}
		return nil
	})
	return t, count, err
}

// tilesOf is how many tiles of so many bits there are to a side.
func tilesOf(side, bits int) int { return (side + 1<<bits - 1) >> bits }

func (d *decoder) readRows(m *pixels, add rowFunc) error {
	for y := range m.height {
		begin := y * m.width
		for m.pos < begin+m.width {
			index, end := m.tiles.run(m.pos-begin, y, m.width)
			if err := d.readRun(m, d.group(m.groups, index), begin+end); err != nil {
				return err
			}
		}
		if err := add(y, d.row(begin, m.width)); err != nil {
			return err
		}
	}
	return nil
}

// row is one that was read. Behind it were read so few pixels that it is still in the ring.
func (d *decoder) row(begin, width int) []uint32 {
	begin &= len(d.ring) - 1
	if begin+width <= len(d.ring) {
		return d.ring[begin : begin+width]
	}
	d.unrolled = append(append(d.unrolled[:0], d.ring[begin:]...), d.ring[:begin+width-len(d.ring)]...)
	return d.unrolled
}

// readRun reads up to a pixel, and behind it what a copy brings.
func (d *decoder) readRun(m *pixels, g *group, end int) error {
	for m.pos < end {
		d.in.ready()
		err := d.symbols(m, g, end)
		if cut := d.in.cut(); cut != nil {
			return cut // the rest was made of the zeros behind the input
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// symbols goes on as far as there is input. It is one function, with its state in variables of its own, because they are
// registers then. 56 bits are loaded at a time: of the codes of a pixel three have 45 at most, and so have a length and
// the code of its distance.
func (d *decoder) symbols(m *pixels, g *group, end int) error {
	in, ring, shift := &d.in.buf, d.ring, d.shift
	mask := len(ring) - 1
	acc, n, p, pos := d.in.acc, d.in.n, d.in.p, m.pos
	limit := d.in.limit()
	var err error
	for pos < end && p < limit {
		acc |= in.word(p) << (n & 63)
		p += int((63 - n) >> 3 & 7)
		n |= 56

		e := g.green[acc&g.greenMask]
		if e&kindMask == second {
			e = g.green[e>>valueShift+acc>>rootBits&(1<<(e&usedMask)-1)]
		}
		acc >>= e & usedMask
		n -= e & usedMask
		var pixel uint32
		switch e & kindMask {
		case whole:
			pixel = uint32(e >> valueShift)
		case greenOnly:
			rest := g.rest[acc&g.restMask]
			used := uint64(rest >> usedShift & 0xff)
			if rest&tooLong == tooLong {
				red := g.red.find(acc)
				acc >>= red & entryBits
				n -= uint64(red & entryBits)
				blue := g.blue.find(acc)
				acc >>= blue & entryBits
				n -= uint64(blue & entryBits)
				acc |= in.word(p) << (n & 63)
				p += int((63 - n) >> 3 & 7)
				n |= 56
				alpha := g.alpha.find(acc)
				used = uint64(alpha & entryBits)
				rest = uint32(red>>symbolShift)<<16 | uint32(blue>>symbolShift) | uint32(alpha>>symbolShift)<<24
			}
			acc >>= used & usedMask
			n -= used
			pixel = rest&^tooLong | uint32(e>>valueShift)
		case cached:
			pixel = d.cache[e>>valueShift&(1<<maxCache-1)]
		default:
			extra := e >> extraShift & usedMask
			length := int(e>>valueShift) + int(acc&(1<<extra-1))
			acc >>= extra
			n -= extra
			code := g.distance.find(acc)
			acc >>= code & entryBits
			n -= uint64(code & entryBits)
			acc |= in.word(p) << (n & 63)
			p += int((63 - n) >> 3 & 7)
			n |= 56
			far := distancePrefixes[code>>symbolShift&63]
			distance := far.base + int(acc&(1<<(far.extra&63)-1))
			acc >>= far.extra & 63
			n -= far.extra
			if distance > neighbours {
				distance -= neighbours
			} else {
				distance = m.distances[distance-1]
			}
			if distance > pos || length > m.width*m.height-pos {
				err = damaged("a copy of %d pixels, %d before, is not within the image", length, distance)
				end = pos
				break
			}
			repeat(ring, pos, distance, length)
			if shift > 0 {
				for i := range length {
					pixel := ring[(pos+i)&mask]
					d.cache[pixel*hash>>shift&(1<<maxCache-1)] = pixel
				}
			}
			pos += length
			continue
		}
		ring[pos&mask] = pixel
		pos++
		if shift > 0 {
			d.cache[pixel*hash>>shift&(1<<maxCache-1)] = pixel
		}
	}
	d.in.acc, d.in.n, d.in.p, m.pos = acc, n, p, pos
	return err
}

// hash spreads colours over the cache (section 3.6.2.3).
const hash = 0x1e35a7bd

// repeat copies pixels to pos from so far before, one after the other: those that it has written it may read.
func repeat(ring []uint32, pos, distance, length int) {
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

// A distance up to neighbours is one of a pixel that is near in the image, not in the order of pixels.
const neighbours = 120

// neighbourhood is these pixels: so far to the left, and so far above. They are those of seven rows and the own one,
// ordered by how near they are, and where that is equal by how far they are to a side, first the left one.
var neighbourhood = func() (list []struct{ x, y int }) {
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

// distancePrefixes is what the symbols of distances mean; there are none above 39.
var distancePrefixes = func() (list [64]struct {
	base  int
	extra uint64
}) {
	for symbol := range distances {
		base, extra := prefix(symbol)
		list[symbol].base, list[symbol].extra = base, uint64(extra)
	}
	return list
}()
