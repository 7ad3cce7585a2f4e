package gif

import "gitlab.com/yourorg/image-service/functions/internal/raster/plane"

// An indexReducer is a plane.Reducer for rows of indexes. It sums the colours of a column as one word, and never makes
// pixels.
type indexReducer struct {
	table            *colorTable
	wide             *[maxColors]uint64 // table, with 16 bits for each channel
	planes           []plane.Plane      // one for gray, or four for RGBA
	factorX, factorY int
	sums             []uint64 // of the columns of a row of boxes, which has 256 rows at most
	rows             int      // number of rows in sums
	y                int      // the next row of the planes
	transparent      bool     // whether any pixel so far is
}

func newIndexReducer(t *colorTable, channels, width, height, factorX, factorY int) *indexReducer {
	r := &indexReducer{table: t, wide: t.widened(), factorX: factorX, factorY: factorY, sums: make([]uint64, width)}
	width, height = (width+factorX-1)/factorX, (height+factorY-1)/factorY
	for range channels {
		r.planes = append(r.planes, plane.New(width, height, float64(factorX), float64(factorY)))
	}
	return r
}

// add takes the next row, which has indexes from column x on. The rest is transparent.
func (r *indexReducer) add(x int, indexes []uint8) {
	if r.factorX == 1 && r.factorY == 1 {
		r.copy(x, indexes)
		return
	}
	sums, colors := r.sums[x:][:len(indexes)], r.wide
	for i, index := range indexes {
		sums[i] += colors[index]
	}
	if r.rows++; r.rows == r.factorY {
		r.flush()
	}
}

// image completes the last boxes, which may have fewer rows.
func (r *indexReducer) image(width, height int) *plane.Image {
	if r.rows > 0 {
		r.flush()
	}
	if len(r.planes) == 1 {
		return &plane.Image{Width: width, Height: height, Model: plane.Gray, Planes: r.planes}
	}
	return colored(width, height, r.planes, r.transparent)
}

// colored is an image of planes of RGBA.
func colored(width, height int, planes []plane.Plane, transparent bool) *plane.Image {
	if !transparent {
		planes = planes[:3]
	}
	return &plane.Image{Width: width, Height: height, Model: plane.RGB, Planes: planes}
}

// flush averages the sums to a row of the planes.
func (r *indexReducer) flush() {
	whole := len(r.sums) / r.factorX
	r.average(0, whole, r.factorX)
	if rest := len(r.sums) % r.factorX; rest > 0 {
		r.average(whole, whole+1, rest)
	}
	clear(r.sums)
	r.rows = 0
	r.y++
}

// average computes the samples from:to, each of boxes that are count pixels wide.
func (r *indexReducer) average(from, to, count int) {
	const redAndBlue = 0x0000ffff_0000ffff
	area := uint64(count * r.rows)
	scale := (1<<32 + area/2) / area
	mean := func(sum uint64) uint8 { return uint8((sum&0xffffffff*scale + 1<<31) >> 32) }
	sums, rows := r.sums[from*r.factorX:], r.samples(from, to)
	if len(r.planes) == 1 {
		for x := range rows[0] {
			sum := uint64(0)
			for _, column := range sums[:count] {
				sum += column & 0xffff
			}
			sums, rows[0][x] = sums[count:], mean(sum)
		}
		return
	}
	red, green, blue, alpha := rows[0], rows[1][:to-from], rows[2][:to-from], rows[3][:to-from]
	least := uint8(0xff)
	for x := range red {
		var even, odd uint64 // of the channels, 32 bits each
		for _, sum := range sums[:count] {
			even += sum & redAndBlue
			odd += sum >> 16 & redAndBlue
		}
		sums = sums[count:]
		red[x], green[x], blue[x], alpha[x] = mean(even), mean(odd), mean(even>>32), mean(odd>>32)
		least = min(least, alpha[x])
	}
	r.transparent = r.transparent || least < 0xff
}

// samples returns the samples from:to of the next row.
func (r *indexReducer) samples(from, to int) (rows [4][]uint8) {
	for c, p := range r.planes {
		rows[c] = p.Row(r.y)[from:to]
	}
	return rows
}

// copy makes a row that is not reduced.
func (r *indexReducer) copy(x int, indexes []uint8) {
	rows := r.samples(x, x+len(indexes))
	r.y++
	if len(r.planes) == 1 {
		for x, index := range indexes {
			rows[0][x] = uint8(r.table[index])
		}
		return
	}
	n := len(indexes)
	red, green, blue, alpha := rows[0][:n], rows[1][:n], rows[2][:n], rows[3][:n]
	least := uint8(0xff)
	for x, index := range indexes {
		color := r.table[index]
		red[x], green[x], blue[x], alpha[x] = uint8(color), uint8(color>>8), uint8(color>>16), uint8(color>>24)
		least = min(least, alpha[x])
	}
	r.transparent = r.transparent || least < 0xff || len(indexes) < len(r.sums)
}
