package lossless

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// A streamWriter writes random streams without an image: every feature that a stream may have.
type streamWriter struct {
	*rand.Rand
	bytes []byte
	acc   uint64
	n     int
	even  bool // most prefix codes have one symbol
}

// bits writes the lowest n bits of a value, 32 at most, the lowest first.
func (v *streamWriter) bits(value, n int) {
	v.acc |= uint64(value) << v.n
	for v.n += n; v.n >= 8; v.n -= 8 {
		v.bytes = append(v.bytes, byte(v.acc))
		v.acc >>= 8
	}
}

// maybe writes a random bit, and returns whether it is set.
func (v *streamWriter) maybe() bool {
	bit := v.IntN(2)
	v.bits(bit, 1)
	return bit == 1
}

// randomStream returns a stream for an image of width x height pixels, without a header.
func randomStream(r *rand.Rand, width, height int) []byte {
	return (&streamWriter{Rand: r}).stream(width, height)
}

func (v *streamWriter) stream(width, height int) []byte {
	packed := width
	for _, kind := range v.Perm(4)[v.IntN(5):] {
		v.bits(1, 1)
		v.bits(kind, 2)
		switch kind {
		case predictorTransform:
			v.tiles(packed, height, 14)
		case colorTransform:
			v.tiles(packed, height, numLiterals)
		case colorIndexingTransform:
			count := 1 + v.IntN([]int{2, 4, 16, 256}[v.IntN(4)])
			v.bits(count-1, 8)
			v.image(count, 1, numLiterals, false)
			packed = newColorIndexing(count, packed).packed()
		}
	}
	v.bits(0, 1)
	v.image(packed, height, numLiterals, true)
	v.bits(0, 7)
	return v.bytes
}

// withHeader prepends the header to a stream.
func withHeader(stream []byte, width, height int, hasAlpha bool) []byte {
	v := new(streamWriter)
	v.bits(0x2f, 8)
	v.bits(width-1, 14)
	v.bits(height-1, 14)
	if hasAlpha {
		v.bits(1, 1)
	} else {
		v.bits(0, 1)
	}
	v.bits(0, 3)
	return append(v.bytes, stream...)
}

// tiles writes an image with a pixel for each tile, whose greens are less than the given number.
func (v *streamWriter) tiles(width, height, greens int) tiles {
	bits := v.IntN(8)
	v.bits(bits, 3)
	t := tiles{bits: 2 + bits, width: tilesOf(width, 2+bits)}
	for _, pixel := range v.image(t.width, tilesOf(height, t.bits), greens, false) {
		t.groups = append(t.groups, uint16(pixel>>8&0xff))
	}
	return t
}

// image writes an image whose greens are less than the given number, and returns it.
func (v *streamWriter) image(width, height, greens int, isMain bool) []uint32 {
	m := &randomImage{streamWriter: v, pixels: make([]uint32, 0, width*height), width: width, greens: greens}
	if v.maybe() {
		m.cacheBits = 1 + v.IntN(maxCacheBits)
		v.bits(m.cacheBits, 4)
	}
	count := 1
	if isMain && v.maybe() {
		m.tiles = v.tiles(width, height, 1+v.IntN(20))
		count = 1 + int(slices.Max(m.tiles.groups))
	}
	for range count {
		m.groups = append(m.groups, m.newGroup())
	}
	for len(m.pixels) < cap(m.pixels) {
		index, _ := m.tiles.run(len(m.pixels)%width, len(m.pixels)/width, width)
		m.next(m.groups[index])
	}
	return m.pixels
}

// A randomImage is an image as far as it is written.
type randomImage struct {
	*streamWriter
	pixels        []uint32
	width, greens int
	cache         [1 << maxCacheBits]uint32
	cacheBits     int
	tiles         tiles
	groups        [][5]tree
}

func (m *randomImage) newGroup() (g [5]tree) {
	size := numLiterals + numLengthCodes
	if m.cacheBits > 0 {
		size += 1 << m.cacheBits
	}
	var greens []int
	for symbol := range size {
		if symbol < m.greens || symbol >= numLiterals {
			greens = append(greens, symbol)
		}
	}
	most := []int{1, 2, 3, 12, 100, 3000}[m.IntN(6)]
	even := m.even && m.IntN(5) > 0
	if even {
		most = 1
	}
	for !slices.ContainsFunc(g[0].symbols, func(symbol int) bool { return symbol < numLiterals }) {
		g[0] = m.newTree(greens, most, maxCodeLength)
	}
	m.write(&g[0], size)
	for i, size := range []int{numLiterals, numLiterals, numLiterals, numDistanceCodes} {
		alphabet := m.Perm(size)
		if i == 0 && m.greens < numLiterals {
			alphabet = []int{0} // for red is part of the number of a group
		}
		most := []int{1, 1, 2, 3, 12, 100, 3000}[m.IntN(7)]
		if even {
			most = 1
		}
		g[1+i] = m.newTree(alphabet, most, maxCodeLength)
		m.write(&g[1+i], size)
	}
	return g
}

// next writes a symbol and its extra bits.
func (m *randomImage) next(g [5]tree) {
	green := &g[0]
	symbol := green.symbols[m.IntN(len(green.symbols))]
	if symbol >= numLiterals && symbol < numLiterals+numLengthCodes {
		if m.copy(g, symbol) {
			return
		}
		for symbol >= numLiterals {
			symbol = green.symbols[m.IntN(len(green.symbols))]
		}
	}
	m.symbol(green, symbol)
	if symbol >= numLiterals+numLengthCodes {
		m.add(m.cache[symbol-numLiterals-numLengthCodes])
		return
	}
	pixel := uint32(symbol) << 8
	for i, shift := range []int{16, 0, 24} {
		t := &g[1+i]
		symbol := t.symbols[m.IntN(len(t.symbols))]
		m.symbol(t, symbol)
		pixel |= uint32(symbol) << shift
	}
	m.add(pixel)
}

func (m *randomImage) add(pixel uint32) {
	m.pixels = append(m.pixels, pixel)
	m.cache[pixel*cacheHash>>1>>(31-m.cacheBits)] = pixel
}

// copy writes a copy of a length with this symbol, if the image has one.
func (m *randomImage) copy(g [5]tree, symbol int) bool {
	far := g[4].symbols[m.IntN(len(g[4].symbols))]
	lengthBase, lengthBits := prefix(symbol - numLiterals)
	base, bits := prefix(far)
	lengthExtra, extra := m.IntN(1<<lengthBits), m.IntN(1<<bits)
	length, distance := lengthBase+lengthExtra, base+extra
	if distance -= numNearDistances; distance <= 0 {
		near := nearDistances[distance+numNearDistances-1]
		distance = max(1, near.x+near.y*m.width)
	}
	if distance > len(m.pixels) || length > cap(m.pixels)-len(m.pixels) {
		return false
	}
	m.symbol(&g[0], symbol)
	m.bits(lengthExtra, lengthBits)
	m.symbol(&g[4], far)
	m.bits(extra, bits)
	for range length {
		m.add(m.pixels[len(m.pixels)-distance])
	}
	return true
}

// A tree is a prefix code to be written.
type tree struct {
	symbols        []int
	lengths, codes map[int]int
}

func (v *streamWriter) symbol(t *tree, symbol int) { v.bits(t.codes[symbol], t.lengths[symbol]) }

// newTree makes a random code of at most the given number of symbols of the alphabet.
func (v *streamWriter) newTree(alphabet []int, most, longest int) tree {
	return v.treeOf(alphabet, 1+v.IntN(min(most, len(alphabet))), longest)
}

func (v *streamWriter) treeOf(alphabet []int, n, longest int) tree {
	depths := []int{0}
	for len(depths) < n {
		i := v.IntN(len(depths))
		if v.IntN(2) == 0 {
			i = len(depths) - 1 // which makes some deep
		}
		if depths[i] == longest {
			i = slices.Index(depths, slices.Min(depths))
		}
		depths[i]++
		depths = append(depths, depths[i])
	}
	t := tree{lengths: map[int]int{}, codes: map[int]int{}}
	for i, j := range v.Perm(len(alphabet))[:n] {
		t.symbols = append(t.symbols, alphabet[j])
		t.lengths[alphabet[j]] = depths[i]
	}
	slices.Sort(t.symbols)
	code := 0
	for length := 1; length <= longest; length++ {
		code <<= 1
		for _, symbol := range t.symbols {
			if t.lengths[symbol] == length {
				t.codes[symbol] = reversed(code, length)
				code++
			}
		}
	}
	return t
}

// write writes a code for an alphabet of the given size.
func (v *streamWriter) write(t *tree, size int) {
	if last := t.symbols[len(t.symbols)-1]; len(t.symbols) <= 2 && last < 256 && v.IntN(4) > 0 {
		v.writeSimple(t.symbols)
	} else {
		v.writeNormal(t, size)
	}
}

func (v *streamWriter) writeSimple(symbols []int) {
	v.bits(1, 1)
	v.bits(len(symbols)-1, 1)
	if symbols[0] < 2 {
		v.bits(0, 1)
		v.bits(symbols[0], 1)
	} else {
		v.bits(1, 1)
		v.bits(symbols[0], 8)
	}
	if len(symbols) == 2 {
		v.bits(symbols[1], 8)
	}
}

// A token of the code lengths is a length or a run.
type token struct{ symbol, extra int }

func (v *streamWriter) writeNormal(t *tree, size int) {
	v.bits(0, 1)
	tokens, needed := v.tokens(t, size)
	var used []int
	for _, t := range tokens {
		if !slices.Contains(used, t.symbol) {
			used = append(used, t.symbol)
		}
	}
	meta := v.treeOf(used, len(used), 7)
	v.bits(lengthSymbols-4, 4)
	for _, symbol := range lengthOrder {
		length := meta.lengths[int(symbol)]
		if len(used) == 1 && int(symbol) == used[0] {
			length = 1 + v.IntN(7)
		}
		v.bits(length, 3)
	}
	if needed >= 2 && v.maybe() {
		tokens = tokens[:needed]
		v.bits(5, 3)
		v.bits(needed-2, 12)
	} else if needed < 2 {
		v.bits(0, 1)
	}
	for _, t := range tokens {
		v.symbol(&meta, t.symbol)
		if t.symbol >= 16 {
			v.bits(t.extra, []int{2, 3, 7}[t.symbol-16])
		}
	}
}

// tokens returns those of all lengths, and their number up to the last length that is not 0.
func (v *streamWriter) tokens(t *tree, size int) (list []token, needed int) {
	sizes := make([]int, size)
	for _, symbol := range t.symbols {
		sizes[symbol] = max(1, t.lengths[symbol]) // that of a single symbol is not 0, although it takes no bits
	}
	previous := 8
	for i := 0; i < size; {
		run := 1
		for i+run < size && sizes[i+run] == sizes[i] {
			run++
		}
		next, count := token{symbol: sizes[i]}, 1
		switch packs := v.IntN(8) > 0; {
		case packs && sizes[i] == 0 && run >= 11:
			count = min(run, 138)
			next = token{18, count - 11}
		case packs && sizes[i] == 0 && run >= 3:
			count = min(run, 10)
			next = token{17, count - 3}
		case packs && sizes[i] == previous && run >= 3:
			count = min(run, 6)
			next = token{16, count - 3}
		}
		list = append(list, next)
		if sizes[i] != 0 {
			previous, needed = sizes[i], len(list)
		}
		i += count
	}
	return list, needed
}

// writeFlat writes a code whose symbols, a power of two of them, are all equally long.
func (v *streamWriter) writeFlat(symbols int) {
	length := bits.Len(uint(symbols)) - 1
	if length == 0 {
		v.writeSimple([]int{0})
		return
	}
	v.bits(0, 1)
	v.bits(lengthSymbols-4, 4)
	for _, symbol := range lengthOrder {
		if int(symbol) == length {
			v.bits(1, 3) // it alone, and so without bits
		} else {
			v.bits(0, 3)
		}
	}
	v.bits(1, 1)
	v.bits(5, 3)
	v.bits(symbols-2, 12)
}
