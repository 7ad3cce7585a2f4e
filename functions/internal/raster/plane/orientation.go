package plane

import "bytes"

// Upright undoes an EXIF orientation, 1 to 8, which says on which sides of the image the first row and the first column
// of a plane are shown.
func (p Plane) Upright(orientation int) Plane {
	if orientation <= 1 {
		return p
	}
	right, bottom := p.Width-1, (p.Height-1)*p.Stride
	// Offsets of the first sample, and of the next one across and down.
	steps := [...][3]int{
		2: {right, -1, p.Stride},
		3: {bottom + right, -1, -p.Stride},
		4: {bottom, 1, -p.Stride},
		5: {0, p.Stride, 1},
		6: {bottom, -p.Stride, 1},
		7: {bottom + right, -p.Stride, -1},
		8: {right, p.Stride, -1},
	}[orientation]
	width, height, stepX, stepY := p.Width, p.Height, p.StepX, p.StepY
	if SwapsSides(orientation) {
		width, height, stepX, stepY = height, width, stepY, stepX
	}
	turned := New(width, height, stepX, stepY)
	for y := range height {
		from := steps[0] + y*steps[2]
		row := turned.Row(y)
		for x := range row {
			row[x] = p.Pix[from+x*steps[1]]
		}
	}
	return turned
}

// SwapsSides reports whether an orientation exchanges width and height.
func SwapsSides(orientation int) bool { return orientation >= 5 }

// mirrored reports whether the first sample of a row, and of a column, becomes the last.
func mirrored(orientation int) (x, y bool) {
	switch orientation {
	case 2, 8:
		return true, false
	case 3, 7:
		return true, true
	case 4, 6:
		return false, true
	default:
		return false, false
	}
}

// composed has the orientation that two have one after the other.
var composed = func() (table [9][9]int) {
	corners := Plane{Pix: []uint8{0, 1, 2, 3, 4, 5}, Stride: 3, Width: 3, Height: 2, StepX: 1, StepY: 1}
	for first := 1; first <= 8; first++ {
		for then := 1; then <= 8; then++ {
			turned := corners.Upright(first).Upright(then)
			for one := 1; one <= 8; one++ {
				if p := corners.Upright(one); p.Width == turned.Width && bytes.Equal(p.Pix, turned.Pix) {
					table[first][then] = one
				}
			}
		}
	}
	return table
}()

// Compose returns the orientation whose undoing is that of first and after that of then.
func Compose(first, then int) int { return composed[max(1, first)][max(1, then)] }
