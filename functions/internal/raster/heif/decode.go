package heif

import (
	"math"
	"slices"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Decode implements codec.File. It reads up to the end of the data of the primary item even if it decodes a thumbnail
// item, so that a file that is cut short is an error.
func (f *File) Decode(o codec.Options) (codec.Result, error) {
	if o.Check != nil {
		f.check = o.Check
	}
	var m *plane.Image
	var err error
	if t := f.thumbnail(o.Width, o.Height); t != nil && !o.IgnoreThumbnails {
		m, err = f.decodeOpaque(t, o.Width, o.Height)
	} else {
		m, err = f.decode(o.Width, o.Height)
	}
	if err == nil {
		err = f.finish()
	}
	if err != nil {
		return codec.Result{}, withName(err, f.name)
	}
	return codec.Result{Orientation: f.Orientation}, codec.ShowStill(o, m)
}

// decode returns the primary item, reduced for copies of width x height pixels.
func (f *File) decode(width, height int) (*plane.Image, error) {
	p := f.primary
	switch {
	case p.overlay != nil:
		return f.decodeOverlay(p, width, height)
	case p.alpha == nil:
		return f.decodeOpaque(p, width, height)
	}
	o := f.decodeOptions(p.alpha.picture, cicp{full: true}, width, height)
	transparency, err := f.decodeAlpha(p, p.start(), o)
	if err != nil {
		return nil, err
	}
	if isOpaque(transparency) {
		return f.decodeOpaque(p, width, height)
	}
	return f.decodeWithAlpha(p, transparency, width, height)
}

// finish reads up to the end of the data of the primary item and its alpha.
func (f *File) finish() error {
	end := int64(0)
	for _, t := range f.primary.allTiles() {
		end = max(end, t.end())
	}
	return short(f.window.skipTo(end))
}

// decodeOpaque decodes the primary item or one of its thumbnails, without alpha.
func (f *File) decodeOpaque(p *picture, width, height int) (*plane.Image, error) {
	m := &plane.Image{Width: f.Width, Height: f.Height, Model: plane.YCbCr}
	if err := f.readColors(p, math.MaxInt64); err != nil {
		return nil, err
	}
	s := p.codedCICP()
	components := newComponents(p, width, height)
	err := f.decodeRows(p, math.MaxInt64, f.decodeOptions(p, s, width, height), func(r *rows) error {
		for i, c := range components {
			c.add(r[i])
		}
		return f.check()
	})
	if err != nil {
		return nil, err
	}
	if m.Profile = p.iccProfile(); m.Profile == nil { // which may depend on what the pictures state
		m.Profile = f.primary.iccProfile()
	}
	for i, c := range components {
		reduced := c.reducer.Planes()[0]
		if !s.full && p.depthOf(i) == 8 {
			expandRange(reduced, s.levels(i, 8))
		}
		reduced.StepX *= float64(c.stepX) * float64(f.Width) / float64(p.crop.Dx())
		reduced.StepY *= float64(c.stepY) * float64(f.Height) / float64(p.crop.Dy())
		m.Planes = append(m.Planes, reduced)
	}
	switch {
	case p.isGray:
		m.Model = plane.Gray
	case s.matrix == identity: // planes are green, blue and red
		m.Model = plane.RGB
		m.Planes = []plane.Plane{m.Planes[2], m.Planes[0], m.Planes[1]}
	case !s.is601():
		s.toRGB().toJFIF(m.Planes)
	}
	return m, nil
}

// decodeOptions returns the options for copies of width x height pixels of a picture whose samples are coded as s says.
func (f *File) decodeOptions(p *picture, s cicp, width, height int) decodeOptions {
	o := decodeOptions{
		filter: p.crop.Dx() < 4*width || p.crop.Dy() < 4*height, check: f.check,
	}
	for i := range p.planes() {
		if depth := p.depthOf(i); depth > 8 {
			o.levels[i] = s.levels(i, depth)
		}
	}
	return o
}

// depthOf returns the bits of a sample of a plane.
func (f format) depthOf(plane int) int {
	if plane == 0 {
		return f.depth
	}
	return f.chromaDepth
}

// A component reduces the cropped part of one plane.
type component struct {
	reducer      *plane.Reducer
	stepX, stepY int // pixels per sample
	// The cropped part, in samples. If it starts inside a chroma sample, samples are repeated so that they are pixels.
	left, right, top, bottom int
	repeatX, repeatY         int
	repeated                 []uint8
	y                        int
}

func newComponents(p *picture, width, height int) []*component {
	var all []*component
	ratioX, ratioY := float64(p.crop.Dx())/float64(width), float64(p.crop.Dy())/float64(height)
	for i := range p.planes() {
		c := &component{repeatX: 1, repeatY: 1}
		c.stepX, c.stepY = p.steps(i)
		if p.crop.Min.X%c.stepX != 0 || p.crop.Min.Y%c.stepY != 0 {
			c.repeatX, c.repeatY, c.stepX, c.stepY = c.stepX, c.stepY, 1, 1
			c.repeated = make([]uint8, p.crop.Dx())
		}
		c.left, c.top = p.crop.Min.X/c.stepX, p.crop.Min.Y/c.stepY
		c.right, c.bottom = (p.crop.Max.X+c.stepX-1)/c.stepX, (p.crop.Max.Y+c.stepY-1)/c.stepY
		c.reducer = plane.NewReducer(c.right-c.left, c.bottom-c.top, 1,
			plane.ReductionFactor(ratioX/float64(c.stepX)), plane.ReductionFactor(ratioY/float64(c.stepY)))
		all = append(all, c)
	}
	return all
}

func (c *component) add(p plane.Plane) {
	for y := range p.Height {
		for range c.repeatY {
			if c.top <= c.y && c.y < c.bottom {
				c.reducer.Add(c.row(p.Row(y)))
			}
			c.y++
		}
	}
}

// row returns the cropped part of a row.
func (c *component) row(row []uint8) []uint8 {
	if c.repeated == nil {
		return row[c.left:c.right]
	}
	for x := range c.repeated {
		c.repeated[x] = row[(c.left+x)/c.repeatX]
	}
	return c.repeated
}

// decodeRows decodes a picture and shows its rows from the top down. Data from position later on is needed afterwards.
func (f *File) decodeRows(p *picture, later int64, o decodeOptions, show func(*rows) error) error {
	lows := make([]int64, len(p.tiles)+1)
	lows[len(p.tiles)] = later
	for i := len(p.tiles) - 1; i >= 0; i-- {
		lows[i] = min(lows[i+1], p.tiles[i].start())
	}
	s := newTileRow(p, show)
	defer s.release()
	for i, t := range p.tiles {
		if err := f.check(); err != nil {
			return err
		}
		if err := f.advance(lows[i]); err != nil {
			return err
		}
		if err := f.decodeTile(t, lows[i+1], o, s, i%p.columns); err != nil {
			return err
		}
	}
	return nil
}

// advance discards what is before a position of the file, which may not have been read yet.
func (f *File) advance(to int64) error {
	if to == math.MaxInt64 {
		return nil
	}
	return short(f.window.skipTo(to))
}

// decodeTile decodes the tile in a column of a row of tiles.
func (f *File) decodeTile(t tile, later int64, o decodeOptions, s *tileRow, column int) error {
	data, err := f.data(t.item)
	if err != nil {
		return err
	}
	data.later = later
	err = t.decode(data, o, func(r *rows) error { return s.add(column, r) })
	if data.err != nil { // which a decoder may report as damage
		return data.err
	}
	if err != nil {
		return err
	}
	return s.end(column)
}

// A tileRow collects the rows of a row of tiles. If it has one column only, rows are shown as they are decoded.
type tileRow struct {
	*picture
	rows
	show   func(*rows) error
	buffer *[]uint8 // holds the rows
	next   [3]int   // the next row of each plane of the current tile
}

// tileRowBuffers hold the samples of tileRows.
var tileRowBuffers = sync.Pool{New: func() any { return new([]uint8) }}

func newTileRow(p *picture, show func(*rows) error) *tileRow {
	s := &tileRow{picture: p, show: show}
	if p.columns == 1 {
		return s
	}
	total := 0
	for i := range p.planes() {
		stepX, stepY := p.steps(i)
		width, height := (p.width+stepX-1)/stepX, (min(p.tileHeight, p.height)+stepY-1)/stepY
		s.rows[i] = plane.Plane{Stride: width, Width: width, Height: height}
		total += s.rows[i].Width * s.rows[i].Height
	}
	s.buffer = tileRowBuffers.Get().(*[]uint8)
	*s.buffer = slices.Grow((*s.buffer)[:0], total)[:total]
	rest := *s.buffer
	for i := range p.planes() {
		n := s.rows[i].Width * s.rows[i].Height
		s.rows[i].Pix, rest = rest[:n:n], rest[n:]
	}
	return s
}

func (s *tileRow) release() {
	if s.buffer != nil {
		tileRowBuffers.Put(s.buffer)
	}
}

// add adds rows of the tile in a column.
func (s *tileRow) add(column int, r *rows) error {
	for i := range s.planes() {
		stepX, stepY := s.steps(i)
		width := (s.tileWidth + stepX - 1) / stepX
		if rest := (s.tileHeight+stepY-1)/stepY - s.next[i]; r[i].Width != width || r[i].Height > rest {
			return damaged("one of its pictures has %dx%d samples in a plane where %dx%d are expected", r[i].Width,
				r[i].Height, width, rest)
		}
		if left, shown := column*width, s.rows[i]; left < shown.Width { // tiles may extend beyond the output
			for y := range min(r[i].Height, shown.Height-s.next[i]) {
				copy(shown.Row(s.next[i] + y)[left:], r[i].Row(y))
			}
		}
		s.next[i] += r[i].Height
	}
	if s.columns > 1 {
		return nil
	}
	return s.show(r)
}

// end ends the tile in a column.
func (s *tileRow) end(column int) error {
	for i := range s.planes() {
		_, stepY := s.steps(i)
		if want := (s.tileHeight + stepY - 1) / stepY; s.next[i] != want {
			return damaged("one of its pictures has %d rows, expected %d", s.next[i], want)
		}
	}
	s.next = [3]int{}
	if s.columns == 1 || column < s.columns-1 {
		return nil
	}
	return s.show(&s.rows)
}
