package png

import (
	"encoding/binary"
	"math"
)

// filteredRows are the rows of an image, each with the filter whose bytes are nearest to 0 (section 12.7 of the
// standard).
type filteredRows struct {
	filtered []uint8
	next     []uint8 // the row that add takes
	// row and above are the next row and the one before it, after the bytes of a pixel that are 0.
	row, above    []uint8
	bytesPerPixel int
	candidates    [5][]uint8 // of the row, by filter type
}

func newFilteredRows(l layout, width, height int) *filteredRows {
	pixel, length := l.bytesPerPixel(), l.rowBytes(width)
	r := &filteredRows{
		filtered: make([]uint8, 0, height*(1+length)), bytesPerPixel: pixel,
		row: make([]uint8, pixel+length), above: make([]uint8, pixel+length),
	}
	for i := range r.candidates {
		r.candidates[i] = make([]uint8, length)
	}
	r.next = r.row[pixel:]
	return r
}

func (r *filteredRows) add() {
	r.filter()
	best, least := 0, 0
	for i, bytes := range r.candidates {
		if sum := sumOfDifferences(bytes); i == 0 || sum < least {
			best, least = i, sum
		}
	}
	r.filtered = append(append(r.filtered, uint8(best)), r.candidates[best]...)
	r.skip()
}

// skip takes a row that the next one is filtered with.
func (r *filteredRows) skip() {
	r.row, r.above = r.above, r.row
	r.next = r.row[r.bytesPerPixel:]
}

// filter applies all filters to the row.
func (r *filteredRows) filter() {
	row, above := r.row[r.bytesPerPixel:], r.above[r.bytesPerPixel:]
	none, sub, up := r.candidates[filterNone], r.candidates[filterSub][:len(row)], r.candidates[filterUp][:len(row)]
	average, paeth := r.candidates[filterAverage][:len(row)], r.candidates[filterPaeth][:len(row)]
	lefts, upperLefts := r.row[:len(row)], r.above[:len(row)]
	above = above[:len(row)]
	copy(none, row)
	for i, v := range row {
		a, b, c := lefts[i], above[i], upperLefts[i]
		sub[i], up[i] = v-a, v-b
		average[i] = v - uint8((uint(a)+uint(b))/2)
		paeth[i] = v - uint8(paethPredictor(int(a), int(b), int(c)))
	}
}

// sumOfDifferences is the sum of the absolute values of signed bytes: eight at a time, whose sums of two are in 16 bits
// each of a word.
func sumOfDifferences(row []uint8) int {
	const even, ones = 0x00ff00ff00ff00ff, 0x0101010101010101
	total := 0
	for ; len(row) >= 8; row = row[8:] {
		word := binary.LittleEndian.Uint64(row)
		negative := word >> 7 & ones
		word = (word ^ negative*0xff) + negative // no byte overflows, because -128 becomes 128
		pairs := word&even + word>>8&even
		total += int(pairs * 0x0001000100010001 >> 48)
	}
	for _, b := range row {
		total += int(min(b, -b))
	}
	return total
}

// entropy is how many bits a code takes at least that has one code for each byte.
func entropy(data []uint8) int {
	var counts [256]int
	for _, b := range data {
		counts[b]++
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			bits += float64(n) * math.Log2(float64(len(data))/float64(n))
		}
	}
	return int(bits)
}
