package heif

import (
	"bytes"
	"math"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// An alpha is the auxiliary picture whose luma is the alpha of the primary item.
type alpha struct {
	*picture
	isPremultiplied bool // whether the colours of the primary item are
}

// findAlpha returns the alpha of an item, or nil if it has none. Alpha that cannot be read is an error.
func (f *File) findAlpha(of uint32, p *picture) (*alpha, error) {
	id, ok := f.alphaItem(of)
	if !ok {
		return f.findTileAlpha(of, p)
	}
	a, err := f.picture(id, 0)
	if err != nil {
		return nil, err
	}
	if a.overlay != nil || p.overlay != nil {
		return nil, unsupported("%s with alpha of an overlay")
	}
	return f.newAlpha(p, a, of, id)
}

// findTileAlpha returns the alpha of a grid whose tiles have it, one each, as libavif writes. It is nil if a tile has
// none.
func (f *File) findTileAlpha(of uint32, p *picture) (*alpha, error) {
	if f.meta.items[of].kind != "grid" {
		return nil, nil
	}
	tiles := f.meta.targets("dimg", of)
	ids := make([]uint32, len(tiles))
	for i, tile := range tiles {
		var ok bool
		if ids[i], ok = f.alphaItem(tile); !ok {
			return nil, nil
		}
	}
	a := &picture{columns: p.columns, rows: p.rows, width: p.width, height: p.height}
	if err := f.fillGrid(a, ids); err != nil {
		return nil, err
	}
	return f.newAlpha(p, a, tiles[0], ids[0])
}

// alphaItem returns the auxiliary item that is the alpha of an item.
func (f *File) alphaItem(of uint32) (id uint32, ok bool) {
	for _, id := range f.meta.sources("auxl", of) {
		i := f.meta.items[id]
		if i == nil {
			continue
		}
		properties, err := f.meta.propertiesOf(i)
		if err == nil && isAlpha(properties) { // and not such as a depth map
			return id, true
		}
	}
	return 0, false
}

// newAlpha returns a picture as the alpha of another, which item id is of an item.
func (f *File) newAlpha(p, a *picture, of, id uint32) (*alpha, error) {
	plain := newTransform(a.width, a.height)
	if a.transform == plain && plain == newTransform(p.width, p.height) {
		a.transform = p.transform // which libavif 1.3.0 did not repeat
	}
	isPremultiplied := slices.Contains(f.meta.targets("prem", of), id)
	return &alpha{a, isPremultiplied}, p.checkWork(a.pixels(), maxExcess, "alpha")
}

// decodeAlpha decodes the alpha of a picture at its full size, in the orientation in which the picture is stored.
// The range of its bitstream is ignored, as in libheif: alpha is full range. Data from position later on is needed
// afterwards.
func (f *File) decodeAlpha(of *picture, later int64, o decodeOptions) (plane.Plane, error) {
	p := of.alpha.picture
	a := plane.New(p.crop.Dx(), p.crop.Dy(), 1, 1)
	y := 0
	err := f.decodeRows(p, later, o, func(r *rows) error {
		for i := range r[0].Height {
			if p.crop.Min.Y <= y && y < p.crop.Max.Y {
				copy(a.Row(y-p.crop.Min.Y), r[0].Row(i)[p.crop.Min.X:p.crop.Max.X])
			}
			y++
		}
		return f.check()
	})
	if turn := compose(p.orientation, inverse(of.orientation)); err == nil && turn != exif.Upright {
		a = a.Upright(turn)
	}
	return a, err
}

func isOpaque(a plane.Plane) bool {
	return bytes.Count(a.Pix, []byte{0xff}) == len(a.Pix)
}

// decodeWithAlpha decodes a picture with alpha. Pixels are converted to RGB and premultiplied before they are
// averaged, so that the invisible colours of transparent pixels do not bleed into their neighbours.
func (f *File) decodeWithAlpha(p *picture, a plane.Plane, width, height int) (*plane.Image, error) {
	m := &plane.Image{Width: f.Width, Height: f.Height, Model: plane.RGB}
	reducer := plane.NewReducer(f.Width, f.Height, 4,
		plane.ReductionFactor(float64(f.Width)/float64(width)), plane.ReductionFactor(float64(f.Height)/float64(height)))
	if err := f.readColors(p, math.MaxInt64); err != nil {
		return nil, err
	}
	o := f.decodeOptions(p, p.codedCICP(), width, height)
	err := f.blendRows(p, a, math.MaxInt64, o, func(_ int, pixels []uint8) { reducer.Add(pixels) })
	m.Planes, m.Profile = reducer.Planes(), p.iccProfile()
	if p.isGray {
		m.Model, m.Planes = plane.Gray, []plane.Plane{m.Planes[0], m.Planes[3]}
	}
	return m, err
}

// blendRows decodes the cropped part of a picture to rows of premultiplied RGBA, from the top down. Data from position
// later on is needed afterwards.
func (f *File) blendRows(
	p *picture, a plane.Plane, later int64, o decodeOptions, show func(y int, pixels []uint8),
) error {
	b := newBlender(p, a)
	return f.decodeRows(p, later, o, func(r *rows) error {
		for y := range r[0].Height {
			if p.crop.Min.Y <= b.y && b.y < p.crop.Max.Y {
				show(b.y-p.crop.Min.Y, b.blend(r, y))
			}
			b.y++
		}
		return f.check()
	})
}

// A blender converts rows to premultiplied RGBA.
type blender struct {
	*picture
	alpha           plane.Plane
	isPremultiplied bool
	identity        bool
	weights         [3][2]int32 // of Cb and Cr, for red, green and blue
	levels          [3][]uint8  // of each plane
	columns         []int       // of alpha, by pixel
	lines           []int
	y               int // the next row of the picture
	pixels          []uint8
}

func newBlender(p *picture, a plane.Plane) *blender {
	b := &blender{picture: p, alpha: a, pixels: make([]uint8, 4*p.crop.Dx())}
	b.isPremultiplied = p.alpha != nil && p.alpha.isPremultiplied
	s := p.codedCICP()
	b.identity = s.matrix == identity && !p.isGray
	for i, row := range s.toRGB() {
		b.weights[i] = [2]int32{fixed(row[0]), fixed(row[1])}
	}
	for i := range b.levels {
		levels := s
		levels.full = s.full || p.depthOf(i) > 8 // which the decoder has converted
		b.levels[i] = levels.levels(i, 8)
	}
	b.columns = nearestSamples(p.crop.Dx(), 1, a.Width, float64(p.crop.Dx())/float64(a.Width))
	b.lines = nearestSamples(p.crop.Dy(), 1, a.Height, float64(p.crop.Dy())/float64(a.Height))
	return b
}

// blend returns the pixels of row y of r.
func (b *blender) blend(r *rows, y int) []uint8 {
	b.convertRow(r, y)
	alpha := b.alpha.Row(b.lines[b.y-b.crop.Min.Y])
	for x, at := range b.columns {
		pixel := b.pixels[4*x : 4*x+4 : 4*x+4]
		pixel[3] = alpha[at]
		if b.isPremultiplied { // no colour exceeds its alpha
			for i, v := range pixel[:3] {
				pixel[i] = min(v, pixel[3])
			}
		}
	}
	if !b.isPremultiplied {
		plane.Premultiply(b.pixels)
	}
	return b.pixels
}

// convertRow converts row y of r to RGB.
func (b *blender) convertRow(r *rows, y int) {
	luma, left := r[0].Row(y), b.crop.Min.X
	if b.isGray {
		for x := range b.columns {
			v := b.levels[0][luma[left+x]]
			copy(b.pixels[4*x:], []uint8{v, v, v})
		}
		return
	}
	blue, red := r[1].Row(y/b.stepY), r[2].Row(y/b.stepY)
	for x := range b.columns {
		at := left + x
		v, u, w := b.levels[0][luma[at]], b.levels[1][blue[at/b.stepX]], b.levels[2][red[at/b.stepX]]
		pixel := b.pixels[4*x : 4*x+3 : 4*x+3]
		if b.identity {
			pixel[0], pixel[1], pixel[2] = w, v, u
			continue
		}
		light, cb, cr := int32(v)<<point+1<<(point-1), int32(u)-128, int32(w)-128
		for i, weights := range b.weights {
			pixel[i] = clamp((light + weights[0]*cb + weights[1]*cr) >> point)
		}
	}
}
