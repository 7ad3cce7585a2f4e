package heif

import (
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/av1"
)

// knownProperties may be essential to an item: those that are applied, and those that do not change the pixels.
var knownProperties = []string{
	"ispe", "hvcC", "av1C", "colr", "pixi", "pasp", "irot", "imir", "clap", "auxC", "clli", "mdcv", "rloc", "udes", "altt",
	"amve", "a1op", "lsel",
}

// propertiesOf returns the properties of an item in the order of its associations. An essential property that is
// unknown here is an error.
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
		if a.essential && !slices.Contains(knownProperties, p.kind) {
			return nil, unsupported("%s with the essential property %q", p.kind)
		}
		all = append(all, p)
	}
	return all, nil
}

// firstOf returns the first property of a kind.
func firstOf(all []property, kind string) (property, bool) {
	i := slices.IndexFunc(all, func(p property) bool { return p.kind == kind })
	if i < 0 {
		return property{}, false
	}
	return all[i], true
}

// sizeOf returns the size in an ispe property, or 0, 0 if there is none.
func sizeOf(all []property) (width, height int, err error) {
	p, ok := firstOf(all, "ispe")
	if !ok {
		return 0, 0, nil
	}
	c := &cursor{box: p.kind, b: p.body}
	c.full()
	width, height = int(c.uint32()), int(c.uint32())
	return width, height, c.err
}

// A selection is what a picture of several layers shows.
type selection struct {
	point int // the operating point of an a1op property, from 0
	layer int // the spatial layer of an lsel property, or allLayers
	count int // the number of layers that the properties state: 1 to 4
}

const allLayers = 0xffff

// decoded is the number of layers to decode, as far as the file states it.
func (s selection) decoded() int { return max(1, min(s.count, s.layer+1)) }

// selectionOf returns the selection by the properties of an item (AV1 Image File Format, section 2.3.2.1; ISO/IEC
// 23008-12, section 6.5.11).
func selectionOf(all []property) (selection, error) {
	s := selection{layer: allLayers, count: 1}
	if p, ok := firstOf(all, "a1op"); ok {
		c := &cursor{box: p.kind, b: p.body}
		if s.point = c.uint8(); c.err != nil {
			return s, c.err
		}
		s.count = spatialLayers
	}
	if p, ok := firstOf(all, "lsel"); ok {
		c := &cursor{box: p.kind, b: p.body}
		if s.layer = c.uint16(); c.err != nil {
			return s, c.err
		}
		s.count = spatialLayers
	}
	if p, ok := firstOf(all, "a1lx"); ok {
		s.count = countLayers(p.body)
	}
	return s, nil
}

// spatialLayers is how many layers a picture can have. It counts as having that many if properties select some of them
// and none states their number.
const spatialLayers = av1.AllLayers + 1

// countLayers returns the number of layers of an a1lx property: it has the sizes of all but the last one, or zeros
// (AV1 Image File Format, section 2.3.2.3). The property is only a hint, so what is missing counts as zeros.
func countLayers(body []byte) int {
	const sizes = 3
	c := &cursor{box: "a1lx", b: body}
	isLarge := c.uint8()&1 != 0
	count := 1
	for range sizes {
		var size int64
		if isLarge {
			size = int64(c.uint32())
		} else {
			size = int64(c.uint16())
		}
		if size > 0 {
			count++
		}
	}
	return count
}

// isAlpha reports whether an auxiliary picture is alpha.
func isAlpha(all []property) bool {
	p, ok := firstOf(all, "auxC")
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

// cicp is the interpretation of samples by the code points of ITU-T H.273.
type cicp struct {
	primaries, transfer, matrix int
	full                        bool // range
}

// colorInfo returns the content of colr properties: code points and an ICC profile, either of which may be nil.
func colorInfo(all []property) (s *cicp, profile []byte, err error) {
	for _, p := range all {
		if p.kind != "colr" {
			continue
		}
		c := &cursor{box: p.kind, b: p.body}
		switch kind := c.fourcc(); {
		case kind == "nclx" && s == nil:
			s = &cicp{c.uint16(), c.uint16(), c.uint16(), c.uint8()&0x80 != 0}
		case kind == "nclc" && s == nil: // of QuickTime, which has no range
			s = &cicp{primaries: c.uint16(), transfer: c.uint16(), matrix: c.uint16()}
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
