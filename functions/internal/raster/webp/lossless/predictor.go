package lossless

// A predictor is the predictor transform (section 3.5.1): pixels are differences from a prediction of their neighbours
// by one of 14 modes, which may differ from tile to tile.
type predictor struct {
	bits, width, tiles int
	modes              []uint8
	above              []uint32 // the previous row, followed by the first pixel of the row, which is next in scan order
}

func (d *decoder) readPredictor(width, height int) (*predictor, error) {
	p := &predictor{bits: 2 + int(d.in.readBits(3)), width: width, above: make([]uint32, width+1)}
	p.tiles = tilesOf(width, p.bits)
	err := d.readImage(p.tiles, tilesOf(height, p.bits), false, func(_, count int, row []uint32) error {
		for range count {
			for _, pixel := range row {
				p.modes = append(p.modes, uint8(pixel>>8&15))
			}
		}
		return nil
	})
	return p, err
}

const black = 0xff000000

func (p *predictor) invert(y int, row []uint32) {
	row = row[:p.width]
	if y == 0 {
		row[0] = addPixels(row[0], black)
		addLeft(row)
	} else {
		row[0] = addPixels(row[0], p.above[0])
		p.above[p.width] = row[0]
		p.invertTiles(p.modes[y>>p.bits*p.tiles:][:p.tiles], row)
	}
	copy(p.above, row)
}

// equalRows is 1, because a row is predicted from the one above it.
func (*predictor) equalRows(int, int) int { return 1 }

func (p *predictor) invertTiles(modes []uint8, row []uint32) {
	for x := 1; x < len(row); {
		i := x >> p.bits
		mode := modes[i]
		for i++; i < len(modes) && modes[i] == mode; i++ {
		}
		end := min(i<<p.bits, len(row))
		predict(mode, row[x-1:end], p.above[x-1:end+1])
		x = end
	}
}

// predict adds the prediction to all pixels of a row but the first, which is only read. Above is the previous row, and
// one pixel longer.
func predict(mode uint8, row, above []uint32) {
	switch mode {
	case 1:
		addLeft(row)
	case 2:
		addRow(row[1:], above[1:])
	case 3:
		addRow(row[1:], above[2:])
	case 4:
		addRow(row[1:], above)
	case 5:
		addAverageOfThree(row, above)
	case 6:
		addAverage(row, above)
	case 7:
		addAverage(row, above[1:])
	case 8:
		addAverages(row[1:], above, above[1:])
	case 9:
		addAverages(row[1:], above[1:], above[2:])
	case 10:
		addAverageOfFour(row, above)
	case 11:
		if !addSelected(row, above) {
			addSelect(row, above)
		}
	case 12:
		addClampedGradient(row, above)
	case 13:
		addClampedHalfGradient(row, above)
	default:
		for i := 1; i < len(row); i++ {
			row[i] = addPixels(row[i], black)
		}
	}
}

// average rounds down.
func average(a, b uint32) uint32 { return (a^b)&0xfefefefe>>1 + a&b }

func addLeft(row []uint32) {
	left := row[0]
	for i := 1; i < len(row); i++ {
		left = addPixels(row[i], left)
		row[i] = left
	}
}

func addRow(row, other []uint32) {
	other = other[:len(row)]
	for i, pixel := range row {
		row[i] = addPixels(pixel, other[i])
	}
}

// addAverage predicts the average of the pixel to the left and another one.
func addAverage(row, other []uint32) {
	left := row[0]
	row = row[1:]
	other = other[:len(row)]
	for i, pixel := range row {
		left = addPixels(pixel, average(left, other[i]))
		row[i] = left
	}
}

func addAverages(row, a, b []uint32) {
	a, b = a[:len(row)], b[:len(row)]
	for i, pixel := range row {
		row[i] = addPixels(pixel, average(a[i], b[i]))
	}
}

// spread puts the channels of a pixel into 16 bits each, which leaves space for carries.
func spread(pixel uint32) uint64 {
	const even, odd = 0x00ff00ff, 0x00ff00ff << 32
	return uint64(pixel)&even | uint64(pixel)<<24&odd
}

const channels = 0x00ff00ff00ff00ff

func pack(v uint64) uint32 { return uint32(v | v>>24) }

func addAverageOfThree(row, above []uint32) {
	left := spread(row[0])
	above = above[:len(row)+1]
	for i := 1; i < len(row); i++ {
		mean := (left + spread(above[i+1])) >> 1 & channels
		left = (spread(row[i]) + (mean+spread(above[i]))>>1&channels) & channels
		row[i] = pack(left)
	}
}

func addAverageOfFour(row, above []uint32) {
	left, corner, top := spread(row[0]), spread(above[0]), spread(above[1])
	above = above[2:][:len(row)-1]
	row = row[1:]
	for i, pixel := range row {
		right := spread(above[i])
		mean := (left + corner) >> 1 & channels
		left = (spread(pixel) + (mean+(top+right)>>1&channels)>>1&channels) & channels
		row[i] = pack(left)
		corner, top = top, right
	}
}

const ones = 0x0001000100010001

// addSelect predicts the one of the left and the upper pixel that is nearer to left + above - upper left.
func addSelect(row, above []uint32) {
	left, corner := spread(row[0]), spread(above[0])
	above = above[1:len(row)]
	row = row[1:]
	for i, pixel := range row {
		top := spread(above[i])
		nearest := top
		if manhattan(top, corner) < manhattan(left, corner) {
			nearest = left
		}
		left = (spread(pixel) + nearest) & channels
		row[i] = pack(left)
		corner = top
	}
}

// manhattan is the sum of the absolute differences of the channels, plus a constant.
func manhattan(a, b uint64) uint64 {
	differences := a | 0x100*ones - b // plus 256
	negative := ^differences >> 8 & ones
	return (differences ^ (negative<<9 - negative) + negative) * ones >> 48
}

// addClampedGradient predicts left + above - upper left: ClampAddSubtractFull.
func addClampedGradient(row, above []uint32) {
	left, corner := spread(row[0]), spread(above[0])
	above = above[1:len(row)]
	row = row[1:]
	for i, pixel := range row {
		top := spread(above[i])
		left = (spread(pixel) + clamp(left+(top|0x100*ones-corner))) & channels
		row[i] = pack(left)
		corner = top
	}
}

// clamp clamps channels to 0 to 255 that are 256 too large.
func clamp(v uint64) uint64 {
	inside, over := v>>8&ones, v>>9&ones
	return v&(inside<<8-inside) | (over<<8 - over)
}

// addClampedHalfGradient predicts the average of left and above plus half of its difference from upper left, rounded
// towards 0: ClampAddSubtractHalf.
func addClampedHalfGradient(row, above []uint32) {
	left, corner := spread(row[0]), spread(above[0])
	above = above[1:len(row)]
	row = row[1:]
	for i, pixel := range row {
		top := spread(above[i])
		mean := (left + top) >> 1 & channels
		difference := mean | 0x100*ones - corner // plus 256
		negative := ^difference >> 8 & ones
		half := (difference + negative) >> 1 & (0x1ff * ones) // plus 128
		left = (spread(pixel) + clamp(mean+half+0x80*ones)) & channels
		row[i] = pack(left)
		corner = top
	}
}
