package av1

import (
	"slices"
	"sync"
)

// Options are what the consumer of a picture needs.
type Options struct {
	// SkipFilters turns off the deblocking filter, the constrained directional enhancement filter and loop restoration.
	// The difference is invisible in copies of a quarter of the size and less.
	SkipFilters bool
	// Check is called at least once for each row of superblocks of a tile; its error ends the decoding. It may be nil.
	Check func() error
}

// Rows is a band of finished rows, which follows the one before: of luma, and of Cb and Cr unless Format.Gray.
type Rows [3]Samples

// Samples are rows of one colour component. One of Pix8 and Pix16 is set: Pix8 if Format.Depth is 8.
type Samples struct {
	Pix8  []uint8
	Pix16 []uint16
	// Rows start Stride samples apart, and have Width samples.
	Stride, Width, Height int
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode decodes the picture of data, the OBUs of an item, and emits its rows from the top down. A band of 4:2:0 starts
// at an even luma row; it has an even number of luma rows, unless it is the last one, and half as many chroma rows; in
// other formats, all components have the same number of rows. The samples are valid until emit returns.
//
// The error is an *imgerr.Error, or that of Options.Check or of emit. Data that ends early is damaged.
func (c *Config) Decode(data []byte, o Options, emit func(rows *Rows) error) error {
	r, err := c.read(data)
	if err != nil {
		return err
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	return d.decodeAll(r, o, emit)
}

// release returns a decoder to the pool without what belongs to the picture: the data and functions that it refers to,
// and the samples of a whole frame, which only copies of blocks need.
func (d *decoder) release() {
	if d.header != nil && d.header.allowBC {
		d.planes = [3]plane{}
	}
	d.options, d.emit, d.sequence, d.header = Options{}, nil, nil, nil
	d.initial, d.motion = nil, nil
	d.releaseReferences()
	d.symbolDecoder = symbolDecoder{}
	clear(d.columns[:cap(d.columns)])
	decoders.Put(d)
}

// A decoder decodes one picture after another, and reuses its buffers.
type decoder struct {
	picture
	options Options
	emit    func(*Rows) error
	emitted int // luma rows
	out     [3][]uint8
	tables  *tables

	columnState
	columns     []columnState // of the row of tiles
	tile        tileState
	block       block
	edges       intraEdges
	cfl         [32 * 32]int16 // luma, less its average
	colorMap    [2][64 * 64]uint8
	colorOrder  [8]uint8
	transforms  transformer
	residual    residualState
	copies      copyState
	inter       *interState    // nil until there is an inter frame
	initial     *savedContexts // those that tiles start with, or nil for the default ones
	isReference bool           // other frames refer to the frame
	fault       error          // the first error within a superblock
}

// A columnState is the state of a tile that lasts from one row of superblocks to the next.
type columnState struct {
	symbolDecoder
	savedContexts
	qIndex  int // CurrentQIndex
	deltaLF [4]int8
	wiener  [3][2][3]int8 // RefLrWiener
	xqd     [3][2]int8    // RefSgrXqd
}

// A tileState is where a tile is, and what is around the current block.
type tileState struct {
	// In units of 4x4 luma samples:
	left, right, top, bottom int

	above  []neighbor   // by column
	beside [32]neighbor // the left ones, by row within the superblock
	// aboveLevels and leftLevels describe the coefficients of transform blocks for each plane, in units of 4x4 samples:
	// the level, and the sign of the first coefficient in the upper bits.
	aboveLevels [3][]uint8
	leftLevels  [3][32]uint8
	// aboveUV and leftUV are the modes of chroma, in units of 4x4 samples.
	aboveUV []uint8
	leftUV  [32]uint8
	// aboveColors and leftColors are the palettes of luma and Cb.
	aboveColors [2][][8]uint16
	leftColors  [2][32][8]uint16
	// abovePredicted and leftPredicted are AboveSegPredContext and LeftSegPredContext.
	abovePredicted []uint8
	leftPredicted  [32]uint8
	// aboveRows are the last rows of the superblocks above, before in-loop filters.
	aboveRows [3][]uint16

	readDeltas  bool
	row, column int // of the superblock
	// decoded has the units of 4x4 samples of the superblock that are decoded, for each plane: rows from -1 on, of bits
	// from column -1 on.
	decoded [3][34]uint64
}

// A neighbor is what contexts need to know about a block above or to the left.
type neighbor struct {
	mode    uint8 // YMode
	skip    uint8
	size    uint8    // the logarithm of the width of a block above, or of the height of one to the left, in 4 samples
	tx      uint8    // the same of its transform, in samples
	isInter bool     // including intra block copies
	colors  [2]uint8 // PaletteSizes
}

// decode is Config.Decode.
func (d *decoder) decode(s *sequence, f *codedFrame, o Options, emit func(*Rows) error) error {
	t := &f.header.tiles
	if count := t.columns() * t.rows(); len(f.tiles) < count {
		return damaged("a frame has %d tiles, expected %d", len(f.tiles), count)
	}
	d.options, d.emit, d.fault, d.emitted = o, emit, nil, 0
	d.tables = loadTables()
	d.start(s, f.header)
	if err := d.startInter(f); err != nil {
		return err
	}
	d.columns = slices.Grow(d.columns[:0], t.columns())[:t.columns()]
	for row := range t.rows() {
		d.tile.top, d.tile.bottom = t.rowStarts[row], t.rowStarts[row+1]
		if err := d.decodeTiles(f.tiles[row*t.columns():][:t.columns()]); err != nil {
			return err
		}
		if column := t.contextTile - row*t.columns(); d.isReference && 0 <= column && column < t.columns() {
			d.saveContexts(f, column)
		}
	}
	return nil
}

// decodeTiles decodes a row of tiles (section 5.11.2): of all tiles in turn a row of superblocks, so that rows are
// final as early as possible.
func (d *decoder) decodeTiles(tiles [][]byte) error {
	starts := d.header.tiles.columnStarts
	for i, data := range tiles {
		d.tile.left, d.tile.right = starts[i], starts[i+1]
		d.startTile(data)
		d.columns[i] = d.columnState
	}
	size := 1 << (d.sbLog2 - 2)
	for row := d.tile.top; row < d.tile.bottom; row += size {
		bottom := min(row+size, d.tile.bottom)
		for i := range tiles {
			if len(tiles) > 1 {
				d.columnState = d.columns[i]
			}
			d.tile.left, d.tile.right = starts[i], starts[i+1]
			if err := d.decodeSuperblocks(row); err != nil {
				return err
			}
			d.saveRows(bottom)
			if len(tiles) > 1 {
				d.columns[i] = d.columnState
			}
		}
		if err := d.finishRows(bottom); err != nil {
			return err
		}
	}
	return nil
}

// decodeSuperblocks decodes a row of superblocks of a tile.
func (d *decoder) decodeSuperblocks(row int) error {
	if d.options.Check != nil {
		if err := d.options.Check(); err != nil {
			return err
		}
	}
	size := 1 << (d.sbLog2 - 2)
	d.clearLeft()
	for column := d.tile.left; column < d.tile.right; column += size {
		d.startSuperblock(row, column)
		d.decodePartition(row, column, superblocks[d.sbLog2-6])
		if d.fault != nil {
			return d.fault
		}
	}
	if d.isPastEnd() {
		return damaged("the data of a tile ends within its row %d of superblocks", (row-d.tile.top)/size)
	}
	return nil
}

// startTile initializes the state of a tile.
func (d *decoder) startTile(data []byte) {
	t := &d.tile
	d.symbolDecoder.start(data, !d.header.disableCDFUpdate)
	d.startContexts()
	s := &d.columnState
	s.qIndex, s.deltaLF = d.header.quantizer.base, [4]int8{}
	clear(t.above[t.left:t.right])
	clear(t.abovePredicted[min(t.left, len(t.abovePredicted)):min(t.right, len(t.abovePredicted))])
	for c := range d.count {
		subX := d.planes[c].subX
		clear(t.aboveLevels[c][t.left>>subX : (t.right+int(subX))>>subX])
		s.wiener[c] = [2][3]int8{{3, -7, 15}, {3, -7, 15}}
		s.xqd[c] = [2]int8{-32, 31}
	}
}

// coefficientRange returns the index of the distribution functions for base_q_idx (init_coeff_cdfs).
func coefficientRange(q int) int {
	switch {
	case q <= 20:
		return 0
	case q <= 60:
		return 1
	case q <= 120:
		return 2
	default:
		return 3
	}
}

func (d *decoder) clearLeft() {
	clear(d.tile.beside[:])
	clear(d.tile.leftLevels[:])
	clear(d.tile.leftPredicted[:])
}

// startSuperblock initializes the state of a superblock.
func (d *decoder) startSuperblock(row, column int) {
	t := &d.tile
	t.row, t.column, t.readDeltas = row, column, d.header.deltaQPresent
	size := 1 << (d.sbLog2 - 2)
	for y := row >> 4; y < (row+size)>>4; y++ {
		for x := column >> 4; x < (column+size)>>4; x++ {
			if at := y*d.cdefColumns + x; x < d.cdefColumns && at < len(d.cdefIndex) {
				d.cdefIndex[at] = -1
			}
		}
	}
	for c := range d.count {
		p := &d.planes[c]
		width, height := (t.right-column)>>p.subX, (t.bottom-row)>>p.subY
		rows := &t.decoded[c]
		rows[0] = 1<<(min(width, size>>p.subX+1)+1) - 1
		for y := range size>>p.subY + 1 {
			rows[1+y] = 0
			if y < height {
				rows[1+y] = 1
			}
		}
		rows[1+size>>p.subY] = 0
	}
	if d.header.restoration.usesAny {
		d.readRestoration(row, column)
	}
}

// saveRows keeps the last row of a row of superblocks for intra prediction, before in-loop filters change it.
func (d *decoder) saveRows(bottom int) {
	for c := range d.count {
		p := &d.planes[c]
		from, to := d.tile.left*4>>p.subX, min((d.tile.right*4)>>p.subX, p.stride)
		y := bottom*4>>p.subY - 1
		copy(d.tile.aboveRows[c][from:to], p.pix[p.index(from, y):p.index(to, y)])
	}
}

// finishRows filters and emits the rows up to bottom, in units of 4x4 luma samples, as far as they are final.
func (d *decoder) finishRows(bottom int) error {
	done := d.filter(min(bottom*4, d.header.height))
	if err := d.emitRows(done); err != nil {
		return err
	}
	d.advance(done, bottom*4)
	return nil
}

// emitRows emits the luma rows up to end, and the chroma rows that belong to them, in bands.
func (d *decoder) emitRows(end int) error {
	const most = 128
	for d.emitted < end {
		if err := d.emitBand(min(end, d.emitted+most)); err != nil {
			return err
		}
	}
	return nil
}

// emitBand emits the luma rows up to end.
func (d *decoder) emitBand(end int) error {
	var rows Rows
	for c := range d.count {
		p := d.shown(c)
		top, bottom := d.emitted>>p.subY, (end+1<<p.subY-1)>>p.subY
		s := &rows[c]
		s.Width, s.Height = p.width, bottom-top
		if d.depth > 8 {
			s.Stride = p.stride
			s.Pix16 = p.pix[p.index(0, top):]
			continue
		}
		s.Stride = p.width
		if n := s.Width * s.Height; cap(d.out[c]) < n {
			d.out[c] = make([]uint8, n)
		}
		s.Pix8 = d.out[c][:s.Width*s.Height]
		for y := range s.Height {
			narrow(s.Pix8[y*s.Stride:][:s.Width], p.row(top+y))
		}
	}
	d.emitted = end
	return d.emit(&rows)
}

// narrow converts samples of 8 bits.
func narrow(to []uint8, from []uint16) {
	from = from[:len(to)]
	for i := narrowVectors(to, from); i < len(to); i++ {
		to[i] = uint8(from[i])
	}
}
