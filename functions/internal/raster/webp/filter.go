package webp

// Filters of an alpha plane (RFC 9649, section 2.7.1.2), which alphaFilters undo.
const (
	filterNone = iota
	filterLeft
	filterAbove
	filterGradient
)

// filterAlpha sets to to the differences of levels from what a filter predicts.
func filterAlpha(to, alpha []uint8, width, filter int) {
	for at := 0; at < len(alpha); at += width {
		row, made := alpha[at:at+width], to[at:at+width]
		above := row
		if at > 0 {
			above = alpha[at-width : at]
		}
		switch {
		case filter == filterNone:
			copy(made, row)
		case filter == filterAbove && at > 0:
			for x, v := range row {
				made[x] = v - above[x]
			}
		case filter == filterGradient && at > 0:
			made[0] = row[0] - above[0]
			for x := 1; x < width; x++ {
				made[x] = row[x] - gradient(row[x-1], above[x], above[x-1])
			}
		default:
			made[0] = row[0]
			if at > 0 {
				made[0] -= above[0]
			}
			for x := 1; x < width; x++ {
				made[x] = row[x] - row[x-1]
			}
		}
	}
}

// gradient is the level that continues those on the left and above as a plane.
func gradient(left, above, upperLeft uint8) uint8 {
	return uint8(max(0, min(int(left)+int(above)-int(upperLeft), 255)))
}
