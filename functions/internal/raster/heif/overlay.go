package heif

import (
	"bytes"
	"io"
	"math"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// An overlay is a derived picture: layers that are drawn on a canvas, one after the other (ISO/IEC 23008-12, section
// 6.6.2.2).
type overlay struct {
	fill   [4]uint8 // of the canvas, RGBA
	layers []layer
}

// A layer is a picture on a canvas. Its position may be outside.
type layer struct {
	*picture
	left, top int
}

// Limits on overlays: the longest side in pixels, and the number of layers.
const (
	maxOverlaySide = math.MaxUint16
	maxLayers      = 256
)

func (f *File) overlayPicture(i *item, depth int) (*picture, error) {
	ids := f.meta.targets("dimg", i.id)
	data, err := f.data(i)
	if err != nil {
		return nil, err
	}
	const largestHeader, largestPosition = 2 + 4*2 + 2*4, 2 * 4
	b, err := io.ReadAll(io.LimitReader(data, int64(largestHeader+largestPosition*len(ids))))
	if err != nil {
		return nil, err
	}
	c := &cursor{box: "iovl", b: b}
	version, flags := c.uint8(), c.uint8()
	o := &overlay{}
	for n := range o.fill {
		o.fill[n] = uint8(c.uint16() >> 8)
	}
	size := 2 + 2*(flags&1)
	p := &picture{width: int(c.number(size)), height: int(c.number(size)), overlay: o}
	switch {
	case c.err != nil:
		return nil, damaged("its overlay item %d has %d bytes", i.id, len(b))
	case version != 0:
		return nil, unsupported("%s with an overlay of version %d", version)
	case p.width == 0 || p.height == 0 || p.width > maxOverlaySide || p.height > maxOverlaySide:
		return nil, damaged("its overlay is %dx%d pixels, expected 1x1 to %dx%d", p.width, p.height, maxOverlaySide,
			maxOverlaySide)
	}
	if len(ids) > maxLayers {
		return nil, tooMany("layers in its overlay", maxLayers)
	}
	p.transform = newTransform(p.width, p.height)
	for _, id := range ids {
		left, top := c.signed(size), c.signed(size)
		if err := f.addLayer(p, id, depth, left, top); err != nil {
			return nil, err
		}
	}
	if c.err != nil {
		return nil, damaged("its overlay item %d has %d bytes for %d layers", i.id, len(b), len(ids))
	}
	return p, nil
}

// addLayer adds a layer with its alpha. The pixels of all layers are limited by those of the canvas.
func (f *File) addLayer(p *picture, id uint32, depth, left, top int) error {
	part, err := f.picture(id, depth+1)
	if err != nil {
		return err
	}
	if part.overlay != nil {
		return unsupported("%s with an overlay of overlays")
	}
	if part.alpha, err = f.findAlpha(id, part); err != nil {
		return err
	}
	p.overlay.layers = append(p.overlay.layers, layer{part, left, top})
	return p.checkWork(p.pixels(), maxLayerExcess, "layers")
}

// decodeOverlay draws the layers on a canvas of premultiplied RGBA, which it then reduces.
func (f *File) decodeOverlay(p *picture, width, height int) (*plane.Image, error) {
	fill := p.overlay.fill
	plane.Premultiply(fill[:])
	canvas := bytes.Repeat(fill[:], p.width*p.height)
	later := int64(math.MaxInt64)
	lows := make([]int64, len(p.overlay.layers))
	for i := len(lows) - 1; i >= 0; i-- {
		lows[i] = later
		later = min(later, p.overlay.layers[i].start())
	}
	for i, l := range p.overlay.layers {
		if err := f.draw(canvas, p, l, lows[i]); err != nil {
			return nil, err
		}
	}
	reducer := plane.NewReducer(f.Width, f.Height, 4,
		plane.ReductionFactor(float64(f.Width)/float64(width)), plane.ReductionFactor(float64(f.Height)/float64(height)))
	for y := p.crop.Min.Y; y < p.crop.Max.Y; y++ {
		reducer.Add(canvas[4*(y*p.width+p.crop.Min.X):][:4*f.Width])
	}
	m := &plane.Image{
		Width: f.Width, Height: f.Height, Model: plane.RGB, Planes: reducer.Planes(), Profile: p.iccProfile(),
	}
	if isOpaque(m.Planes[3]) {
		m.Planes = m.Planes[:3]
	}
	return m, nil
}

// draw decodes a layer and draws it in its orientation. Data from position later on is needed afterwards.
func (f *File) draw(canvas []uint8, p *picture, l layer, later int64) error {
	a := plane.New(1, 1, 1, 1)
	a.Pix[0] = 0xff
	if l.alpha != nil {
		var err error
		o := f.decodeOptions(l.alpha.picture, cicp{full: true}, l.alpha.width, l.alpha.height)
		if a, err = f.decodeAlpha(l.picture, min(later, l.start()), o); err != nil {
			return err
		}
	}
	m, width, height := orientationMatrices[l.orientation], l.crop.Dx(), l.crop.Dy()
	displayedWidth, displayedHeight := l.displayed()
	if err := f.readColors(l.picture, later); err != nil {
		return err
	}
	o := f.decodeOptions(l.picture, l.codedCICP(), l.width, l.height)
	return f.blendRows(l.picture, a, later, o, func(y int, pixels []uint8) {
		// The displayed position of the first pixel, by doubled distances from the centre, which are integers.
		fromX, fromY := 1-width, 2*y+1-height
		x := l.left + (m[0]*fromX+m[1]*fromY+displayedWidth-1)/2
		y = l.top + (m[2]*fromX+m[3]*fromY+displayedHeight-1)/2
		for ; len(pixels) >= 4; pixels, x, y = pixels[4:], x+m[0], y+m[2] {
			if 0 <= x && x < p.width && 0 <= y && y < p.height {
				blendOver(canvas[4*(y*p.width+x):][:4], pixels[:4])
			}
		}
	})
}

// blendOver draws a premultiplied pixel over another.
func blendOver(to, pixel []uint8) {
	through := 0xff - uint32(pixel[3])
	for i, v := range pixel {
		to[i] = uint8(min(uint32(v)+(uint32(to[i])*through+127)/255, 255))
	}
}
