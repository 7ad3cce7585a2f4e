package jpeg

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A component is one channel of a frame.
type component struct {
	id      byte
	h, v    int // sampling factors
	quantID byte

	quant            *[64]uint16 // in zigzag order; nil before the component's first scan
	blocksX, blocksY int         // in a scan of this component alone
	scale            int         // a block of 8x8 becomes scale x scale samples
	plane            plane.Plane // padded to whole MCUs
	coefs            []int16     // of a progressive frame, in zigzag order: the first coefsPerBlock of each block
	coefsPerBlock    int
	nonzero          []uint64 // a bit for each AC coefficient of a block that is not zero
	blockStride      int      // blocks in a row of coefs

	// State of the current scan.
	dc, ac   *huffmanTable
	prevDC   int // DC predictor
	lastCoef int // that the scale needs
	// steps has, for each coefficient in zigzag order and for what a run may add to the last, the place in the block, and
	// << 8 the step of quantization.
	steps        [64 + 16]uint32
	decodeBlocks blockDecoder
}

// A frame is the content of a frame header.
type frame struct {
	progressive   bool
	width, height int
	hMax, vMax    int
	components    []*component
}

// readComponents reads the component specifications of a frame header, 3 bytes each.
func (f *frame) readComponents(spec []byte) error {
	for ; len(spec) > 0; spec = spec[3:] {
		c := &component{id: spec[0], h: int(spec[1] >> 4), v: int(spec[1] & 15), quantID: spec[2]}
		switch {
		case c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4:
			return imgerr.Damaged(Name, "a component has sampling factors %dx%d, expected 1 to 4", c.h, c.v)
		case c.quantID > 3:
			return imgerr.Damaged(Name, "a component has quantization table %d, expected 0 to 3", c.quantID)
		}
		f.hMax, f.vMax = max(f.hMax, c.h), max(f.vMax, c.v)
		f.components = append(f.components, c)
	}
	return nil
}

// prepareSteps sets lastCoef and steps.
func (c *component) prepareSteps() {
	c.lastCoef = lastCoef[c.scale]
	for k := range c.steps {
		c.steps[k] = unneeded
		if k > c.lastCoef {
			continue
		}
		if at := zigzag[k]; int(at&7) < c.scale && int(at>>3) < c.scale {
			c.steps[k] = uint32(c.quant[k])<<8 | uint32(at)
		}
	}
}

// mcus is the size of the frame in MCUs of an interleaved scan.
func (f *frame) mcus() (x, y int) { return ceilDiv(f.width, 8*f.hMax), ceilDiv(f.height, 8*f.vMax) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// setScales sets the scale of each component for a copy of width x height pixels: the fewest samples to a block that
// are still twice as many as the copy has, below which quality suffers. Chroma counts as if the copy had half the
// resolution, which a JPEG has, and still yields one sample for each pixel.
func (f *frame) setScales(width, height int, colours bool) {
	for i, c := range f.components {
		enough := 2 // samples
		if i > 0 && colours {
			enough = 1
		}
		for _, c.scale = range scales {
			if f.width*c.h*c.scale >= enough*8*f.hMax*width && f.height*c.v*c.scale >= enough*8*f.vMax*height {
				break
			}
		}
	}
}

// allocate allocates the planes and, for a progressive frame, the coefficients.
func (f *frame) allocate() {
	unitsX, unitsY := f.mcus()
	for _, c := range f.components {
		c.blocksX, c.blocksY = ceilDiv(ceilDiv(f.width*c.h, f.hMax), 8), ceilDiv(ceilDiv(f.height*c.v, f.vMax), 8)
		c.blockStride = max(c.blocksX, unitsX*c.h)
		paddedY := max(c.blocksY, unitsY*c.v)
		stepX, stepY := float64(8*f.hMax)/float64(c.h*c.scale), float64(8*f.vMax)/float64(c.v*c.scale)
		c.plane = plane.New(c.blockStride*c.scale, paddedY*c.scale, stepX, stepY)
		c.plane.Width, c.plane.Height = ceilDiv(f.width*c.h*c.scale, 8*f.hMax), ceilDiv(f.height*c.v*c.scale, 8*f.vMax)
		if f.progressive {
			c.coefsPerBlock = lastCoef[c.scale] + 1
			if c.scale > 1 {
				c.nonzero = make([]uint64, c.blockStride*paddedY)
			}
			c.coefs = make([]int16, c.blockStride*paddedY*c.coefsPerBlock)
		}
	}
}
