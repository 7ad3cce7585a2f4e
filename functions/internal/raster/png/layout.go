package png

// colors is a colour type.
type colors byte

const (
	gray      colors = 0
	rgb       colors = 2
	indexed   colors = 3
	grayAlpha colors = 4
	rgba      colors = 6
)

// channels is how many samples a pixel has.
func (c colors) channels() int {
	return [...]int{gray: 1, rgb: 3, indexed: 1, grayAlpha: 2, rgba: 4}[c]
}

// A layout is how pixels are stored.
type layout struct {
	colors colors
	depth  int // bits of a sample
}

// isValid tells whether the standard knows the layout (table 8).
func (l layout) isValid() bool {
	switch l.colors {
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
func (l layout) pixel() int { return max(1, l.colors.channels()*l.depth/8) }

// row is how many bytes a row of so many pixels has.
func (l layout) row(width int) int { return (width*l.colors.channels()*l.depth + 7) / 8 }
