package hevc

// The orders in which the coefficients of a block are coded (section 6.5.3 to 6.5.5).
const (
	scanDiagonal = iota
	scanHorizontal
	scanVertical
)

// diagonal is the order of the up-right diagonal scan of a block: pairs of x and y.
func diagonal(size int) [][2]uint8 {
	var order [][2]uint8
	for sum := range 2*size - 1 {
		for x := range size {
			if y := sum - x; y >= 0 && y < size {
				order = append(order, [2]uint8{uint8(x), uint8(y)})
			}
		}
	}
	return order
}

// A scan is an order of the coefficients of 4x4 blocks, or of the 4x4 blocks of a larger block.
type scan struct {
	x, y  [64]uint8
	index [64]uint8 // by 8*y + x
}

// scans are by order and by Log2 of the size, 0 to 3.
var scans = func() (s [3][4]scan) {
	for log := range 4 {
		n := 1 << log
		for i, at := range diagonal(n) {
			s[scanDiagonal][log].x[i], s[scanDiagonal][log].y[i] = at[0], at[1]
		}
		for i := range n * n {
			s[scanHorizontal][log].x[i], s[scanHorizontal][log].y[i] = uint8(i%n), uint8(i/n)
			s[scanVertical][log].x[i], s[scanVertical][log].y[i] = uint8(i/n), uint8(i%n)
		}
		for order := range s {
			t := &s[order][log]
			for i := range n * n {
				t.index[8*t.y[i]+t.x[i]] = uint8(i)
			}
		}
	}
	return s
}()
