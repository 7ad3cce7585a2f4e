package icc

import (
	"encoding/binary"
	"math"
)

// Code points of ITU-T H.273.
const (
	primariesBT709  = 1
	primariesBT2020 = 9
	primariesP3     = 12
	transferSRGB    = 13
)

// FromCICP returns the profile of the colours that code points of ITU-T H.273 stand for, as in a cICP chunk; it is
// empty for sRGB. It returns false for unknown colours, including PQ and HLG: they are brighter than sRGB can be, and
// their tone mapping is a matter of taste.
func FromCICP(primaries, transfer byte) (profile []byte, ok bool) {
	colorants, ok := map[byte][]float64{
		primariesBT2020: {0.67349, 0.27904, -0.00194, 0.16565, 0.67535, 0.02998, 0.12505, 0.04561, 0.79684},
		primariesP3:     {0.51512, 0.24120, -0.00105, 0.29198, 0.69225, 0.04189, 0.15710, 0.06657, 0.78407},
	}[primaries]
	switch {
	case transfer != transferSRGB:
		return nil, false
	case primaries == primariesBT709:
		return nil, true
	case !ok:
		return nil, false
	}
	srgbCurve := append([]byte("para\x00\x00\x00\x00"), 0, 3, 0, 0)
	srgbCurve = appendS15Fixed16(srgbCurve, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)
	var tags []tag
	for i, name := range channelTags {
		colorant := appendS15Fixed16([]byte("XYZ \x00\x00\x00\x00"), colorants[3*i:3*i+3]...)
		tags = append(tags, tag{name.curve, srgbCurve}, tag{name.colorant, colorant})
	}
	return buildProfile(spaceRGB, spaceXYZ, tags), true
}

// appendS15Fixed16 appends numbers of type s15Fixed16Number.
func appendS15Fixed16(b []byte, values ...float64) []byte {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*(1<<16)))))
	}
	return b
}

type tag struct {
	name    string
	content []byte
}

// buildProfile assembles a profile of a display.
func buildProfile(space, connection string, tags []tag) []byte {
	head := atTags + len(tags)*tagLength
	size := head
	for _, t := range tags {
		size += len(t.content)
	}
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b[atVersion:], 4<<24)
	copy(b[atClass:], "mntr")
	copy(b[atColorSpace:], space)
	copy(b[atPCS:], connection)
	copy(b[atSignature:], signature)
	copy(b[atIlluminant:], appendS15Fixed16(nil, 0.9642, 1, 0.8249))
	binary.BigEndian.PutUint32(b[atCount:], uint32(len(tags)))
	offset := head
	for i, t := range tags {
		entry := b[atTags+i*tagLength:]
		copy(entry, t.name)
		binary.BigEndian.PutUint32(entry[4:], uint32(offset))
		binary.BigEndian.PutUint32(entry[8:], uint32(len(t.content)))
		offset += copy(b[offset:], t.content)
	}
	binary.BigEndian.PutUint32(b[atSize:], uint32(len(b)))
	return b
}
