// Package icc applies colour profiles (ICC.1:2022, https://www.color.org/specification/ICC.1-2022-05.pdf).
//
// It converts to sRGB the profiles that nearly all images have: RGB profiles of three tone curves and a matrix (Display
// P3, Adobe RGB, ProPhoto), and gray profiles of one curve. Colours outside sRGB are clipped channel by channel. A
// profile that is sRGB in effect costs nothing. A profile of lookup tables is not applied: it has to stay with the
// pixels. A profile that is broken or for another colour space than its image is ignored, as in browsers; so are those
// of CMYK, because package plane converts CMYK to RGB without a profile.
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

// Conversion returns what has to be done about the profile of an image. If convert is not nil, it converts a row of
// interleaved RGBA, not premultiplied, to sRGB in place, after which there is no profile. Otherwise carried is the
// profile that has to stay with the pixels, or nil for pixels that are sRGB or taken for it.
func Conversion(m *plane.Image) (convert func(row []uint8), carried []byte) {
	p, ok := parseProfile(m.Profile)
	if !ok || !p.matchesModel(m.Model) {
		return nil, nil
	}
	isGray := m.Model == plane.Gray
	switch {
	case p.isCurveBased():
		return cachedConverter(p, isGray), nil
	case p.colorSpace == spaceGray: // of tables: only JPEG could carry it, and none is known
		return nil, nil
	default:
		return nil, m.Profile
	}
}

// matchesModel reports whether a profile is for the pixels that it comes with. Gray pixels may have an RGB profile.
func (p *profile) matchesModel(m plane.Model) bool {
	switch m {
	case plane.Gray:
		return p.colorSpace == spaceGray || p.colorSpace == spaceRGB
	case plane.RGB, plane.YCbCr:
		return p.colorSpace == spaceRGB
	default:
		return false
	}
}

// converters keeps converters, because most photographs come from the cameras of a few makers.
var converters struct {
	sync.Mutex
	of map[converterKey]func(row []uint8)
}

// A converterKey identifies a profile by its SHA-256, so that no upload can forge the key of another profile and spoil
// its colours.
type converterKey struct {
	profile [sha256.Size]byte
	gray    bool
}

const maxConverters = 64

// cachedConverter returns the converter of a profile, or nil if it is sRGB in effect or its curves are broken.
func cachedConverter(p *profile, isGray bool) func(row []uint8) {
	k := converterKey{sha256.Sum256(p.bytes), isGray}
	converters.Lock()
	defer converters.Unlock()
	if convert, ok := converters.of[k]; ok {
		return convert
	}
	if converters.of == nil || len(converters.of) >= maxConverters {
		converters.of = map[converterKey]func(row []uint8){}
	}
	convert := newConverter(p, isGray)
	converters.of[k] = convert
	return convert
}

func newConverter(p *profile, isGray bool) func(row []uint8) {
	if p.colorSpace == spaceGray {
		curve, ok := readTRC(p.tags[tagGrayTRC])
		if !ok {
			return nil
		}
		return unlessImperceptible(newGrayConverter(luminance(curve, p.pcs)).convert)
	}
	m, ok := newMatrixConverter(p)
	switch {
	case !ok:
		return nil
	case isGray:
		return unlessImperceptible(newGrayConverter(m.luminance()).convert)
	default:
		return unlessImperceptible(m.convert)
	}
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
