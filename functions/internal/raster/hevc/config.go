package hevc

import "encoding/binary"

// NAL unit types (table 7-1).
const (
	nalMaxTrailing = 9 // types 0 to 9 are slices of pictures without random access
	nalFirstIRAP   = 16
	nalIDRWithRADL = 19
	nalIDRNoLP     = 20
	nalCRA         = 21
	nalSPS         = 33
	nalPPS         = 34
)

// isSlice reports whether a NAL unit type is that of a coded slice segment.
func isSlice(nal int) bool { return nal <= nalMaxTrailing || nal >= nalFirstIRAP && nal <= nalCRA }

// parameterSets holds parameter sets by their identifiers. A set is replaced, never changed, so that copies can share
// it.
type parameterSets struct {
	sps [16]*sps
	pps [64]*pps
}

// parseConfig reads an HEVCDecoderConfigurationRecord.
func parseConfig(b []byte) (*Config, error) {
	const fixed = 23 // bytes before the arrays of parameter sets
	if len(b) < fixed {
		return nil, damaged("its hvcC property has %d bytes, expected at least %d", len(b), fixed)
	}
	c := &Config{lengthSize: int(b[21]&3) + 1}
	if c.lengthSize == 3 {
		return nil, damaged("its NAL units have lengths of 3 bytes, expected 1, 2 or 4")
	}
	arrays := int(b[22])
	b = b[fixed:]
	for range arrays {
		if len(b) < 3 {
			return nil, damaged("its hvcC property ends within its list of parameter sets")
		}
		units := int(binary.BigEndian.Uint16(b[1:]))
		b = b[3:]
		for range units {
			if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
				return nil, damaged("its hvcC property ends within a parameter set")
			}
			size := int(binary.BigEndian.Uint16(b))
			unit := append([]byte(nil), b[2:2+size]...)
			b = b[2+size:]
			if err := c.addUnit(unit); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// addUnit adds a NAL unit of the property.
func (c *Config) addUnit(unit []byte) error {
	if err := c.parameterSets.add(unit); err != nil {
		return err
	}
	for _, s := range c.parameterSets.sps {
		if c.first == nil && s != nil {
			c.first = s
		}
	}
	return nil
}

// header reads a NAL unit header (section 7.3.1.2): the type, and whether the unit belongs to the base layer.
func header(unit []byte) (nal int, base bool) {
	if len(unit) < 2 {
		return -1, false
	}
	layer := int(unit[0]&1)<<5 | int(unit[1])>>3
	return int(unit[0]) >> 1 & 0x3f, layer == 0
}

// add adds a NAL unit if it is a sequence or picture parameter set of the base layer. It changes the bytes of the
// unit.
func (s *parameterSets) add(unit []byte) error {
	nal, base := header(unit)
	if !base {
		return nil
	}
	switch nal {
	case nalSPS:
		set, err := parseSPS(removeEmulationPrevention(unit[2:]))
		if err != nil {
			return err
		}
		s.sps[set.id] = set
	case nalPPS:
		set, err := parsePPS(removeEmulationPrevention(unit[2:]))
		if err != nil {
			return err
		}
		s.pps[set.id] = set
	}
	return nil
}
