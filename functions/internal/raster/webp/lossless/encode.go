package lossless

import (
	"math"
	"math/bits"
	"slices"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/lz"
)

const (
	maxLength = 4096
	// maxPacked is the largest number of levels of which several are packed in a pixel.
	maxPacked = 16
)

// search finds the matches of an alpha plane, most of which is in few runs.
var search = lz.Search{Depth: 32, Enough: 256, Longest: maxLength}

// EncodeAlpha returns the levels of an alpha plane as the green channel of an image without its header, as an ALPH
// chunk has it (RFC 9649, section 2.7.1.2), or nil if these are more than longest bytes. Beside the result it takes
// some 4 bytes for each level.
func EncodeAlpha(levels []uint8, width, longest int) []byte {
	e := encoders.Get().(*encoder)
	defer e.release()
	if used := usedLevels(levels); len(used) <= maxPacked {
		e.writePalette(used)
		levels, width = packLevels(levels, width, used)
	}
	e.out.Put(0, 1) // no more transforms
	if !e.writeImage(levels, width, true, longest) {
		return nil
	}
	e.out.Align()
	return e.out.Bytes
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// An encoder writes images that have a green channel only.
type encoder struct {
	out       lz.BitWriter
	finder    lz.Finder
	tokens    []imageToken
	greens    [numLiterals + numLengthCodes]int // how often each symbol occurs
	distances [numDistanceCodes]int
	extraBits int // of all symbols
}

func (e *encoder) release() {
	e.out = lz.BitWriter{}
	e.finder.Reset(nil, lz.Search{})
	encoders.Put(e)
}

// usedLevels returns the levels that occur, in their order.
func usedLevels(levels []uint8) (used []uint8) {
	var occurs [256]bool
	for _, v := range levels {
		occurs[v] = true
	}
	for v, is := range occurs {
		if is {
			used = append(used, uint8(v))
		}
	}
	return used
}

// writePalette writes a colour indexing transform (section 4.4), whose colours are coded as differences.
func (e *encoder) writePalette(levels []uint8) {
	const isTransform, colorIndexing = 1, 3
	e.out.Put(isTransform|colorIndexing<<1, 3)
	e.out.Put(uint64(len(levels)-1), 8)
	differences := slices.Clone(levels)
	for i := 1; i < len(levels); i++ {
		differences[i] -= levels[i-1]
	}
	e.writeImage(differences, len(levels), false, math.MaxInt)
}

// packLevels puts the indexes of several levels in a pixel, the first in the lowest bits.
func packLevels(levels []uint8, width int, used []uint8) (packed []uint8, packedWidth int) {
	size := 4 // bits for a level
	for size > 1 && len(used) <= 1<<(size/2) {
		size /= 2
	}
	var indexes [256]uint8
	for i, v := range used {
		indexes[v] = uint8(i)
	}
	packedWidth = (width*size + 7) / 8
	packed = make([]uint8, len(levels)/width*packedWidth)
	for y := range len(levels) / width {
		to := packed[y*packedWidth:][:packedWidth]
		for x, v := range levels[y*width:][:width] {
			to[x*size/8] |= indexes[v] << (x * size % 8)
		}
	}
	return packed, packedWidth
}

// An imageToken is a literal, or a match: its length less 1 in the lowest 12 bits, and above them its distance code,
// which is 0 for a literal.
type imageToken uint32

const tokenDistanceShift = 12

// writeImage writes an entropy-coded image (section 3.7) of one group of codes, without a colour cache. It returns
// false, and does not complete the image, if all that was written would be more than longest bytes.
func (e *encoder) writeImage(greens []uint8, width int, isMain bool, longest int) bool {
	e.out.Put(0, 1) // no colour cache
	if isMain {
		e.out.Put(0, 1) // no entropy image
	}
	e.tokenize(greens, width)
	green := e.writeCode(e.greens[:])
	for range 3 { // red, blue and alpha are 0
		e.writeCode(make([]int, numLiterals))
	}
	distance := e.writeCode(e.distances[:])
	more := green.Bits(e.greens[:]) + distance.Bits(e.distances[:]) + e.extraBits
	if (e.out.Bits()+more+7)/8 > longest {
		return false
	}
	const wordBytes = 8
	e.out.Bytes = slices.Grow(e.out.Bytes, more/8+wordBytes)
	for _, t := range e.tokens {
		length, code := int(t&(1<<tokenDistanceShift-1)), int(t>>tokenDistanceShift)
		if code == 0 {
			e.out.Put(green.Of(length))
			continue
		}
		symbol, extra, n := symbolOf(length + 1)
		e.out.Put(green.Of(numLiterals + symbol))
		e.out.Put(extra, n)
		symbol, extra, n = symbolOf(code)
		e.out.Put(distance.Of(symbol))
		e.out.Put(extra, n)
	}
	return true
}

// tokenize finds what the image is made of, and counts the symbols.
func (e *encoder) tokenize(greens []uint8, width int) {
	near := nearCodes(width)
	e.tokens = slices.Grow(e.tokens[:0], len(greens))
	clear(e.greens[:])
	clear(e.distances[:])
	e.extraBits = 0
	e.finder.Reset(greens, search)
	for i := 0; i < len(greens); {
		literals, m := e.finder.Next(i)
		for _, v := range greens[i : i+literals] {
			e.tokens = append(e.tokens, imageToken(v))
			e.greens[v]++
		}
		if i += literals; m.Distance == 0 {
			continue
		}
		i += m.Length
		code, ok := near[m.Distance]
		if !ok {
			code = m.Distance + numNearDistances
		}
		e.tokens = append(e.tokens, imageToken(m.Length-1|code<<tokenDistanceShift))
		length, _, lengthBits := symbolOf(m.Length)
		distance, _, distanceBits := symbolOf(code)
		e.extraBits += lengthBits + distanceBits
		e.greens[numLiterals+length]++
		e.distances[distance]++
	}
}

// nearCodes are the codes of distances to near pixels, of an image of this width: of several, the lowest.
func nearCodes(width int) map[int]int {
	codes := make(map[int]int, numNearDistances)
	for i, to := range slices.Backward(nearDistances) {
		codes[max(1, to.y*width+to.x)] = i + 1
	}
	return codes
}

// symbolOf returns the symbol of a length or distance code and its extra bits (section 3.6.2.2): the opposite of
// prefix.
func symbolOf(v int) (symbol int, extra uint64, extraBits int) {
	if v <= 4 {
		return v - 1, 0, 0
	}
	n := bits.Len(uint(v-1)) - 2
	return 2*n + (v-1)>>n, uint64((v - 1) & (1<<n - 1)), n
}

// writeCode writes a prefix code for symbols that occur so often (section 3.7.2.1), and returns it. A symbol that is
// the only one takes no bits.
func (e *encoder) writeCode(counts []int) lz.Code {
	var used []int
	for symbol, n := range counts {
		if n > 0 {
			used = append(used, symbol)
		}
	}
	if len(used) <= 2 && (len(used) == 0 || slices.Max(used) < numLiterals) {
		return e.writeSimple(used, len(counts))
	}
	code := lz.NewCode(counts, lz.MaxCodeLength)
	runs := lz.RunsOf(code.Lengths)
	var runCounts [lengthSymbols]int
	for _, r := range runs {
		runCounts[r.Symbol]++
	}
	const maxRunCode = 7 // bits
	runCode := lz.NewCode(runCounts[:], maxRunCode)
	sent := lengthSymbols
	for sent > 4 && runCode.Lengths[lengthOrder[sent-1]] == 0 {
		sent--
	}
	e.out.Put(0, 1) // not a simple code
	e.out.Put(uint64(sent-4), 4)
	for _, symbol := range lengthOrder[:sent] {
		e.out.Put(uint64(runCode.Lengths[symbol]), 3)
	}
	e.out.Put(0, 1) // the lengths of all symbols follow
	for _, r := range runs {
		e.out.Put(runCode.Of(r.Symbol))
		e.out.Put(r.Extra, r.ExtraBits)
	}
	return code
}

// writeSimple writes a code of up to two literals of so many symbols.
func (e *encoder) writeSimple(used []int, symbols int) lz.Code {
	lengths := make([]uint8, symbols)
	if len(used) == 0 {
		used = []int{0}
	}
	e.out.Put(1, 1) // a simple code
	e.out.Put(uint64(len(used)-1), 1)
	e.out.Put(1, 1) // the first symbol has 8 bits
	for _, symbol := range used {
		e.out.Put(uint64(symbol), 8)
		if len(used) == 2 {
			lengths[symbol] = 1
		}
	}
	return lz.CodeOf(lengths)
}
