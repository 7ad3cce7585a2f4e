package hevc

// A scalingList has the scaling factors of intra blocks (section 7.4.5) by: Log2 of the block size less 2; component;
// position in raster order.
type scalingList struct {
	factors [4][3][]uint8
}

// defaultIntra has the default scaling list of intra blocks of 8x8 and more in the order of the diagonal scan (table
// 7-6).
var defaultIntra = [64]uint8{
	16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 16, 17, 16, 17, 18,
	17, 18, 18, 17, 18, 21, 19, 20, 21, 20, 19, 21, 24, 22, 22, 24,
	24, 22, 22, 24, 25, 25, 27, 30, 27, 25, 25, 29, 31, 35, 35, 31,
	29, 36, 41, 44, 41, 36, 47, 54, 54, 47, 65, 70, 65, 88, 88, 115,
}

// A codedList is a scaling list as it is coded: 16 or 64 coefficients, and the DC coefficient of sizes from 16x16 on.
type codedList struct {
	coefs [64]uint8
	dc    uint8
}

func defaultList(size int) codedList {
	l := codedList{coefs: defaultIntra, dc: 16}
	if size == 0 {
		for i := range l.coefs {
			l.coefs[i] = 16
		}
	}
	return l
}

var defaultScaling = func() *scalingList {
	var lists [4][6]codedList
	for size := range lists {
		for i := range lists[size] {
			lists[size][i] = defaultList(size)
		}
	}
	return newScalingList(&lists)
}()

// readScalingList reads scaling_list_data (section 7.3.4). The matrices 3 to 5 of each size are for inter blocks;
// they are parsed and not used.
func readScalingList(r *bitReader) (*scalingList, error) {
	var lists [4][6]codedList
	for size := range lists {
		step := 1
		if size == 3 {
			step = 3
		}
		for i := 0; i < 6; i += step {
			if err := readCodedList(r, &lists[size], size, i, step); err != nil {
				return nil, err
			}
		}
	}
	// Chroma blocks of 32x32, which 4:4:4 has, use the lists of 16x16.
	for _, i := range []int{1, 2, 4, 5} {
		lists[3][i] = lists[2][i]
	}
	return newScalingList(&lists), nil
}

func readCodedList(r *bitReader, lists *[6]codedList, size, i, step int) error {
	if isCoded := r.flag(); !isCoded {
		delta := r.ue()
		if delta > i/step {
			return damaged("a scaling list is predicted from one that does not exist")
		}
		if delta == 0 {
			lists[i] = defaultList(size)
		} else {
			lists[i] = lists[i-delta*step]
		}
		return nil
	}
	l := &lists[i]
	next := 8
	l.dc = 16
	if size > 1 {
		next = 8 + r.se()
		if next < 1 || next > 255 {
			return damaged("a scaling list has a factor of %d, expected 1 to 255", next)
		}
		l.dc = uint8(next)
	}
	for k := range min(64, 16<<(2*size)) {
		delta := r.se()
		if delta < -128 || delta > 127 {
			return damaged("factors of a scaling list differ by %d, expected -128 to 127", delta)
		}
		next = (next + delta + 256) & 255
		l.coefs[k] = uint8(next)
	}
	return nil
}

// newScalingList expands the lists to scaling factors by position.
func newScalingList(lists *[4][6]codedList) *scalingList {
	s := new(scalingList)
	for size := range s.factors {
		for plane := range s.factors[size] {
			l := &lists[size][plane]
			n := 4 << size
			m := make([]uint8, n*n)
			coded, shift := min(n, 8), max(0, size-1)
			order := diagonal(coded)
			for k, at := range order {
				x, y := int(at[0])<<shift, int(at[1])<<shift
				for i := range 1 << shift {
					for j := range 1 << shift {
						m[(y+i)*n+x+j] = l.coefs[k]
					}
				}
			}
			if size > 1 {
				m[0] = l.dc
			}
			s.factors[size][plane] = m
		}
	}
	return s
}
