package webp

import (
	"errors"
	"io"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A canvas is what an animation shows: premultiplied RGBA.
type canvas struct {
	pix            []uint8
	width          int
	pendingDispose *rect // the rectangle to be cleared before the next frame
}

// A rect is the rectangle of a frame on the canvas.
type rect struct{ left, top, width, height int }

// A frameHeader is that of a frame of an animation (RFC 9649, section 2.7.1.1).
type frameHeader struct {
	rect
	delay      time.Duration
	disposes   bool // the rectangle is cleared before the next frame
	overwrites bool // the frame is not blended with the canvas
}

func (d *decoder) readFrameHeader(c chunk) (frameHeader, error) {
	var b [frameHeaderSize]byte
	if c.length < int64(len(b)) {
		return frameHeader{}, imgerr.Damaged(Name, "a frame has %d bytes, expected 16 or more", c.length)
	}
	if _, err := io.ReadFull(c.body, b[:]); err != nil {
		return frameHeader{}, noEOF(err)
	}
	number := func(i int) int { return int(uint24(b[i:])) }
	h := frameHeader{
		rect:       rect{2 * number(0), 2 * number(3), 1 + number(6), 1 + number(9)},
		delay:      time.Duration(number(12)) * time.Millisecond,
		disposes:   b[15]&1 != 0,
		overwrites: b[15]&2 != 0,
	}
	if h.left+h.width > d.Width || h.top+h.height > d.Height {
		return h, imgerr.Damaged(Name, "a frame is not within its canvas")
	}
	return h, nil
}

const frameHeaderSize = 16

// decodeFrame shows the next frame of an animation.
func (d *decoder) decodeFrame(c chunk) error {
	h, err := d.readFrameHeader(c)
	if err != nil {
		return err
	}
	list := &chunkReader{r: c.body, left: c.length - frameHeaderSize}
	for {
		c, err := list.next()
		switch {
		case errors.Is(err, io.EOF):
			return imgerr.Damaged(Name, "a frame has no image")
		case err != nil:
			return err
		case !isBitstream(c.name):
			continue
		}
		p, err := readImageData(list, c, h.width, h.height)
		if err != nil {
			return err
		}
		m, err := d.compose(p, h)
		if err != nil {
			return err
		}
		return d.emit(plane.Frame{Image: m, Delay: h.delay})
	}
}

// compose decodes a frame onto the canvas. If only one frame is wanted there is no canvas.
func (d *decoder) compose(p imageData, h frameHeader) (*plane.Image, error) {
	if d.frames == 1 {
		return d.decodeImage(p, h.left, h.top)
	}
	if d.canvas == nil {
		d.canvas = &canvas{pix: make([]uint8, 4*d.Width*d.Height), width: d.Width}
	}
	d.canvas.applyDispose()
	y := h.top
	_, err := p.decodeRows(!d.skipsLoopFilter(), func(pixels []uint8, count int) error {
		for range count {
			to := d.canvas.row(y)[4*h.left:][:4*h.width]
			if h.overwrites {
				copy(to, pixels)
			} else {
				blend(to, pixels)
			}
			y++
		}
		return d.check()
	})
	if h.disposes {
		d.canvas.pendingDispose = &h.rect
	}
	r := d.reducer()
	for y := range d.Height {
		r.Add(d.canvas.row(y))
	}
	return &plane.Image{Width: d.Width, Height: d.Height, Model: plane.RGB, Planes: r.Planes()}, err
}

func (c *canvas) row(y int) []uint8 { return c.pix[4*y*c.width:][:4*c.width] }

// applyDispose makes the rectangle of the last frame transparent if it has to be: browsers ignore the background
// colour, which is a hint.
func (c *canvas) applyDispose() {
	if p := c.pendingDispose; p != nil {
		for y := range p.height {
			clear(c.row(p.top + y)[4*p.left:][:4*p.width])
		}
	}
	c.pendingDispose = nil
}

// blend composes premultiplied pixels over others.
func blend(to, pixels []uint8) {
	for ; len(pixels) >= 4; to, pixels = to[4:], pixels[4:] {
		switch through := 0xff - uint32(pixels[3]); through {
		case 0:
			copy(to[:4], pixels)
		case 0xff:
		default:
			for i, v := range pixels[:4] {
				to[i] = v + uint8((uint32(to[i])*through+127)/255)
			}
		}
	}
}
