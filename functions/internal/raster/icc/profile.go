package icc

import "encoding/binary"

// Offsets of the fields of a header and of the tag table (ICC.1:2022, table 17).
const (
	atSize       = 0
	atVersion    = 8
	atClass      = 12
	atColorSpace = 16
	atPCS        = 20
	atSignature  = 36
	atIlluminant = 68
	atCount      = 128
	atTags       = 132
	tagLength    = 12
)

// Contents of these fields, and signatures of tags.
const (
	signature = "acsp"

	spaceRGB  = "RGB "
	spaceGray = "GRAY"
	spaceCMYK = "CMYK"
	spaceXYZ  = "XYZ "
	spaceLab  = "Lab "

	tagGrayTRC = "kTRC"
	tagCICP    = "cicp"
)

// maxTags bounds the number of tags to that of littlecms: twice as many as the largest profiles have.
const maxTags = 100

// A profile is one that has been parsed.
type profile struct {
	bytes           []byte
	colorSpace, pcs string // colour space of the pixels, and profile connection space
	tags            map[string][]byte
}

// parseProfile returns false if b is not a profile.
func parseProfile(b []byte) (*profile, bool) {
	if len(b) < atTags || len(b) > MaxSize || string(b[atSignature:][:4]) != signature {
		return nil, false
	}
	p := &profile{b, string(b[atColorSpace:][:4]), string(b[atPCS:][:4]), map[string][]byte{}}
	count := binary.BigEndian.Uint32(b[atCount:])
	if count > maxTags || int(count)*tagLength > len(b)-atTags {
		return nil, false
	}
	for entries := b[atTags:][:count*tagLength]; len(entries) > 0; entries = entries[tagLength:] {
		offset, length := uint64(binary.BigEndian.Uint32(entries[4:])), uint64(binary.BigEndian.Uint32(entries[8:]))
		if offset+length > uint64(len(b)) {
			return nil, false
		}
		p.tags[string(entries[:4])] = b[offset:][:length:length]
	}
	return p, true
}

func (p *profile) has(tag string) bool {
	_, ok := p.tags[tag]
	return ok
}

// channelTags are the tags of red, green and blue.
var channelTags = [3]struct{ curve, colorant string }{{"rTRC", "rXYZ"}, {"gTRC", "gXYZ"}, {"bTRC", "bXYZ"}}

// s15Fixed16 is an s15Fixed16Number.
func s15Fixed16(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / (1 << 16) }

// readXYZ reads a tag of one XYZNumber.
func readXYZ(tag []byte) (xyz [3]float64, ok bool) {
	if len(tag) < 20 || string(tag[:4]) != spaceXYZ {
		return xyz, false
	}
	for i := range xyz {
		xyz[i] = s15Fixed16(tag[8+4*i:])
	}
	return xyz, true
}
