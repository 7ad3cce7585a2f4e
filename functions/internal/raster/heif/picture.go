package heif

import (
	"fmt"
	"io"
)

// A picture is a picture item that can be decoded: one that is coded, or a grid of them.
type picture struct {
	tiles                 []tile // row by row
	columns, rows         int
	format                    // of every tile
	tileWidth, tileHeight int // in pixels
	width, height         int // what is shown of all tiles together, from the top left
	transform

	signal  *signal // nil if only the bitstream may say
	profile []byte
}

// A tile is a coded item.
type tile struct {
	item *item
	bitstream
}

// Work is bounded by what is shown: the tiles of a picture, and those of its alpha, may have so many times the pixels of
// it, and so many more for the edges of a small one.
const (
	maxExcess  = 2
	freeExcess = 1 << 20
)

// maxDepth is how many items may be derived from each other.
const maxDepth = 8

// picture finds out what it takes to decode an item.
func (f *File) picture(id uint32, depth int) (*picture, error) {
	if depth > maxDepth {
		return nil, damaged("its items are derived from each other more than %d times", maxDepth)
	}
	i, properties, err := f.readable(id)
	if err != nil {
		return nil, err
	}
	var p *picture
	switch i.kind {
	case "grid":
		p, err = f.grid(i)
	case "iden", "tmap": // of a tone map, the picture that it is made from is shown
		p, err = f.derived(i, depth)
	default:
		p, err = f.coded(i, properties)
	}
	if err != nil {
		return nil, err
	}
	return p, p.describe(properties, i)
}

// readable is an item of which nothing is known that prevents it from being read.
func (f *File) readable(id uint32) (*item, []property, error) {
	i := f.meta.items[id]
	if i == nil {
		return nil, nil, damaged("it refers to item %d, which its iinf box does not have", id)
	}
	if i.protected {
		return nil, nil, unsupported("encrypted HEIC")
	}
	properties, err := f.meta.propertiesOf(i)
	return i, properties, err
}

// describe applies the properties of the item.
func (p *picture) describe(properties []property, i *item) error {
	width, height, err := sizeOf(properties)
	if err != nil {
		return err
	}
	if shownWidth, shownHeight := p.shown(); width != 0 && i.kind != "tmap" && (width != shownWidth || height != shownHeight) {
		return damaged("the ispe property of item %d says %dx%d pixels, expected the %dx%d that it has", i.id, width, height,
			shownWidth, shownHeight)
	}
	signal, profile, err := coloursOf(properties)
	if err != nil {
		return err
	}
	if signal != nil {
		p.signal = signal
	}
	if profile != nil {
		p.profile = profile
	}
	for _, property := range properties {
		if err := p.apply(property); err != nil {
			return err
		}
	}
	return nil
}

// coded is a picture of one tile.
func (f *File) coded(i *item, properties []property) (*picture, error) {
	t, err := f.tile(i, properties)
	if err != nil {
		return nil, err
	}
	p := &picture{tiles: []tile{t}, columns: 1, rows: 1, format: t.format()}
	p.tileWidth, p.tileHeight = t.size()
	p.width, p.height = p.tileWidth, p.tileHeight
	p.transform = newTransform(p.width, p.height)
	return p, nil
}

// derived is the picture of the first item that another one is derived from.
func (f *File) derived(i *item, depth int) (*picture, error) {
	from := f.meta.referred("dimg", i.id)
	if len(from) == 0 {
		return nil, damaged("its %s item %d is derived from no item", i.kind, i.id)
	}
	return f.picture(from[0], depth+1)
}

// grid is a picture of tiles (ISO/IEC 23008-12, section 6.6.2.3).
func (f *File) grid(i *item) (*picture, error) {
	p := &picture{}
	if err := f.readGrid(p, i); err != nil {
		return nil, err
	}
	ids := f.meta.referred("dimg", i.id)
	if len(ids) != p.columns*p.rows {
		return nil, damaged("its grid of %dx%d tiles is derived from %d items", p.columns, p.rows, len(ids))
	}
	for n, id := range ids {
		if err := f.add(p, id, n); err != nil {
			return nil, err
		}
	}
	if p.width > p.columns*p.tileWidth || p.height > p.rows*p.tileHeight {
		return nil, damaged("its grid has %dx%d tiles of %dx%d pixels, which do not cover %dx%d", p.columns, p.rows,
			p.tileWidth, p.tileHeight, p.width, p.height)
	}
	if p.columns*p.rows > 1 && (p.tileWidth%p.stepX != 0 || p.tileHeight%p.stepY != 0) {
		return nil, unsupported(fmt.Sprintf("HEIC with a grid of tiles of %dx%d pixels, whose chroma is shared",
			p.tileWidth, p.tileHeight))
	}
	p.transform = newTransform(p.width, p.height)
	return p, p.checkExcess(p.pixels(), "tiles")
}

func (f *File) readGrid(p *picture, i *item) error {
	r, err := f.data(i)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(r, 12))
	if err != nil {
		return err
	}
	c := &cursor{box: "grid", b: b}
	version, flags := c.uint8(), c.uint8()
	p.rows, p.columns = 1+c.uint8(), 1+c.uint8()
	if isWide := flags&1 != 0; isWide {
		p.width, p.height = int(c.uint32()), int(c.uint32())
	} else {
		p.width, p.height = c.uint16(), c.uint16()
	}
	switch {
	case c.err != nil:
		return damaged("its grid item %d has %d bytes", i.id, len(b))
	case version != 0:
		return unsupported(fmt.Sprintf("HEIC with a grid of version %d", version))
	case p.width == 0 || p.height == 0:
		return damaged("its grid is %dx%d pixels large", p.width, p.height)
	}
	return nil
}

// add adds the next tile to a grid. Tiles are coded items that are alike (ISO/IEC 23000-22, section 7.3.11.4).
func (f *File) add(p *picture, id uint32, n int) error {
	i, properties, err := f.readable(id)
	if err != nil {
		return err
	}
	part, err := f.coded(i, properties)
	if err == nil {
		err = part.describe(properties, i)
	}
	if err != nil {
		return err
	}
	width, height := part.width, part.height
	switch {
	case part.transform != newTransform(width, height):
		return unsupported("HEIC with a grid of tiles that are turned or cut")
	case n == 0:
		p.format, p.tileWidth, p.tileHeight = part.format, width, height
		p.signal, p.profile = part.signal, part.profile
	case width != p.tileWidth || height != p.tileHeight:
		return damaged("its grid has tiles of %dx%d and of %dx%d pixels", p.tileWidth, p.tileHeight, width, height)
	case part.format != p.format:
		return unsupported("HEIC with a grid of tiles that differ in chroma sampling or depth")
	}
	p.tiles = append(p.tiles, part.tiles...)
	return nil
}

// pixels is the number of pixels to decode.
func (p *picture) pixels() int64 {
	return int64(len(p.tiles)) * int64(p.tileWidth) * int64(p.tileHeight)
}

// checkExcess refuses what is far more work than what is shown of it.
func (p *picture) checkExcess(pixels int64, of string) error {
	if limit := maxExcess*int64(p.width)*int64(p.height) + freeExcess; pixels > limit {
		return damaged("its %s have %d pixels, more than %d for a picture of %dx%d", of, pixels, limit, p.width, p.height)
	}
	return nil
}
