// Package icc is raster's room for colour profiles (ICC.1:2022, https://www.color.org/specification/ICC.1-2022-05.pdf).
//
// It makes sRGB of what most profiles say: those of RGB that are three curves and a matrix (Display P3, Adobe RGB,
// ProPhoto), and those of gray that are a curve. Colours that sRGB does not have become the nearest one of each channel.
// A profile that is sRGB in effect costs nothing. One that is made of tables is not applied: it has to go along with the
// pixels. One that is broken, or for pixels of another kind than it comes with, is ignored, as the browsers do; so is
// that of CMYK, whose pixels the engine makes RGB without one.
package icc

import (
	"bytes"
	"crypto/sha256"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// MaxSize is how large a profile may be, in bytes, to be looked at. Those of displays and cameras have some KiB; only
// those of printers, which no photograph comes with, are larger than this.
const MaxSize = 1 << 20

// Of tells what is to be done about the profile of an image. If convert is not nil, it makes sRGB of a row of
// interleaved RGBA, not premultiplied; afterwards there is no profile. Otherwise carried is what has to go along with
// the pixels, or nil if they are sRGB, or if nobody can know better.
func Conversion(m *plane.Image) (convert func(row []uint8), carried []byte) {
	p, ok := parseProfile(m.Profile)
	if !ok || !p.matchesModel(m.Model) {
		return nil, nil
	}
	isGray := m.Model == plane.Gray
	switch {
	case p.isCurveBased():
		return cachedConverter(p, isGray), nil
	case p.colorSpace == spaceGray: // which other formats than JPEG could not carry, and nobody has ever seen
		return nil, nil
	default:
		return nil, m.Profile
	}
}

// fits tells whether a profile is for the pixels that it comes with. Gray is RGB, too.
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

// converters are kept, because most photographs are of a few makers' cameras.
var converters struct {
	sync.Mutex
	of map[converterKey]func(row []uint8)
}

// A key is a profile, as its SHA-256: whoever could make another one with the same key could spoil the colours of
// others.
type converterKey struct {
	profile [sha256.Size]byte
	gray    bool
}

const maxConverters = 64

// converted is what makes sRGB of pixels, or nil if they are sRGB in effect, or if the curves make no sense.
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

// notable is convert, or nil if that changes no colour by more than 1 of 255: of all grays, and of a choice of others.
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
