// Package icc converts the colours of images to sRGB, by their profiles (ICC.1:2022,
// https://www.color.org/specification/ICC.1-2022-05.pdf) or by code points of ITU-T H.273.
//
// It applies the profiles of RGB and gray that consist of tone curves and a matrix (Display P3, Adobe RGB, ProPhoto),
// and those of RGB, CMYK and gray that consist of lookup tables (lut8Type, lut16Type and lutAToBType). Conversions are
// relative colorimetric, without black point compensation, as by littlecms, of which they are within 1 or 2 levels; the
// perceptual table is used if there is no colorimetric one. Colours outside sRGB are clipped channel by channel. A
// profile that is sRGB in effect costs nothing. A profile that is broken or for another colour space than its image is
// ignored, as in browsers.
//
// # High dynamic range
//
// Colours of PQ and HLG (ITU-R BT.2100), which a code point or a profile with a cicp tag states, are brighter than sRGB
// can be. They are mapped to it as BT.2408 recommends:
//
//   - HDR reference white, 203 cd/m², is the brightest colour of the display that the image is mapped to (BT.2408,
//     section 2.1), and the image was mastered for a peak of 1000 cd/m². HLG is displayed with that peak, by the
//     system gamma of 1.2 (BT.2100, table 5).
//   - Highlights are compressed by the EETF of BT.2390, section 5.4.1 (BT.2408, annex 5), from 88 cd/m² on; what is
//     darker is as bright as it would be in sRGB. White of 203 cd/m² becomes 229 of 255, and 1000 cd/m² and more
//     become white.
//   - It is applied to the largest channel of a colour, and the others are scaled like it, so that hue and saturation
//     stay.
//   - The primaries are converted after that.
//
// The metadata of the mastering display (mDCV, cLLI) is not used, nor are gain maps. A profile of PQ without a cicp tag
// is converted by its curves, and is dark, as in browsers and littlecms.
package icc

import (
	"bytes"
	"crypto/sha256"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// MaxSize is the largest size of a profile that is read, in bytes. Those of displays and cameras have a few KiB; only
// those of printers, which photographs do not carry, are larger than this.
const MaxSize = 1 << 20

// Conversion returns a function that converts a row of pixels to sRGB in place, or nil for pixels that are sRGB or
// taken for it. The pixels are interleaved RGBA, not premultiplied. Those of CMYK and YCCK are the ink of C, M, Y and
// K, 255 for all of it, and become opaque RGBA.
func Conversion(m *plane.Image) func(row []uint8) {
	p, ok := parseProfile(m.Profile)
	if !ok || !p.matchesModel(m.Model) {
		return nil
	}
	return cachedConverter(p, m.Model == plane.Gray)
}

// matchesModel reports whether a profile is for the pixels that it comes with. Gray pixels may have an RGB profile.
func (p *profile) matchesModel(m plane.Model) bool {
	switch m {
	case plane.Gray:
		return p.colorSpace == spaceGray || p.colorSpace == spaceRGB
	case plane.RGB, plane.YCbCr:
		return p.colorSpace == spaceRGB
	case plane.CMYK, plane.YCCK:
		return p.colorSpace == spaceCMYK
	default:
		return false
	}
}

// converters keeps converters, because most photographs come from the cameras of a few makers.
var converters struct {
	sync.Mutex
	of   map[converterKey]func(row []uint8)
	size int // of their lookup tables, in bytes
}

// A converterKey identifies a profile by its SHA-256, so that no upload can forge the key of another profile and spoil
// its colours.
type converterKey struct {
	profile [sha256.Size]byte
	gray    bool
}

// Bounds of what is kept: the number of converters, and the size of their lookup tables in bytes. The profile of a
// printing press takes 1 to 3 MB.
const (
	maxConverters     = 64
	maxConverterBytes = 8 << 20
)

// cachedConverter returns the converter of a profile, or nil if it is sRGB in effect or broken.
func cachedConverter(p *profile, isGray bool) func(row []uint8) {
	k := converterKey{sha256.Sum256(p.bytes), isGray}
	converters.Lock()
	defer converters.Unlock()
	if convert, ok := converters.of[k]; ok {
		return convert
	}
	convert, size := newConverter(p, isGray)
	isFull := len(converters.of) >= maxConverters || converters.size+size > maxConverterBytes
	if converters.of == nil || isFull {
		converters.of, converters.size = map[converterKey]func(row []uint8){}, 0
	}
	converters.of[k] = convert
	converters.size += size
	return convert
}

// newConverter returns a converter, or nil, and the size in bytes of its lookup tables and of what they refer to. Code
// points of high dynamic range take precedence over tables, and tables over curves (ICC.1:2022, section 8.10).
func newConverter(p *profile, isGray bool) (convert func(row []uint8), size int) {
	if c, ok := p.codePoints(); ok {
		return forModel(c.newConverter(), isGray), 0
	}
	if l, ok := newPipeline(p); ok {
		switch c := (tableConverter{l}); {
		case isGray:
			return forModel(c, true), 0
		case p.colorSpace == spaceCMYK:
			return c.convert, l.size + len(p.bytes)
		default:
			return forModel(c, false), l.size + len(p.bytes)
		}
	}
	if p.colorSpace == spaceGray {
		curve, ok := readTRC(p.tags[tagGrayTRC])
		if !ok || p.pcs != spaceXYZ && p.pcs != spaceLab {
			return nil, 0
		}
		return unlessImperceptible(newGrayConverter(luminance(curve, p.pcs)).convert), 0
	}
	if m, ok := newMatrixConverter(p); ok && p.pcs == spaceXYZ {
		return forModel(m, isGray), 0
	}
	return nil, 0
}

func forModel(c rgbConverter, isGray bool) func(row []uint8) {
	if isGray {
		return unlessImperceptible(newGrayConverter(c.luminance()).convert)
	}
	return unlessImperceptible(c.convert)
}

// unlessImperceptible returns convert, or nil if it changes no probe colour by more than 1 of 255.
func unlessImperceptible(convert func(row []uint8)) func(row []uint8) {
	become := bytes.Clone(probeColors)
	convert(become)
	for i, v := range become {
		if d := int(v) - int(probeColors[i]); d < -1 || d > 1 {
			return convert
		}
	}
	return nil
}

// probeColors are all grays and a grid of other colours, as a row of RGBA.
var probeColors = func() (row []uint8) {
	const step = 51 // of 255
	for v := range 256 {
		row = append(row, uint8(v), uint8(v), uint8(v), 255)
	}
	for r := 0; r <= 255; r += step {
		for g := 0; g <= 255; g += step {
			for b := 0; b <= 255; b += step {
				row = append(row, uint8(r), uint8(g), uint8(b), 255)
			}
		}
	}
	return row
}()
