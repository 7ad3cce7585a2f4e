package heif

import (
	"fmt"
	"slices"
)

// known are the properties of which an item may say that they are essential to it, by the codings of this package. Those
// that do not change its pixels are here, too: pixi, pasp and the like.
var known = []string{"ispe", "hvcC", "av1C", "colr", "pixi", "pasp", "irot", "imir", "clap", "auxC", "clli", "mdcv", "rloc", "udes", "altt", "amve"}

// propertiesOf returns the properties of an item in the order in which it has them. An item that has one that is
// essential, but not known here, cannot be read.
func (m *meta) propertiesOf(i *item) ([]property, error) {
	var all []property
	for _, a := range i.properties {
		if a.index == 0 {
			continue
		}
		if a.index > len(m.properties) {
			return nil, damaged("item %d has property %d of %d in its ipco box", i.id, a.index, len(m.properties))
		}
		p := m.properties[a.index-1]
		if a.essential && !slices.Contains(known, p.kind) {
			return nil, unsupported(fmt.Sprintf("HEIC with the essential property %q", p.kind))
		}
		all = append(all, p)
	}
	return all, nil
}

// first is the first property of a kind.
func first(all []property, kind string) (property, bool) {
	i := slices.IndexFunc(all, func(p property) bool { return p.kind == kind })
	if i < 0 {
		return property{}, false
	}
	return all[i], true
}

// extentOf is what an ispe property says, and 0, 0 if there is none.
func sizeOf(all []property) (width, height int, err error) {
	p, ok := first(all, "ispe")
	if !ok {
		return 0, 0, nil
	}
	c := &cursor{box: p.kind, b: p.body}
	c.full()
	width, height = int(c.uint32()), int(c.uint32())
	return width, height, c.err
}

// isAlpha reports whether an auxiliary picture is the transparency of another one.
func isAlpha(all []property) bool {
	p, ok := first(all, "auxC")
	if !ok {
		return false
	}
	c := &cursor{box: p.kind, b: p.body}
	c.full()
	switch c.text() {
	case "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1":
		return true
	}
	return false
}

// A signal says what the levels of a picture mean, by numbers of ITU-T H.273.
type signal struct {
	primaries, transfer, matrix int
	full                        bool // range of levels
}

// coloursOf are what colr properties say: by numbers, and by an ICC profile. Both may be nil.
func coloursOf(all []property) (s *signal, profile []byte, err error) {
	for _, p := range all {
		if p.kind != "colr" {
			continue
		}
		c := &cursor{box: p.kind, b: p.body}
		switch kind := c.fourcc(); {
		case kind == "nclx" && s == nil:
			s = &signal{c.uint16(), c.uint16(), c.uint16(), c.uint8()&0x80 != 0}
		case kind == "nclc" && s == nil: // of QuickTime, without a range
			s = &signal{primaries: c.uint16(), transfer: c.uint16(), matrix: c.uint16()}
			s.full = s.matrix == identity
		case (kind == "prof" || kind == "rICC") && profile == nil:
			profile = c.b
		}
		if c.err != nil {
			return nil, nil, c.err
		}
	}
	return s, profile, nil
}
