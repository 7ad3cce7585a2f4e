package png

// A colorType is a colour type of the standard (table 8).
type colorType byte

const (
	gray      colorType = 0
	rgb       colorType = 2
	indexed   colorType = 3
	grayAlpha colorType = 4
	rgba      colorType = 6
)

// channels is the number of samples of a pixel.
func (c colorType) channels() int {
	return [...]int{gray: 1, rgb: 3, indexed: 1, grayAlpha: 2, rgba: 4}[c]
}

// A layout is how pixels are stored.
type layout struct {
	colorType colorType
	depth     int // bits of a sample
}

// isValid reports whether the standard allows the layout (table 8).
func (l layout) isValid() bool {
	switch l.colorType {
	case gray:
		return l.depth == 1 || l.depth == 2 || l.depth == 4 || l.depth == 8 || l.depth == 16
	case indexed:
		return l.depth == 1 || l.depth == 2 || l.depth == 4 || l.depth == 8
	case rgb, grayAlpha, rgba:
		return l.depth == 8 || l.depth == 16
	default:
		return false
	}
}

// bytesPerPixel is how far filters look back: the bytes of a pixel, but at least 1.
func (l layout) bytesPerPixel() int { return max(1, l.colorType.channels()*l.depth/8) }

// rowBytes is the length of a row of width pixels.
func (l layout) rowBytes(width int) int { return (width*l.colorType.channels()*l.depth + 7) / 8 }
