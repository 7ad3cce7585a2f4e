package heif

import (
	"io"
	"slices"
)

// A picture is an item that can be decoded: a coded picture, a grid of coded pictures, or an overlay.
type picture struct {
	tiles                 []tile // in row-major order
	columns, rows         int
	format                    // of every tile
	tileWidth, tileHeight int // in pixels
	width, height         int // of the output, which starts at the top left tile
	transform

	cicp    *cicp // of a colr property, or nil
	profile []byte
	alpha   *alpha   // nil if there is none, and for tiles
	overlay *overlay // nil unless the picture is one, and has no tiles
}

// A tile is a coded item.
type tile struct {
	item *item
	bitstream
}

// The tiles of a picture, and those of its alpha, may have at most maxExcess times the pixels of its output, the
// layers of an overlay maxLayerExcess times, and all of them freeExcess more: a small picture may need large tiles.
const (
	maxExcess      = 2
	maxLayerExcess = 4
	freeExcess     = 1 << 20
)

// maxDepth is the longest chain of derived items.
const maxDepth = 8

// picture prepares the decoding of an item.
func (f *File) picture(id uint32, depth int) (*picture, error) {
	if depth > maxDepth {
		return nil, damaged("its items are derived from each other more than %d times", maxDepth)
	}
	i, properties, err := f.lookUp(id)
	if err != nil {
		return nil, err
	}
	var p *picture
	switch i.kind {
	case "grid":
		p, err = f.gridPicture(i)
	case "iovl":
		p, err = f.overlayPicture(i, depth)
	case "iden", "tmap": // the base picture of a tone map is shown without it
		p, err = f.derivedPicture(i, depth)
	default:
		p, err = f.codedPicture(i, properties)
	}
	if err != nil {
		return nil, err
	}
	return p, p.applyProperties(properties, i)
}

// derivedTypes are the types of items that are derived from others.
var derivedTypes = []string{"grid", "iovl", "iden", "tmap"}

// lookUp returns an item and its properties, unless it cannot be read.
func (f *File) lookUp(id uint32) (*item, []property, error) {
	i := f.meta.items[id]
	if i == nil {
		return nil, nil, damaged("it refers to item %d, which its iinf box does not have", id)
	}
	if i.protected {
		return nil, nil, unsupported("encrypted %s")
	}
	if !slices.Contains(derivedTypes, i.kind) {
		if _, err := f.codecOf(i.kind); err != nil { // which properties that are unknown here do not say as clearly
			return nil, nil, err
		}
	}
	properties, err := f.meta.propertiesOf(i)
	return i, properties, err
}

// applyProperties checks the size, sets the colour information and applies the transformations of an item.
func (p *picture) applyProperties(properties []property, i *item) error {
	width, height, err := sizeOf(properties)
	if err != nil {
		return err
	}
	shownWidth, shownHeight := p.displayed()
	if width != 0 && i.kind != "tmap" && (width != shownWidth || height != shownHeight) {
		return damaged("the ispe property of item %d is %dx%d pixels, expected %dx%d, as its picture has",
			i.id, width, height, shownWidth, shownHeight)
	}
	cicp, profile, err := colorInfo(properties)
	if err != nil {
		return err
	}
	if cicp != nil {
		p.cicp = cicp
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

// codedPicture returns a picture of one tile.
func (f *File) codedPicture(i *item, properties []property) (*picture, error) {
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

// derivedPicture returns the picture of the first item that an item is derived from.
func (f *File) derivedPicture(i *item, depth int) (*picture, error) {
	from := f.meta.targets("dimg", i.id)
	if len(from) == 0 {
		return nil, damaged("its %s item %d is derived from no item", i.kind, i.id)
	}
	return f.picture(from[0], depth+1)
}

// gridPicture returns a picture of tiles (ISO/IEC 23008-12, section 6.6.2.3).
func (f *File) gridPicture(i *item) (*picture, error) {
	p := &picture{}
	if err := f.readGrid(p, i); err != nil {
		return nil, err
	}
	ids := f.meta.targets("dimg", i.id)
	if len(ids) != p.columns*p.rows {
		return nil, damaged("its grid of %dx%d tiles is derived from %d items", p.columns, p.rows, len(ids))
	}
	return p, f.fillGrid(p, ids)
}

// fillGrid adds the tiles of a grid whose size is known.
func (f *File) fillGrid(p *picture, ids []uint32) error {
	for n, id := range ids {
		if err := f.addTile(p, id, n); err != nil {
			return err
		}
	}
	if p.width > p.columns*p.tileWidth || p.height > p.rows*p.tileHeight {
		return damaged("its grid has %dx%d tiles of %dx%d pixels, which do not cover %dx%d", p.columns, p.rows,
			p.tileWidth, p.tileHeight, p.width, p.height)
	}
	if p.columns*p.rows > 1 && (p.tileWidth%p.stepX != 0 || p.tileHeight%p.stepY != 0) {
		return unsupported("%s with a grid of tiles of %dx%d pixels, whose chroma is shared",
			p.tileWidth, p.tileHeight)
	}
	p.transform = newTransform(p.width, p.height)
	return p.checkWork(p.pixels(), maxExcess, "tiles")
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
		return unsupported("%s with a grid of version %d", version)
	case p.width == 0 || p.height == 0:
		return damaged("its grid has %dx%d pixels", p.width, p.height)
	}
	return nil
}

// addTile adds tile n to a grid. Tiles are coded items of one size and format (ISO/IEC 23000-22, section 7.3.11.4).
func (f *File) addTile(p *picture, id uint32, n int) error {
	i, properties, err := f.lookUp(id)
	if err != nil {
		return err
	}
	part, err := f.codedPicture(i, properties)
	if err == nil {
		err = part.applyProperties(properties, i)
	}
	if err != nil {
		return err
	}
	width, height := part.width, part.height
	switch {
	case part.transform != newTransform(width, height):
		return unsupported("%s with a grid of tiles that are rotated, mirrored or cropped")
	case n == 0:
		p.format, p.tileWidth, p.tileHeight = part.format, width, height
		p.cicp, p.profile = part.cicp, part.profile
	case width != p.tileWidth || height != p.tileHeight:
		return damaged("its grid has tiles of %dx%d and of %dx%d pixels", p.tileWidth, p.tileHeight, width, height)
	case part.format != p.format:
		return unsupported("%s with a grid of tiles that differ in chroma sampling or depth")
	}
	p.tiles = append(p.tiles, part.tiles...)
	return nil
}

// pixels is the number of pixels to decode.
func (p *picture) pixels() int64 {
	pixels := int64(len(p.tiles)) * int64(p.tileWidth) * int64(p.tileHeight)
	if p.overlay != nil {
		for _, l := range p.overlay.layers {
			pixels += l.pixels()
			if l.alpha != nil {
				pixels += l.alpha.pixels()
			}
		}
	}
	return pixels
}

// allTiles returns the tiles of a picture, of its alpha and of its layers.
func (p *picture) allTiles() []tile {
	all := slices.Clone(p.tiles)
	if p.alpha != nil {
		all = append(all, p.alpha.tiles...)
	}
	if p.overlay != nil {
		for _, l := range p.overlay.layers {
			all = append(all, l.allTiles()...)
		}
	}
	return all
}

// checkWork returns an error if far more pixels are decoded than the output has.
func (p *picture) checkWork(pixels, excess int64, of string) error {
	if limit := excess*int64(p.width)*int64(p.height) + freeExcess; pixels > limit {
		return damaged("its %s have %d pixels, more than %d for a picture of %dx%d", of, pixels, limit, p.width, p.height)
	}
	return nil
}
