package jpeg

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// A scan is the content of a scan header and the state of its decoding.
type scan struct {
	*decoder
	components []*component
	// Spectral selection: the first and last coefficient, in zigzag order.
	specStart, specEnd int
	// Successive approximation: the bit position of the previous scan of these coefficients, and that of this one.
	approxHigh, approxLow int

	unitsX, unitsY int  // MCUs of an interleaved scan, or blocks
	nextRST        byte // expected restart marker
	eobRun         int  // number of blocks left without coefficients in the band
}

// readScan reads a scan header (T.81, section B.2.3).
func (d *decoder) readScan() (*scan, error) {
	header, err := d.in.readSegment()
	if err != nil {
		return nil, err
	}
	if len(header) < 6 || len(header) != 4+2*int(header[0]) {
		return nil, imgerr.Damaged(Name, "a scan header has %d bytes", len(header))
	}
	n := int(header[0])
	end := header[1+2*n:]
	s := &scan{decoder: d, nextRST: rst0, specStart: int(end[0]), specEnd: int(end[1])}
	s.approxHigh, s.approxLow = int(end[2]>>4), int(end[2]&15)
	if !d.progressive {
		s.specStart, s.specEnd, s.approxHigh, s.approxLow = 0, 63, 0, 0
	}
	switch {
	case s.specEnd > 63 || s.specStart > s.specEnd || s.approxLow > 13,
		d.progressive && s.specStart == 0 && s.specEnd > 0, s.specStart > 0 && n > 1:
		return nil, imgerr.Damaged(Name, "a scan has an invalid selection: coefficients %d to %d of %d components",
			s.specStart, s.specEnd, n)
	}
	blocks := 0
	for i := range n {
		if err := s.addComponent(header[1+2*i], header[2+2*i]); err != nil {
			return nil, err
		}
		blocks += s.components[i].h * s.components[i].v
	}
	if n > 1 && blocks > maxMCUBlocks {
		return nil, imgerr.Damaged(Name, "a scan has MCUs of %d blocks, more than %d", blocks, maxMCUBlocks)
	}
	return s, nil
}

// addComponent adds a component and finds its tables.
func (s *scan) addComponent(id, selectors byte) error {
	c := s.findComponent(id)
	if c == nil {
		return imgerr.Damaged(Name, "a scan has component %d, which is repeated or not in the frame", id)
	}
	if selectors>>4 > 3 || selectors&15 > 3 {
		return imgerr.Damaged(Name, "a scan has Huffman tables %d and %d, expected 0 to 3", selectors>>4, selectors&15)
	}
	c.dc, c.ac, c.prevDC = s.tables.dc[selectors>>4], s.tables.ac[selectors&15], 0
	if !s.progressive {
		c.dc, c.ac = cmp.Or(c.dc, defaultTables().dc[selectors>>4]), cmp.Or(c.ac, defaultTables().ac[selectors&15])
	}
	switch {
	case c.dc == nil && s.specStart == 0 && s.approxHigh == 0, c.ac == nil && s.specEnd > 0:
		return imgerr.Damaged(Name, "a Huffman table of a scan is missing")
	case c.quant == nil && s.tables.quant[c.quantID] == nil:
		return imgerr.Damaged(Name, "the quantization table of a component is missing")
	case c.quant == nil:
		c.quant = s.tables.quant[c.quantID]
	}
	if s.specStart == 0 && s.approxHigh == 0 {
		c.dc.prepareCoefs()
	}
	if s.specEnd > 0 {
		c.ac.prepareCoefs()
	}
	if s.approxHigh > 0 && s.specEnd > 0 {
		c.ac.prepareRefines()
	}
	if !s.progressive {
		c.ac.prepareSkips()
		c.prepareSteps()
	}
	s.components = append(s.components, c)
	return nil
}

// findComponent returns a component by its identifier that is not in the scan yet: some encoders give all components
// the same.
func (s *scan) findComponent(id byte) *component {
	for _, c := range s.decoder.components {
		if c.id == id && !slices.Contains(s.components, c) {
			return c
		}
	}
	return nil
}

// decode reads the data of the scan and returns the marker that follows it.
func (s *scan) decode() (byte, error) {
	if s.specStart > 0 && s.components[0].scale == 1 {
		return s.in.nextMarker()
	}
	for _, c := range s.components {
		c.decodeBlocks = s.blockDecoder(c)
	}
	s.bits.reset()
	s.unitsX, s.unitsY = s.components[0].blocksX, s.components[0].blocksY
	if len(s.components) > 1 {
		s.unitsX, s.unitsY = s.mcus()
	}
	x, y, err := s.decodeUnits()
	if err == nil {
		var marker byte
		if marker, err = s.bits.finish(); err == nil || !isBroken(err) {
			return marker, err
		}
		x, y = 0, s.unitsY // all units were decoded, and the last bits of them are missing
	}
	if !s.tolerant || !isBroken(err) || 10*(y*s.unitsX+x) < 9*s.unitsX*s.unitsY {
		return 0, err
	}
	if !s.progressive {
		s.fillGray(x, y)
	}
	return s.skipRest()
}

// isBroken reports whether an error is due to the data, and not to the reader.
func isBroken(err error) bool {
	var broken *imgerr.Error
	return errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF)
}

// skipRest returns the marker that follows the scan.
func (s *scan) skipRest() (byte, error) {
	marker := s.bits.marker
	if s.bits.complete && marker == 0 {
		return 0, io.EOF
	}
	var err error
	for !s.bits.complete || err == nil && rst0 <= marker && marker <= rst7 {
		marker, err = s.in.nextMarker()
		s.bits.complete = true
	}
	return marker, err
}

// fillGray fills what follows unit x, y with the gray of missing coefficients.
func (s *scan) fillGray(x, y int) {
	const gray = 0x80
	for _, c := range s.components {
		h, v := 1, 1
		if len(s.components) > 1 {
			h, v = c.h, c.v
		}
		p := c.plane
		for row := y * v * c.scale; row < len(p.Pix)/p.Stride; row++ {
			from := 0
			if row < (y+1)*v*c.scale {
				from = min(x*h*c.scale, p.Stride)
			}
			for i := row*p.Stride + from; i < (row+1)*p.Stride; i++ {
				p.Pix[i] = gray
			}
		}
	}
}

// decodeUnits decodes all MCUs, or blocks if there is one component. If it fails, it returns the unit that is broken.
func (s *scan) decodeUnits() (x, y int, err error) {
	left, interleaved := s.tables.restartInterval, len(s.components) > 1
	for y := range s.unitsY {
		for x := 0; x < s.unitsX; {
			if s.tables.restartInterval > 0 && left == 0 {
				if err := s.nextRestartInterval(); err != nil {
					return x, y, err
				}
				left = s.tables.restartInterval
			}
			if err := s.bits.ensureMCU(); err != nil {
				return x, y, err
			}
			units := 1
			var err error
			if interleaved {
				err = s.decodeMCU(x, y)
			} else {
				if units = min(maxMCUBlocks, s.unitsX-x); s.tables.restartInterval > 0 {
					units = min(units, left)
				}
				err = s.components[0].decodeBlocks(s.components[0], x, y, units)
			}
			if err != nil {
				return x, y, err
			}
			x += units
			left -= units
		}
	}
	return 0, 0, nil
}

// decodeMCU decodes an MCU of an interleaved scan (T.81, section A.2.3).
func (s *scan) decodeMCU(x, y int) error {
	for _, c := range s.components {
		for v := range c.v {
			if err := c.decodeBlocks(c, x*c.h, y*c.v+v, c.h); err != nil {
				return err
			}
		}
	}
	return nil
}

// A blockDecoder decodes a number of blocks of a component that are neighbours in a row, from x, y on.
type blockDecoder func(c *component, x, y, blocks int) error

func (s *scan) blockDecoder(c *component) blockDecoder {
	switch {
	case !s.progressive && c.scale == 1:
		return s.decodeDC
	case !s.progressive:
		return s.decodeSequential
	case s.specStart == 0 && s.approxHigh == 0:
		return s.decodeDCFirst
	case s.specStart == 0:
		return s.decodeDCRefine
	case s.approxHigh == 0:
		return s.decodeACFirst
	default:
		return s.decodeACRefine
	}
}

// nextRestartInterval reads a restart marker and prepares the next segment of the scan.
func (s *scan) nextRestartInterval() error {
	marker, err := s.bits.finish()
	switch {
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF // unlike io.EOF, which decode accepts
	case err != nil:
		return err
	case marker != s.nextRST:
		return imgerr.Damaged(Name, "a restart marker is missing or out of turn")
	}
	s.nextRST = rst0 + (s.nextRST-rst0+1)%8
	for _, c := range s.components {
		c.prevDC = 0
	}
	s.eobRun = 0
	s.bits.reset()
	return nil
}

// readSegment reads the payload of a segment.
func (in *input) readSegment() ([]byte, error) {
	length, err := readLength(in)
	if err != nil {
		return nil, err
	}
	payload := make([]byte, length)
	_, err = io.ReadFull(in, payload)
	return payload, err
}
