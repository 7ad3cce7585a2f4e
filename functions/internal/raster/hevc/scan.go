package hevc

// scanIdx: the scan orders of coefficients (sections 6.5.3 to 6.5.5).
const (
	scanDiagonal = iota
	scanHorizontal
	scanVertical
)

// diagonal returns the up-right diagonal scan of a block, as pairs of x and y.
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

// A scan is the scan order of the coefficients of a sub-block, or of the sub-blocks of a block.
type scan struct {
	x, y  [64]uint8
	index [64]uint8 // position in the order, by 8*y + x
}

// scans are the orders by scanIdx and by Log2 of the size, 0 to 3.
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
