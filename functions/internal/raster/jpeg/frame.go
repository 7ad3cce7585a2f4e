package jpeg

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// A component is one channel of a frame.
type component struct {
	id       byte
	h, v     int // sampling factors
	selector byte

	quant            *[64]uint16 // in zigzag order; nil before the first scan
	blocksX, blocksY int         // of a scan of this component alone
	plane            plane.Plane // at the scale of decoding, up to whole units
	coefs            []int16     // of a progressive frame, in zigzag order: perBlock for each block
	perBlock         int
	nonzero          []uint64 // which AC coefficients of a block are not zero, a bit each
	paddedX          int      // blocks in a row of coefs

	dc, ac *huffman // of the current scan
	last   int      // the DC coefficient before, in the current scan
}

// A frame is what a frame header says.
type frame struct {
	progressive   bool
	width, height int
	hMax, vMax    int
	components    []*component
}

// readComponents reads the end of a frame header, 3 bytes a component.
func (f *frame) readComponents(spec []byte) error {
	for ; len(spec) > 0; spec = spec[3:] {
		c := &component{id: spec[0], h: int(spec[1] >> 4), v: int(spec[1] & 15), selector: spec[2]}
		switch {
		case c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4:
			return refuse.AsDamaged(Name, "a component has sampling factors %dx%d", c.h, c.v)
		case c.selector > 3:
			return refuse.AsDamaged(Name, "a component has quantization table %d", c.selector)
		}
		f.hMax, f.vMax = max(f.hMax, c.h), max(f.vMax, c.v)
		f.components = append(f.components, c)
	}
	return nil
}

// units is the size of the frame in units of interleaved components.
func (f *frame) units() (x, y int) { return ceil(f.width, 8*f.hMax), ceil(f.height, 8*f.vMax) }

func ceil(a, b int) int { return (a + b - 1) / b }

// scaleFor is the number of samples, across and down, that a block of 8x8 has to become for a copy of width x height
// pixels: the fewest of 1, 2, 4 and 8 with which the image is still twice as large, below which the copy suffers.
func (f *frame) scaleFor(width, height int) int {
	for scale := 1; scale < 8; scale *= 2 {
		if f.width*scale >= 2*8*width && f.height*scale >= 2*8*height {
			return scale
		}
	}
	return 8
}

// allocate makes room for the samples, and of a progressive frame for the coefficients.
func (f *frame) allocate(scale int) {
	unitsX, unitsY := f.units()
	for _, c := range f.components {
		c.blocksX, c.blocksY = ceil(ceil(f.width*c.h, f.hMax), 8), ceil(ceil(f.height*c.v, f.vMax), 8)
		c.paddedX = max(c.blocksX, unitsX*c.h)
		paddedY := max(c.blocksY, unitsY*c.v)
		stepX, stepY := float64(8*f.hMax)/float64(c.h*scale), float64(8*f.vMax)/float64(c.v*scale)
		c.plane = plane.New(c.paddedX*scale, paddedY*scale, stepX, stepY)
		c.plane.Width, c.plane.Height = ceil(f.width*c.h*scale, 8*f.hMax), ceil(f.height*c.v*scale, 8*f.vMax)
		if f.progressive {
			c.perBlock = 1
			if scale > 1 {
				c.perBlock, c.nonzero = 64, make([]uint64, c.paddedX*paddedY)
			}
			c.coefs = make([]int16, c.paddedX*paddedY*c.perBlock)
		}
	}
}
