package png

import (
	"bytes"
	"encoding/binary"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// overshoot is how many bytes a converter may write after a row: the pixels of its last byte, some of which may be
// padding.
const overshoot = 8 * 4

// A converter turns rows of any layout into rows with whole bytes.
type converter struct {
	// channels is 1 for gray and for indexes of colors, 3 for RGB, or 4 for premultiplied RGBA.
	channels int
	colors   *plane.Colors // or nil
	// transparent reports whether any pixel so far was transparent.
	transparent bool
	// convert makes a row in to, or returns the stored row if that needs no conversion. The result is not premultiplied,
	// and may have more pixels than the row: those of its last byte.
	convert func(to, row []uint8) []uint8
}

func newConverter(f *File) *converter {
	c := &converter{channels: 3}
	toBytes := expandSamples(f.layout.depth, false)
	switch hasKey := f.transparency != nil; {
	case f.layout.colorType == indexed:
		c.channels, c.colors, c.convert = 1, newPalette(f.palette, f.transparency), expandSamples(f.layout.depth, true)
	case f.layout.colorType == gray && hasKey && f.layout.depth <= 8:
		c.channels, c.colors = 1, newGrayPalette(f.layout.depth, f.transparency[1])
		c.convert = expandSamples(f.layout.depth, true)
	case f.layout.colorType <= rgb && hasKey:
		c.channels, c.convert = 4, convertColorKey(f.transparency, f.layout)
	case f.layout.colorType == gray:
		c.channels, c.convert = 1, toBytes
	case f.layout.colorType == rgb:
		c.convert = toBytes
	case f.layout.colorType == grayAlpha:
		c.channels, c.convert = 4, func(to, row []uint8) []uint8 { return grayToRGB(to, row, f.layout.depth/8) }
	default:
		c.channels, c.convert = 4, toBytes
	}
	return c
}

// expandSamples makes bytes of samples: indexes, or levels from 0 to 255. It takes the higher 8 of 16 bits, as all
// libraries do.
func expandSamples(depth int, isIndexed bool) func(to, row []uint8) []uint8 {
	switch depth {
	case 8:
		return func(_, row []uint8) []uint8 { return row }
	case 16:
		return highBytes
	}
	count, highest, scale := 8/depth, 1<<depth-1, 1
	if !isIndexed {
		scale = 255 / highest
	}
	var levels [256]uint64 // the samples of a byte
	for b := range levels {
		for i := range count {
			level := b >> (8 - depth*(i+1)) & highest * scale
			levels[b] |= uint64(level) << (8 * i)
		}
	}
	return func(to, row []uint8) []uint8 {
		for i, b := range row {
			binary.LittleEndian.PutUint64(to[i*count:], levels[b])
		}
		return to[:len(row)*count]
	}
}

func highBytes(to, row []uint8) []uint8 {
	n := len(row) / 2
	for i := range n {
		to[i] = row[2*i]
	}
	return to[:n]
}

// newPalette is the palette of PLTE and tRNS. Indexes beyond them are opaque black, as in libpng.
func newPalette(colors, alpha []uint8) *plane.Colors {
	p := new(plane.Colors)
	for i := range p {
		color := [4]uint8{3: 0xff}
		copy(color[:3], colors[min(3*i, len(colors)):])
		if i < len(alpha) {
			color[3] = alpha[i]
		}
		plane.Premultiply(color[:])
		p[i] = binary.LittleEndian.Uint32(color[:])
	}
	return p
}

// newGrayPalette has all levels of a depth, of which the key is transparent.
func newGrayPalette(depth int, key uint8) *plane.Colors {
	p := new(plane.Colors)
	highest := 1<<depth - 1
	for level := range p[:highest+1] {
		p[level] = 0xff<<24 | uint32(level*255/highest)*0x010101
	}
	p[key] = 0
	return p
}

// convertColorKey converts gray or RGB of whole bytes in which one colour, the key, is transparent.
func convertColorKey(key []uint8, l layout) func(to, row []uint8) []uint8 {
	width, size := l.depth/8, l.bytesPerPixel()
	if width == 1 { // only RGB: see newGrayPalette
		key = []uint8{key[1], key[3], key[5]} // tRNS has 16 bits for each
	}
	return func(to, row []uint8) []uint8 {
		i := 0
		for ; len(row) >= size; row = row[size:] {
			pixel := to[i : i+4 : i+4]
			green, blue := size/width/2*width, size-width // of gray, all three are the same sample
			pixel[0], pixel[1], pixel[2], pixel[3] = row[0], row[green], row[blue], 0xff
			if bytes.Equal(row[:size], key) {
				pixel[3] = 0
			}
			i += 4
		}
		return to[:i]
	}
}

// grayToRGB expands gray with alpha, with width bytes a sample.
func grayToRGB(to, row []uint8, width int) []uint8 {
	i := 0
	for ; len(row) >= 2*width; row = row[2*width:] {
		pixel := to[i : i+4 : i+4]
		pixel[0], pixel[1], pixel[2], pixel[3] = row[0], row[0], row[0], row[width]
		i += 4
	}
	return to[:i]
}

// convertRow makes a row of width pixels in to, or returns the stored row.
func (c *converter) convertRow(row, to []uint8, width int) []uint8 {
	pixels := c.convert(to, row)[:width*c.channels]
	if c.channels < 4 || isOpaque(pixels) {
		return pixels
	}
	c.transparent = true
	to = to[:len(pixels)]
	copy(to, pixels) // they may be the stored row, which the next row's filter needs
	plane.Premultiply(to)
	return to
}

func isOpaque(pixels []uint8) bool {
	const alphas = 0xff000000_ff000000
	all := uint64(alphas)
	for ; len(pixels) >= 8; pixels = pixels[8:] {
		all &= binary.LittleEndian.Uint64(pixels)
	}
	return all&alphas == alphas && (len(pixels) == 0 || pixels[3] == 0xff)
}
