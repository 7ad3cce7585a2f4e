package jpeg

import (
	"cmp"
	"io"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// A scan is what a scan header says, and the state of its decoding.
type scan struct {
	*decoder
	components  []*component
	first, last int // of the coefficients, in zigzag order
	high, low   int // the bits that came before, and that come after

	expected byte // the next restart marker
	blocks   int  // that have no more coefficients in the band, of a progressive scan
}

// readScan reads a scan header (T.81, section B.2.3).
func (d *decoder) readScan() (*scan, error) {
	header, err := d.in.segment()
	if err != nil {
		return nil, err
	}
	if len(header) < 6 || len(header) != 4+2*int(header[0]) {
		return nil, refuse.AsDamaged(Name, "a scan header has %d bytes", len(header))
	}
	n := int(header[0])
	end := header[1+2*n:]
	s := &scan{decoder: d, expected: rst0, first: int(end[0]), last: int(end[1]), high: int(end[2] >> 4), low: int(end[2] & 15)}
	if !d.progressive {
		s.first, s.last, s.high, s.low = 0, 63, 0, 0
	}
	switch {
	case s.last > 63 || s.first > s.last || s.low > 13,
		d.progressive && s.first == 0 && s.last > 0, s.first > 0 && n > 1:
		return nil, refuse.AsDamaged(Name, "a scan has coefficients %d to %d of %d components", s.first, s.last, n)
	}
	blocks := 0
	for i := range n {
		if err := s.add(header[1+2*i], header[2+2*i]); err != nil {
			return nil, err
		}
		blocks += s.components[i].h * s.components[i].v
	}
	if n > 1 && blocks > maxBlocks {
		return nil, refuse.AsDamaged(Name, "a scan has units of %d blocks, more than %d", blocks, maxBlocks)
	}
	return s, nil
}

// add adds a component and finds its tables.
func (s *scan) add(id, selectors byte) error {
	c := s.component(id)
	if c == nil {
		return refuse.AsDamaged(Name, "a scan has component %d, which is not in the frame, or twice", id)
	}
	if selectors>>4 > 3 || selectors&15 > 3 {
		return refuse.AsDamaged(Name, "a scan has Huffman tables %d and %d", selectors>>4, selectors&15)
	}
	c.dc, c.ac, c.last = s.tables.dc[selectors>>4], s.tables.ac[selectors&15], 0
	if !s.progressive {
		c.dc, c.ac = cmp.Or(c.dc, usual().dc[selectors>>4]), cmp.Or(c.ac, usual().ac[selectors&15])
	}
	switch {
	case c.dc == nil && s.first == 0 && s.high == 0, c.ac == nil && s.last > 0:
		return refuse.AsDamaged(Name, "a scan has no Huffman table")
	case c.quant == nil && s.tables.quant[c.selector] == nil:
		return refuse.AsDamaged(Name, "a component has no quantization table")
	case c.quant == nil:
		c.quant = s.tables.quant[c.selector]
	}
	if s.first == 0 && s.high == 0 {
		c.dc.prepareValues()
	}
	if s.last > 0 {
		c.ac.prepareValues()
	}
	if !s.progressive {
		c.ac.prepareSkips()
	}
	s.components = append(s.components, c)
	return nil
}

// component finds the one of a number that is not in the scan yet: some encoders number all of them the same.
func (s *scan) component(id byte) *component {
	for _, c := range s.decoder.components {
		if c.id == id && !slices.Contains(s.components, c) {
			return c
		}
	}
	return nil
}

// decode reads the data of the scan and returns the marker behind it.
func (s *scan) decode() (byte, error) {
	if s.first > 0 && s.components[0].scale == 1 {
		return s.in.marker()
	}
	for _, c := range s.components {
		c.decode = s.kind(c)
	}
	s.bits.start()
	unitsX, unitsY, interleaved := s.components[0].blocksX, s.components[0].blocksY, len(s.components) > 1
	if interleaved {
		unitsX, unitsY = s.units()
	}
	left := s.tables.restart
	for y := range unitsY {
		for x := 0; x < unitsX; {
			if s.tables.restart > 0 && left == 0 {
				if err := s.restart(); err != nil {
					return 0, err
				}
				left = s.tables.restart
			}
			if err := s.bits.ready(); err != nil {
				return 0, err
			}
			units := 1
			var err error
			if interleaved {
				err = s.unit(x, y)
			} else {
				if units = min(maxBlocks, unitsX-x); s.tables.restart > 0 {
					units = min(units, left)
				}
				err = s.components[0].decode(s.components[0], x, y, units)
			}
			if err != nil {
				return 0, err
			}
			x += units
			left -= units
		}
	}
	return s.bits.finish()
}

// unit decodes the blocks of all components that belong together (T.81, section A.2.3).
func (s *scan) unit(x, y int) error {
	for _, c := range s.components {
		for v := range c.v {
			if err := c.decode(c, x*c.h, y*c.v+v, c.h); err != nil {
				return err
			}
		}
	}
	return nil
}

// A decodeRun decodes so many blocks of a component that are next to each other, from x, y on.
type decodeRun func(c *component, x, y, blocks int) error

func (s *scan) kind(c *component) decodeRun {
	switch {
	case !s.progressive && c.scale == 1:
		return s.skim
	case !s.progressive:
		return s.sequential
	case s.first == 0 && s.high == 0:
		return s.firstDC
	case s.first == 0:
		return s.refineDC
	case s.high == 0:
		return s.firstAC
	default:
		return s.refineAC
	}
}

// restart goes over a restart marker to the next segment of the scan.
func (s *scan) restart() error {
	marker, err := s.bits.finish()
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF // which Decode does not forgive
	case err != nil:
		return err
	case marker != s.expected:
		return refuse.AsDamaged(Name, "a restart marker is missing")
	}
	s.expected = rst0 + (s.expected-rst0+1)%8
	for _, c := range s.components {
		c.last = 0
	}
	s.blocks = 0
	s.bits.start()
	return nil
}

// segment reads the payload of a segment.
func (in *input) segment() ([]byte, error) {
	length, err := readLength(in)
	if err != nil {
		return nil, err
	}
	payload := make([]byte, length)
	_, err = io.ReadFull(in, payload)
	return payload, err
}
