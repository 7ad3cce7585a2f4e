package lossless

import "math/bits"

// A group is the five codes of which the pixels of a tile are made (section 3.7.2.2).
//
// The table of green says what the next bits mean, if it can, of the whole pixel:
//
//	bits 0-5    how many bits it takes; of an entry for a table of the second level, how many bits index that
//	bits 6-8    the kind
//	bits 16-23  extra bits of a length
//	bits 32-63  a pixel, its green alone, the length without extra bits, a place in the colour cache, or where a table
//	            of the second level begins
//
// That of the rest says it of the other channels together, where their codes are short: of the pixel, with the number
// of bits in place of green, or tooLong there.
type group struct {
	green            []uint64
	rest             []uint32
	greenMask        uint64
	restMask         uint64
	red, blue, alpha code
	distance         code
}

const (
	usedMask = 63
	kindMask = 7 << 6
	// The kinds.
	whole      = 0 << 6
	greenOnly  = 1 << 6
	length     = 2 << 6
	cached     = 3 << 6
	second     = 4 << 6
	extraShift = 16
	valueShift = 32

	tooLong   = 0xff00
	usedShift = 8
)

// groups are the codes of an image, as they came, and the tables of those that were used lately.
//
// A file can describe many more codes than its tiles need at one time, each in few bytes. So they are kept as lengths,
// and become tables when a pixel needs them. Tables for more entries than a share of the pixels are given up, and
// made again as needed, which happens to no file of an encoder that saves bytes.
type groups struct {
	lengths   []uint8 // of all codes, in runs: the length in bits 4-7, how many symbols more than one in bits 0-3
	begins    []uint32
	built     []*group
	cacheBits int
	restBits  int // index of the table of the rest, at most
	limit     int // bytes of tables
	used      int
}

// readGroups reads so many groups for an image of so many pixels.
func (d *decoder) readGroups(count, cacheBits, pixels int) (*groups, error) {
	g := &groups{
		cacheBits: cacheBits,
		restBits:  min(bits.Len(uint(pixels/count))/2+2, 10),
		limit:     4*pixels + 16<<20,
	}
	sizes := [5]int{literals + lengths, literals, literals, literals, distances}
	if cacheBits > 0 {
		sizes[0] += 1 << cacheBits
	}
	for range count {
		g.begins = append(g.begins, uint32(len(g.lengths)))
		for _, size := range sizes {
			to := d.lengths[:size]
			if err := d.readLengths(to); err != nil {
				return nil, err
			}
			g.lengths = appendRuns(g.lengths, to)
		}
	}
	g.built = make([]*group, count)
	return g, nil
}

// endOfCode is what no run is: no code is so long.
const endOfCode = 0xf0 + 0x0f

// appendRuns appends the lengths of a code, up to the last that is not 0.
func appendRuns(runs []uint8, lengths []uint8) []uint8 {
	last := len(lengths)
	for lengths[last-1] == 0 {
		last--
	}
	for i := 0; i < last; {
		n := 1
		for n < 15 && i+n < last && lengths[i+n] == lengths[i] {
			n++
		}
		runs = append(runs, lengths[i]<<4|uint8(n-1))
		i += n
	}
	return append(runs, endOfCode)
}

// next puts the next code's lengths into order, and returns what follows.
func (d *decoder) nextCode(runs []uint8) []uint8 {
	n := 0
	for ; runs[0] != endOfCode; runs = runs[1:] {
		for range runs[0]&15 + 1 {
			d.lengths[n] = runs[0] >> 4
			n++
		}
	}
	d.canon.order(d.lengths[:n])
	return runs[1:]
}

// group returns the tables of a group.
func (d *decoder) group(gs *groups, i int) *group {
	if g := gs.built[i]; g != nil {
		return g
	}
	if gs.used > gs.limit {
		clear(gs.built)
		gs.used = 0
	}
	g := d.build(gs, gs.lengths[gs.begins[i]:])
	gs.used += 8*len(g.green) + 4*len(g.rest) + 2*(len(g.red.table)+len(g.blue.table)+len(g.alpha.table)+len(g.distance.table))
	gs.built[i] = g
	return g
}

func (d *decoder) build(gs *groups, runs []uint8) *group {
	g := new(group)
	runs = d.nextCode(runs)
	d.table = d.canon.appendTable(d.table[:0])
	green := d.canon.codeOf(d.table)
	greens := len(d.table)
	for _, c := range []*code{&g.red, &g.blue, &g.alpha, &g.distance} {
		runs = d.nextCode(runs)
		from := len(d.table)
		d.table = d.canon.appendTable(d.table)
		*c = d.canon.codeOf(d.table[from:])
	}
	green.table = d.table[:greens:greens]
	tables := make([]entry, 0, len(d.table)-greens)
	for _, c := range []*code{&g.red, &g.blue, &g.alpha, &g.distance} {
		from := len(tables)
		tables = append(tables, c.table...)
		c.table = tables[from:]
	}
	g.fillRest(gs.restBits)
	g.fillGreen(green)
	return g
}

// fillRest makes the table of red, blue and alpha.
func (g *group) fillRest(most int) {
	longest := bits.Len64(g.red.mask) + bits.Len64(g.blue.mask) + bits.Len64(g.alpha.mask)
	size := uint64(1) << min(longest, most)
	g.rest, g.restMask = make([]uint32, size), size-1
	for acc := range size {
		g.rest[acc] = tooLong
		if pixel, used := g.restOf(acc); 1<<used <= size {
			g.rest[acc] = pixel | uint32(used)<<usedShift
		}
	}
}

// restOf reads red, blue and alpha from the lowest bits. It returns the pixel without green, and how many bits it took.
func (g *group) restOf(acc uint64) (uint32, uint64) {
	red := g.red.find(acc)
	acc >>= red & entryBits
	blue := g.blue.find(acc)
	acc >>= blue & entryBits
	alpha := g.alpha.find(acc)
	pixel := uint32(red>>symbolShift)<<16 | uint32(blue>>symbolShift) | uint32(alpha>>symbolShift)<<24
	return pixel, uint64(red&entryBits + blue&entryBits + alpha&entryBits)
}

// fillGreen makes the table of green from its code.
func (g *group) fillGreen(c code) {
	g.green, g.greenMask = make([]uint64, len(c.table)), c.mask
	root := bits.Len64(c.mask)
	for i, e := range c.table {
		used, value := int(e&entryBits), uint64(e>>symbolShift)
		switch {
		case i <= int(c.mask) && used > rootBits:
			g.green[i] = second | uint64(used-rootBits) | value<<valueShift
		case value < literals:
			g.green[i] = greenOnly | uint64(used) | value<<usedShift<<valueShift
			rest := g.rest[0]
			free := max(0, root-used)
			if i <= int(c.mask) {
				rest = g.rest[uint64(i)>>used&g.restMask]
			}
			if n := int(rest & tooLong >> usedShift); rest&tooLong != tooLong && n <= free {
				g.green[i] = whole | uint64(used+n) | (uint64(rest&^tooLong)|value<<usedShift)<<valueShift
			}
		case value < literals+lengths:
			base, extra := prefix(int(value - literals))
			g.green[i] = length | uint64(used) | uint64(extra)<<extraShift | uint64(base)<<valueShift
		default:
			g.green[i] = cached | uint64(used) | (value-literals-lengths)<<valueShift
		}
	}
}

// prefix returns what the symbol of a length or a distance means: the least, to which extra bits are added (section
// 3.6.2.2).
func prefix(symbol int) (base, extra int) {
	if symbol < 4 {
		return symbol + 1, 0
	}
	extra = (symbol - 2) >> 1
	return (2+symbol&1)<<extra + 1, extra
}
