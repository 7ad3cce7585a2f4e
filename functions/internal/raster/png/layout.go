package png

// colors is a colour type.
type colorType byte

const (
	gray      colorType = 0
	rgb       colorType = 2
	indexed   colorType = 3
	grayAlpha colorType = 4
	rgba      colorType = 6
)

// channels is how many samples a pixel has.
func (c colorType) channels() int {
	return [...]int{gray: 1, rgb: 3, indexed: 1, grayAlpha: 2, rgba: 4}[c]
}

// A layout is how pixels are stored.
type layout struct {
	colorType colorType
	depth     int // bits of a sample
}

// isValid tells whether the standard knows the layout (table 8).
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

// pixel is how many bytes filters look back: those of a pixel, but 1 at least.
func (l layout) bytesPerPixel() int { return max(1, l.colorType.channels()*l.depth/8) }

// row is how many bytes a row of so many pixels has.
func (l layout) rowBytes(width int) int { return (width*l.colorType.channels()*l.depth + 7) / 8 }
