package icc

import (
	"encoding/binary"
	"math"
)

// Code points of ITU-T H.273, tables 2 and 3.
const (
	primariesBT709  = 1
	primariesBT2020 = 9
	primariesP3     = 12
	transferSRGB    = 13
	transferPQ      = 16
	transferHLG     = 18
)

// chromaticities are x and y of red, green, blue and white.
type chromaticities [8]float64

// knownPrimaries are the primaries that are known by their code points (ITU-T H.273, table 2).
var knownPrimaries = map[byte]chromaticities{
	primariesBT709:  {0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290},
	4:               {0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316},
	5:               {0.64, 0.33, 0.29, 0.60, 0.15, 0.06, 0.3127, 0.3290},
	6:               {0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290},
	7:               {0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290},
	8:               {0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316},
	primariesBT2020: {0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290},
	11:              {0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351},
	primariesP3:     {0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290},
	22:              {0.630, 0.340, 0.295, 0.605, 0.155, 0.077, 0.3127, 0.3290},
}

// knownTransfers are the transfer characteristics that are known by their code points (ITU-T H.273, table 3): the
// light, 0 to 1, of a level. Those of video are shown by displays with the gamma of ITU-R BT.1886, 2.4, as in browsers.
var knownTransfers = map[byte]func(v float64) float64{
	1: videoToLinear, 6: videoToLinear, 11: videoToLinear, 14: videoToLinear, 15: videoToLinear,
	4:            func(v float64) float64 { return math.Pow(v, 2.2) },
	5:            func(v float64) float64 { return math.Pow(v, 2.8) },
	8:            func(v float64) float64 { return v },
	transferSRGB: srgbToLinear,
	transferPQ:   func(v float64) float64 { return min(lightFromPQ(v)*pqPeak/masterPeak, 1) },
	transferHLG:  lightFromHLG,
}

func videoToLinear(v float64) float64 { return math.Pow(v, 2.4) }

// isVideo reports whether a transfer characteristic is one of video of standard dynamic range.
func isVideo(transfer byte) bool {
	return transfer == 1 || transfer == 6 || transfer == 11 || transfer == 14 || transfer == 15
}

// FromCICP returns a profile of the colours that code points of ITU-T H.273 stand for, as nclx of a HEIF has them. It
// is empty for sRGB. It returns false for unknown colours. The profile is for Conversion only. The curves of video are
// taken for that of sRGB, because cameras write them with images that look right only as sRGB; libheif, Pillow and
// libvips do not apply them either.
func FromCICP(primaries, transfer byte) (profile []byte, ok bool) {
	if isVideo(transfer) {
		transfer = transferSRGB
	}
	return fromCICP([4]byte{primaries, transfer, 0, 1})
}

// FromCICPChunk is FromCICP for the payload of a cICP chunk of a PNG (section 11.3.2.6 of the standard), which is taken
// literally: video has the gamma of a display, as in Chromium, and in narrow range black is 16 and white 235. It
// returns false for a matrix, which the standard forbids.
func FromCICPChunk(b [4]byte) (profile []byte, ok bool) { return fromCICP(b) }

func fromCICP(b [4]byte) (profile []byte, ok bool) {
	if b == [4]byte{primariesBT709, transferSRGB, 0, 1} {
		return nil, true
	}
	if _, ok := knownPrimaries[b[0]]; !ok || knownTransfers[b[1]] == nil || b[2] != 0 {
		return nil, false
	}
	content := append([]byte("cicp\x00\x00\x00\x00"), b[:]...)
	return buildProfile(spaceRGB, spaceXYZ, []tag{{tagCICP, content}}), true
}

// A cicp is the content of a cicp tag (ICC.1:2022, section 9.2.17).
type cicp struct {
	primaries, transfer byte
	narrow              bool
}

// codePoints returns the content of a profile's cicp tag if its colours are known by it better than by the rest of the
// profile: for PQ and HLG, whose curves lead to light as it is displayed, far darker than sRGB, and if there is no
// rest.
func (p *profile) codePoints() (c cicp, ok bool) {
	b := p.tags[tagCICP]
	if p.colorSpace != spaceRGB || len(b) < 12 || string(b[:4]) != tagCICP || b[10] != 0 {
		return c, false
	}
	c = cicp{primaries: b[8], transfer: b[9], narrow: b[11] == 0}
	if _, ok := knownPrimaries[c.primaries]; !ok || knownTransfers[c.transfer] == nil {
		return c, false
	}
	return c, c.isHDR() || len(p.tags) == 1
}

func (c cicp) isHDR() bool { return c.transfer == transferPQ || c.transfer == transferHLG }

// linear is the light of each level.
func (c cicp) linear() *[256]float64 {
	light := new([256]float64)
	for v := range light {
		level := float64(v) / 255
		if c.narrow {
			level = clampUnit((float64(v) - 16) / 219)
		}
		light[v] = knownTransfers[c.transfer](level)
	}
	return light
}

// An rgbConverter converts RGB, and knows the luminance of its grays.
type rgbConverter interface {
	convert(row []uint8)
	luminance() *toneCurve
}

func (c cicp) newConverter() rgbConverter {
	colorants := knownPrimaries[c.primaries].colorants()
	light := c.linear()
	if c.isHDR() {
		return newToneMapper(light, c.transfer == transferHLG, colorants)
	}
	m := new(matrixConverter)
	for i := range m.linear {
		for v := range light {
			m.linear[i][v] = float32(light[v])
		}
	}
	m.setColorants(colorants)
	return m
}

// colorants are the columns of the matrix from linear light to XYZ under D50 (ICC.1:2022, annex E): x, y and z of the
// primaries, scaled so that their sum is white, which is adapted by the Bradford matrix.
func (c chromaticities) colorants() [9]float64 {
	var xyz [9]float64
	for i := range 3 {
		x, y := c[2*i], c[2*i+1]
		xyz[i], xyz[3+i], xyz[6+i] = x, y, 1-x-y
	}
	x, y := c[6], c[7]
	whole := [3]float64{x / y, 1, (1 - x - y) / y}
	for i, share := range transform(inverse(xyz), whole) {
		for row := range 3 {
			xyz[3*row+i] *= share
		}
	}
	bradford := [9]float64{0.8951, 0.2664, -0.1614, -0.7502, 1.7135, 0.0367, 0.0389, -0.0685, 1.0296}
	from, to := transform(bradford, whole), transform(bradford, white)
	adapted := bradford
	for i := range adapted {
		adapted[i] *= to[i/3] / from[i/3]
	}
	return multiply(multiply(inverse(bradford), adapted), xyz)
}

func transform(m [9]float64, v [3]float64) (result [3]float64) {
	for i := range result {
		result[i] = m[3*i]*v[0] + m[3*i+1]*v[1] + m[3*i+2]*v[2]
	}
	return result
}

func multiply(a, b [9]float64) (product [9]float64) {
	for i := range product {
		for k := range 3 {
			product[i] += a[i/3*3+k] * b[3*k+i%3]
		}
	}
	return product
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
