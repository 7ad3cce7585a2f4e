package png

import "encoding/binary"

// Filter types of a row (section 9.2 of the standard).
const (
	filterNone    = 0
	filterSub     = 1
	filterUp      = 2
	filterAverage = 3
	filterPaeth   = 4
)

// unfilter reconstructs the bytes of a row in place. Above is the previous row, of the same length, and pixel the bytes
// of a pixel. It returns false for an unknown filter type.
func unfilter(filter uint8, row, above []uint8, pixel int) bool {
	switch filter {
	case filterNone:
	case filterSub:
		unfilterSub(row, pixel)
	case filterUp:
		unfilterUp(row, above)
	case filterAverage:
		unfilterAverage(row, above, pixel)
	case filterPaeth:
		unfilterPaeth(row, above, pixel)
	default:
		return false
	}
	return true
}

// addBytes adds two words byte by byte.
func addBytes(a, b uint64) uint64 {
	const low = 0x7f7f7f7f7f7f7f7f
	return (a&low + b&low) ^ (a^b)&^low
}

func unfilterUp(row, above []uint8) {
	done := unfilterUpVectors(row, above)
	row, above = row[done:], above[done:]
	for ; len(row) >= 8 && len(above) >= 8; row, above = row[8:], above[8:] {
		binary.LittleEndian.PutUint64(row, addBytes(binary.LittleEndian.Uint64(row), binary.LittleEndian.Uint64(above)))
	}
	for i, b := range above {
		row[i] += b
	}
}

func unfilterSub(row []uint8, pixel int) {
	switch pixel {
	case 3:
		unfilterSub3(row[unfilterVectors(filterSub, row, row, pixel):])
	case 4:
		unfilterSub4(row[unfilterVectors(filterSub, row, row, pixel):])
	default:
		for i := pixel; i < len(row); i++ {
			row[i] += row[i-pixel]
		}
	}
}

func unfilterSub3(row []uint8) {
	var a0, a1, a2 uint8
	for i := 0; i < len(row)-2; i += 3 {
		a0 += row[i]
		a1 += row[i+1]
		a2 += row[i+2]
		row[i], row[i+1], row[i+2] = a0, a1, a2
	}
}

// unfilterSub4 reconstructs two pixels at a time.
func unfilterSub4(row []uint8) {
	left := uint64(0) // the previous pixel, twice
	for ; len(row) >= 8; row = row[8:] {
		two := binary.LittleEndian.Uint64(row)
		two = addBytes(addBytes(two, two<<32), left)
		binary.LittleEndian.PutUint64(row, two)
		left = two>>32 | two>>32<<32
	}
	if len(row) == 4 {
		binary.LittleEndian.PutUint32(row, uint32(addBytes(uint64(binary.LittleEndian.Uint32(row)), left)))
	}
}

// unfilterAverage reconstructs the first pixel from the one above only.
func unfilterAverage(row, above []uint8, pixel int) {
	first := min(pixel, len(row))
	for i, b := range above[:first] {
		row[i] += b / 2
	}
	switch pixel {
	case 3:
		done := unfilterVectors(filterAverage, row, above, pixel)
		unfilterAverage3(row[done:], above[done:])
	case 4:
		done := unfilterVectors(filterAverage, row, above, pixel)
		unfilterAverage4(row[done:], above[done:])
	default:
		for channel := range first {
			unfilterAverageStep(row[channel:], above[channel:], pixel)
		}
	}
}

// unfilterAverageStep reconstructs one byte of each step.
func unfilterAverageStep(row, above []uint8, step int) {
	above = above[:len(row)]
	a := uint(row[0])
	for i := step; i < len(row); i += step {
		a = uint(row[i] + uint8((a+uint(above[i]))/2))
		row[i] = uint8(a)
	}
}

func unfilterAverage3(row, above []uint8) {
	above = above[:len(row)]
	a0, a1, a2 := uint(row[0]), uint(row[1]), uint(row[2])
	for i := 3; i < len(row)-2; i += 3 {
		a0 = uint(row[i] + uint8((a0+uint(above[i]))/2))
		a1 = uint(row[i+1] + uint8((a1+uint(above[i+1]))/2))
		a2 = uint(row[i+2] + uint8((a2+uint(above[i+2]))/2))
		row[i], row[i+1], row[i+2] = uint8(a0), uint8(a1), uint8(a2)
	}
}

func unfilterAverage4(row, above []uint8) {
	above = above[:len(row)]
	a0, a1, a2, a3 := uint(row[0]), uint(row[1]), uint(row[2]), uint(row[3])
	for i := 4; i < len(row)-3; i += 4 {
		a0 = uint(row[i] + uint8((a0+uint(above[i]))/2))
		a1 = uint(row[i+1] + uint8((a1+uint(above[i+1]))/2))
		a2 = uint(row[i+2] + uint8((a2+uint(above[i+2]))/2))
		a3 = uint(row[i+3] + uint8((a3+uint(above[i+3]))/2))
		row[i], row[i+1], row[i+2], row[i+3] = uint8(a0), uint8(a1), uint8(a2), uint8(a3)
	}
}

// unfilterPaeth reconstructs the first pixel from the one above only.
func unfilterPaeth(row, above []uint8, pixel int) {
	first := min(pixel, len(row))
	unfilterUp(row[:first], above[:first])
	switch pixel {
	case 3:
		done := unfilterVectors(filterPaeth, row, above, pixel)
		unfilterPaeth3(row[done:], above[done:])
	case 4:
		done := unfilterVectors(filterPaeth, row, above, pixel)
		unfilterPaeth4(row[done:], above[done:])
	default:
		for channel := range first {
			unfilterPaethStep(row[channel:], above[channel:], pixel)
		}
	}
}

// unfilterPaethStep reconstructs one byte of each step.
func unfilterPaethStep(row, above []uint8, step int) {
	above = above[:len(row)]
	a, c := int(row[0]), int(above[0])
	for i := step; i < len(row); i += step {
		b := int(above[i])
		a = int(row[i] + uint8(paethPredictor(a, b, c)))
		row[i] = uint8(a)
		c = b
	}
}

func unfilterPaeth3(row, above []uint8) {
	a0, a1, a2 := int(row[0]), int(row[1]), int(row[2])
	row = row[3:]
	above, left := above[3:][:len(row)], above[:len(row)]
	for i := 0; i < len(row)-2; i += 3 {
		a0 = int(row[i] + uint8(paethPredictor(a0, int(above[i]), int(left[i]))))
		row[i] = uint8(a0)
		a1 = int(row[i+1] + uint8(paethPredictor(a1, int(above[i+1]), int(left[i+1]))))
		row[i+1] = uint8(a1)
		a2 = int(row[i+2] + uint8(paethPredictor(a2, int(above[i+2]), int(left[i+2]))))
		row[i+2] = uint8(a2)
	}
}

func unfilterPaeth4(row, above []uint8) {
	a0, a1, a2, a3 := int(row[0]), int(row[1]), int(row[2]), int(row[3])
	row = row[4:]
	above, left := above[4:][:len(row)], above[:len(row)]
	for i := 0; i < len(row)-3; i += 4 {
		a0 = int(row[i] + uint8(paethPredictor(a0, int(above[i]), int(left[i]))))
		row[i] = uint8(a0)
		a1 = int(row[i+1] + uint8(paethPredictor(a1, int(above[i+1]), int(left[i+1]))))
		row[i+1] = uint8(a1)
		a2 = int(row[i+2] + uint8(paethPredictor(a2, int(above[i+2]), int(left[i+2]))))
		row[i+2] = uint8(a2)
		a3 = int(row[i+3] + uint8(paethPredictor(a3, int(above[i+3]), int(left[i+3]))))
		row[i+3] = uint8(a3)
	}
}

// paethPredictor returns the one of a (left), b (above) and c (upper left) that is closest to a+b-c, and the first of
// those that are equally close.
//
// Written as 3c-a-b <= min(a, b) and so on, it needs no distances, and compiles to conditional moves: branches that
// depend on noise are mispredicted half of the time.
func paethPredictor(a, b, c int) int {
	low, high, limit := min(a, b), max(a, b), 3*c-a-b
	nearest := c
	if limit >= high {
		nearest = low
	}
	if limit <= low {
		nearest = high
	}
	return nearest
}
