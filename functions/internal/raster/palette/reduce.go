package palette

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// The most colours that a GIF has.
const maxColors = 256

// Pixels less opaque than this become transparent: a GIF knows nothing in between.
const opaque = 0x80

// Reduce gives a small image a palette of at most 256 colours: its own if they are so few, otherwise the means of that
// many groups of similar ones. Pixels that are more transparent than not share one transparent entry. The same image
// always gets the same palette.
func Reduce(m *image.NRGBA) *image.Paletted {
	counts, transparent := count(m)
	room := maxColors
	if transparent {
		room--
	}
	groups := divide(counts, room)

	reduced := image.NewPaletted(m.Bounds(), nil)
	indexes := make(map[[3]uint8]uint8, len(counts))
	for i, g := range groups {
		reduced.Palette = append(reduced.Palette, g.mean())
		for _, s := range g.swatches {
			indexes[s.rgb] = uint8(i)
		}
	}
	if transparent {
		reduced.Palette = append(reduced.Palette, color.NRGBA{})
	}

	for y := range m.Rect.Dy() {
		from, to := m.Pix[y*m.Stride:], reduced.Pix[y*reduced.Stride:]
		for x := range m.Rect.Dx() {
			pixel := from[4*x : 4*x+4]
			if pixel[3] < opaque {
				to[x] = uint8(len(groups))
			} else {
				to[x] = indexes[[3]uint8(pixel)]
			}
		}
	}
	return reduced
}

// A swatch is a colour and the number of pixels that have it.
type swatch struct {
	rgb   [3]uint8
	count int
}

func count(m *image.NRGBA) (swatches []swatch, transparent bool) {
	counts := map[[3]uint8]int{}
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:]
		for x := range m.Rect.Dx() {
			if pixel := row[4*x : 4*x+4]; pixel[3] < opaque {
				transparent = true
			} else {
				counts[[3]uint8(pixel)]++
			}
		}
	}
	for rgb, n := range counts {
		swatches = append(swatches, swatch{rgb, n})
	}
	slices.SortFunc(swatches, func(a, b swatch) int { return slices.Compare(a.rgb[:], b.rgb[:]) })
	return swatches, transparent
}

// A group of similar colours, with the channel in which they differ most and how much: the sum of the squared distances
// of its pixels from their mean.
type group struct {
	swatches []swatch
	channel  int
	spread   float64
}

// divide makes at most n groups: it cuts, again and again, the group that is spread most, at the mean of the channel
// in which it is spread most.
func divide(swatches []swatch, n int) []group {
	if len(swatches) == 0 {
		return nil
	}
	groups := []group{newGroup(swatches)}
	for len(groups) < n {
		widest := slices.MaxFunc(groups, func(a, b group) int { return cmp.Compare(a.spread, b.spread) })
		if widest.spread == 0 {
			break
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.spread == widest.spread })
		low, high := groups[i].cut()
		groups[i] = low
		groups = append(groups, high)
	}
	return groups
}

func newGroup(swatches []swatch) group {
	g := group{swatches: swatches}
	for channel := range 3 {
		n, sum, squares := moments(swatches, channel)
		if spread := squares - sum*sum/n; spread > g.spread {
			g.channel, g.spread = channel, spread
		}
	}
	if len(swatches) == 1 {
		g.spread = 0 // whatever rounding left
	}
	return g
}

func moments(swatches []swatch, channel int) (n, sum, squares float64) {
	for _, s := range swatches {
		count, value := float64(s.count), float64(s.rgb[channel])
		n += count
		sum += count * value
		squares += count * value * value
	}
	return n, sum, squares
}

// cut divides a group of two colours at least into two that are not empty.
func (g group) cut() (low, high group) {
	n, sum, _ := moments(g.swatches, g.channel)
	slices.SortStableFunc(g.swatches, func(a, b swatch) int { return cmp.Compare(a.rgb[g.channel], b.rgb[g.channel]) })
	at := slices.IndexFunc(g.swatches, func(s swatch) bool { return float64(s.rgb[g.channel]) > sum/n })
	at = max(1, min(at, len(g.swatches)-1))
	return newGroup(g.swatches[:at]), newGroup(g.swatches[at:])
}

func (g group) mean() color.NRGBA {
	var mean [3]uint8
	for channel := range mean {
		n, sum, _ := moments(g.swatches, channel)
		mean[channel] = uint8(sum/n + 0.5)
	}
	return color.NRGBA{mean[0], mean[1], mean[2], 0xff}
}
