package webp

import (
	"encoding/binary"
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp/lossless"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp/lossy"
)

// An imageData is the chunks of one image: a bitstream, and an alpha plane that may precede it.
type imageData struct {
	bitstream     chunk
	alpha         []byte // the payload of the ALPH chunk of a lossy bitstream, or nil
	width, height int
}

func isBitstream(name string) bool { return name == "ALPH" || name == "VP8 " || name == "VP8L" }

// readImageData reads an image that starts with chunk c of a list, up to its bitstream.
func readImageData(list *chunkReader, c chunk, width, height int) (imageData, error) {
	p := imageData{bitstream: c, width: width, height: height}
	if c.name != "ALPH" {
		return p, nil
	}
	// Compressed alpha may be larger than the plane, but by no more than its tables.
	limit := int64(width)*int64(height) + 1<<16
	if c.length > limit {
		return p, imgerr.Damaged(Name, "its alpha plane has %d bytes, more than %d", c.length, limit)
	}
	alpha, err := c.read()
	for err == nil {
		p.bitstream, err = list.next()
		switch {
		case errors.Is(err, io.EOF):
			return p, imgerr.Damaged(Name, "it has an alpha plane, but no image")
		case err != nil:
		case p.bitstream.name == "VP8 ":
			p.alpha = alpha
			return p, nil
		case p.bitstream.name == "VP8L": // it has its own alpha
			return p, nil
		}
	}
	return p, err
}

// decodeImage decodes an image whose first pixel is at left, top of an otherwise empty canvas.
func (d *decoder) decodeImage(p imageData, left, top int) (*plane.Image, error) {
	m := &plane.Image{Width: d.Width, Height: d.Height}
	var err error
	if p.isLossyOpaque() && p.width == d.Width && p.height == d.Height {
		m.Model = plane.YCbCr
		m.Planes, err = d.decodePlanes(p)
		return m, err
	}
	m.Model = plane.RGB
	r := d.reducer()
	row := make([]uint8, 4*d.Width)
	for range top {
		r.Add(row)
	}
	hasAlpha, err := p.decodeRows(!d.skipsLoopFilter(), func(pixels []uint8, count int) error {
		copy(row[4*left:], pixels)
		r.AddEqual(row, count)
		return d.check()
	})
	m.Planes = r.Planes()
	if !hasAlpha && p.width == d.Width && p.height == d.Height {
		m.Planes = m.Planes[:3]
	}
	return m, err
}

// isLossyOpaque reports whether an image is lossy and has no alpha.
func (p *imageData) isLossyOpaque() bool { return p.bitstream.name == "VP8 " && p.alpha == nil }

// decodePlanes decodes a lossy image without alpha.
func (d *decoder) decodePlanes(p imageData) ([]plane.Plane, error) {
	ratioX, ratioY := float64(d.Width)/float64(d.width), float64(d.Height)/float64(d.height)
	var reducers [3]*plane.Reducer
	for i := range reducers {
		step := subsampling(i)
		reducers[i] = plane.NewReducer((d.Width+step-1)/step, (d.Height+step-1)/step, 1,
			plane.ReductionFactor(ratioX/float64(step)), plane.ReductionFactor(ratioY/float64(step)))
	}
	show := func(rows *lossy.Rows) error {
		for i, r := range reducers {
			for y := range rows[i].Height {
				r.Add(rows[i].Row(y))
			}
		}
		return d.check()
	}
	err := lossy.Decode(p.bitstream.body, p.bitstream.length, p.width, p.height, !d.skipsLoopFilter(), show)
	var planes []plane.Plane
	for i, r := range reducers {
		reduced, step := r.Planes()[0], float64(subsampling(i))
		reduced.StepX, reduced.StepY = step*reduced.StepX, step*reduced.StepY
		toFullRange(reduced, i)
		planes = append(planes, reduced)
	}
	return planes, err
}

// subsampling is the number of pixels to a sample of a plane, across and down.
func subsampling(plane int) int {
	if plane == 0 {
		return 1
	}
	return 2
}

// decodeRows decodes an image to rows of interleaved RGBA, premultiplied: each count times. It reports whether pixels
// may be transparent.
func (p *imageData) decodeRows(smooth bool, show func(pixels []uint8, count int) error) (hasAlpha bool, err error) {
	pixels := make([]uint8, 4*p.width)
	if p.bitstream.name != "VP8L" {
		return p.alpha != nil, p.decodeLossyRows(pixels, smooth, show)
	}
	return lossless.Decode(p.bitstream.body, p.width, p.height, func(rows lossless.Rows) error {
		if !toRGBABytes(pixels, rows) {
			plane.Premultiply(pixels)
		}
		for left := rows.Count; left > 0; left -= rowsAtOnce {
			if err := show(pixels, min(left, rowsAtOnce)); err != nil {
				return err
			}
		}
		return nil
	})
}

// rowsAtOnce bounds how many equal rows are shown at once, because cancellation is checked only between.
const rowsAtOnce = 16

// toRGBABytes converts pixels to interleaved RGBA. It reports whether all of them are opaque.
func toRGBABytes(to []uint8, rows lossless.Rows) bool {
	const alpha = 0xff000000
	opaque := uint32(0)
	if rows.Opaque {
		opaque = alpha
	}
	converted, common := convertVectors(to, rows.Pixels, opaque)
	to = to[4*converted:]
	for x, v := range rows.Pixels[converted:] {
		v |= opaque
		common &= v
		binary.LittleEndian.PutUint32(to[4*x:4*x+4], v&0xff00ff00|v>>16&0xff|v&0xff<<16)
	}
	return common >= alpha
}

func (p *imageData) decodeLossyRows(pixels []uint8, smooth bool, show func(pixels []uint8, count int) error) error {
	next, stop := p.alphaRows()
	defer stop()
	return lossy.Decode(p.bitstream.body, p.bitstream.length, p.width, p.height, smooth, func(rows *lossy.Rows) error {
		for y := range rows[0].Height {
			alpha, err := next()
			if err != nil {
				return err
			}
			toRGBA(pixels, rows[0].Row(y), rows[1].Row(y/2), rows[2].Row(y/2), alpha)
			plane.Premultiply(pixels)
			if err := show(pixels, 1); err != nil {
				return err
			}
		}
		return nil
	})
}
