package lossless

import (
	"math/bits"
	"slices"
)

// A codeGroup is a prefix code group: the five codes of the pixels of a tile (section 3.7.2.2). With them comes a table
// that decodes red, blue and alpha, which follow a green, at once. Its entries are pixels with the number of bits in
// place of green, or slowPath there.
//
// The table is small because a row uses those of many groups: larger ones would apply more often, but would not stay in
// the processor's cache.
type codeGroup struct {
	green, red, blue, alpha, distance prefixCode
	rba                               []uint32
	rbaMask                           uint64
	isEven                            bool   // all pixels are the same, and take no bits
	pixel                             uint32 // that pixel
}

const (
	maxRBABits   = 10 // the largest index of a codeGroup's rba table
	slowPath     = 0xff00
	rbaBitsShift = 8
)

// codeGroups are the prefix codes of an image as code lengths, and the tables of those that were used.
//
// A file can describe many more codes than its tiles need, each in few bytes. So they are kept as lengths, and become
// tables when a pixel needs them: of at most 14 KiB, or 35 MiB for all groups that a file may have.
type codeGroups struct {
	lengths []uint8 // of all codes, in runs: bits 4-7 are the code length, bits 0-3 the number of symbols less 1
	begins  []uint32
	built   []*codeGroup
	rbaBits int // the largest index of an rba table
}

// readGroups reads count groups for an image of so many pixels.
func (d *decoder) readGroups(count, cacheBits, pixels int) (*codeGroups, error) {
	g := &codeGroups{rbaBits: min(bits.Len(uint(pixels/count))/2+2, maxRBABits)}
	sizes := [5]int{numLiterals + numLengthCodes, numLiterals, numLiterals, numLiterals, numDistanceCodes}
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
	g.built = make([]*codeGroup, count)
	return g, nil
}

// endOfCode is not a valid run, because those have at most 15 symbols.
const endOfCode = 0xff

// appendRuns appends the code lengths of a code, up to the last that is not 0.
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

// nextCode assigns the next code, and returns the runs that follow it.
func (d *decoder) nextCode(runs []uint8) []uint8 {
	n := 0
	for ; runs[0] != endOfCode; runs = runs[1:] {
		for range runs[0]&15 + 1 {
			d.lengths[n] = runs[0] >> 4
			n++
		}
	}
	d.canon.assign(d.lengths[:n])
	return runs[1:]
}

// group returns the tables of a group, which it builds at the first use.
func (d *decoder) group(gs *codeGroups, i int) *codeGroup {
	if gs.built[i] == nil {
		gs.built[i] = d.build(gs.lengths[gs.begins[i]:], gs.rbaBits)
	}
	return gs.built[i]
}

func (d *decoder) build(runs []uint8, rbaBits int) *codeGroup {
	g := new(codeGroup)
	for i, c := range []*prefixCode{&g.green, &g.red, &g.blue, &g.alpha, &g.distance} {
		runs = d.nextCode(runs)
		d.table = d.canon.appendTable(d.table[:0])
		c.mask = uint64(min(len(d.table), 1<<rootBits)) - 1
		for i == 0 && len(d.table) < 1<<rootBits {
			d.table = append(d.table, d.table...)
		}
		c.table = slices.Clone(d.table)
	}
	g.fillRBA(rbaBits)
	if green := g.green.table[0]; g.rbaMask == 0 && green&entryBits == 0 && green < numLiterals<<symbolShift {
		g.isEven, g.pixel = true, g.rba[0]&^slowPath|uint32(green)<<(rbaBitsShift-symbolShift)
	}
	return g
}

// fillRBA builds the table of red, blue and alpha.
func (g *codeGroup) fillRBA(maxBits int) {
	longest := bits.Len64(g.red.mask) + bits.Len64(g.blue.mask) + bits.Len64(g.alpha.mask)
	size := uint64(1) << min(longest, maxBits)
	g.rba, g.rbaMask = make([]uint32, size), size-1
	for acc := range size {
		g.rba[acc] = slowPath
		if pixel, used := g.lookUpRBA(acc); 1<<used <= size {
			g.rba[acc] = pixel | uint32(used)<<rbaBitsShift
		}
	}
}

// lookUpRBA decodes red, blue and alpha from the lowest bits. It returns the pixel without green, and the number of
// bits.
func (g *codeGroup) lookUpRBA(acc uint64) (uint32, uint64) {
	red := g.red.lookUp(acc)
	acc >>= red & entryBits
	blue := g.blue.lookUp(acc)
	acc >>= blue & entryBits
	alpha := g.alpha.lookUp(acc)
	pixel := uint32(red>>symbolShift)<<16 | uint32(blue>>symbolShift) | uint32(alpha>>symbolShift)<<24
	return pixel, uint64(red&entryBits + blue&entryBits + alpha&entryBits)
}

// prefix returns the least value of a length or distance code, and its number of extra bits (section 3.6.2.2).
func prefix(symbol int) (base, extra int) {
	if symbol < 4 {
		return symbol + 1, 0
	}
	extra = (symbol - 2) >> 1
	return (2+symbol&1)<<extra + 1, extra
}
