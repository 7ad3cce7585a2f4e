package palette

import (
	"cmp"
	"encoding/binary"
	"image"
	"image/color"
	"slices"
	"sync"
)

// Colours are counted in bins, of the higher bits of their channels: as many as there are, for green, to which eyes are
// most sensitive.
const (
	redBits, greenBits, blueBits = 5, 6, 5

	binCount = 1 << (redBits + greenBits + blueBits)
)

// binOf is the bin of a colour whose red is in the lowest byte.
func binOf(c uint32) uint32 {
	red, green, blue := c&0xff>>(8-redBits), c>>8&0xff>>(8-greenBits), c>>16&0xff>>(8-blueBits)
	return red<<(greenBits+blueBits) | green<<blueBits | blue
}

// How much a difference of each channel is seen, as of libjpeg's quantiser: the distance of two colours is that of
// their channels after multiplication with these.
var scale = [3]float32{1.5, 2, 1}

// A swatch is the mean of the colours of some pixels, scaled.
type swatch struct {
	at    [3]float32
	count float32
	bin   uint32
}

// A histogram is the colours of some pixels, as the sums of what is in each bin.
type histogram struct {
	places [binCount]uint32 // of bins in sums, from 1 on
	sums   []sum
}

type sum struct{ red, green, blue, count, bin uint64 }

var histograms = sync.Pool{New: func() any { return new(histogram) }}

// swatches returns the bins that have pixels.
func swatches(images []*image.NRGBA) []swatch {
	h := histograms.Get().(*histogram)
	defer histograms.Put(h)
	h.sums = h.sums[:0]
	for _, m := range images {
		for y := range m.Rect.Dy() {
			h.count(row(m, y))
		}
	}
	all := make([]swatch, len(h.sums))
	for i, s := range h.sums {
		n := float32(s.count)
		at := [3]float32{float32(s.red) / n * scale[0], float32(s.green) / n * scale[1], float32(s.blue) / n * scale[2]}
		all[i] = swatch{at, n, uint32(s.bin)}
		h.places[s.bin] = 0
	}
	return all
}

func (h *histogram) count(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		c := binary.LittleEndian.Uint32(row)
		if c>>24 < opaque {
			continue
		}
		bin := binOf(c)
		place := h.places[bin]
		if place == 0 {
			h.sums = append(h.sums, sum{bin: uint64(bin)})
			place = uint32(len(h.sums))
			h.places[bin] = place
		}
		s := &h.sums[place-1]
		s.red += uint64(c & 0xff)
		s.green += uint64(c >> 8 & 0xff)
		s.blue += uint64(c >> 16 & 0xff)
		s.count++
	}
}

// rounds is how often the colours are moved to the means of what is nearest to them.
const rounds = 1

// quantize makes a palette of so many colours, at most.
func (r *Reducer) quantize(images []*image.NRGBA, room int) {
	all := swatches(images)
	var colors [][3]float32
	for _, g := range divide(all, room) {
		colors = append(colors, g.mean)
	}
	for range rounds {
		colors = move(colors, all)
	}
	near := newNeighbors(colors)
	r.nearest = new([binCount]uint8)
	for _, s := range all {
		r.nearest[s.bin] = uint8(near.of(s.at))
	}
	for _, c := range near.colors {
		r.palette = append(r.palette, color.NRGBA{level(c[0] / scale[0]), level(c[1] / scale[1]), level(c[2] / scale[2]), 0xff})
	}
}

func level(v float32) uint8 { return uint8(max(0, min(v+0.5, 255))) }

// move returns the means of the swatches that are nearest to each colour. A colour that none is nearest to stays.
func move(colors [][3]float32, all []swatch) [][3]float32 {
	near := newNeighbors(colors)
	sums := make([]moments, len(colors))
	for i := range all {
		sums[near.of(all[i].at)].add(&all[i])
	}
	for i := range sums {
		if sums[i].count > 0 {
			near.colors[i] = sums[i].mean()
		}
	}
	return near.colors
}

// moments are sums over pixels, of the channels and of their squares.
type moments struct {
	sum, squares [3]float64
	count        float64
}

func (m *moments) add(s *swatch) {
	count := float64(s.count)
	for i, v := range s.at {
		m.sum[i] += count * float64(v)
		m.squares[i] += count * float64(v) * float64(v)
	}
	m.count += count
}

func (m *moments) mean() [3]float32 {
	return [3]float32{float32(m.sum[0] / m.count), float32(m.sum[1] / m.count), float32(m.sum[2] / m.count)}
}

// A group is similar swatches, with the channel in which they differ most and how much: the sum of the squared distances
// of its pixels from their mean.
type group struct {
	swatches []swatch
	mean     [3]float32
	channel  int
	spread   float64
}

func newGroup(swatches []swatch) group {
	g := group{swatches: swatches}
	var m moments
	for i := range swatches {
		m.add(&swatches[i])
	}
	g.mean = m.mean()
	if len(swatches) == 1 {
		return g // whatever rounding left
	}
	for i := range g.mean {
		if spread := m.squares[i] - m.sum[i]*m.sum[i]/m.count; spread > g.spread {
			g.channel, g.spread = i, spread
		}
	}
	return g
}

// divide makes at most n groups: it cuts, again and again, the group that is spread most, at the mean of the channel in
// which it is spread most.
func divide(swatches []swatch, n int) []group {
	groups := []group{newGroup(swatches)}
	for len(groups) < n {
		widest := 0
		for i := range groups {
			if groups[i].spread > groups[widest].spread {
				widest = i
			}
		}
		if groups[widest].spread == 0 {
			break
		}
		low, high := groups[widest].cut()
		groups[widest] = low
		groups = append(groups, high)
	}
	return groups
}

// cut divides a group of two swatches at least into two that are not empty.
func (g group) cut() (low, high group) {
	all, channel, mean := g.swatches, g.channel, g.mean[g.channel]
	n := 0 // of those that are below the mean
	for i := range all {
		if all[i].at[channel] <= mean {
			all[i], all[n] = all[n], all[i]
			n++
		}
	}
	n = max(1, min(n, len(all)-1))
	return newGroup(all[:n]), newGroup(all[n:])
}

// neighbors finds the nearest of some colours: in the order of their lightness, from that which is like it on.
type neighbors struct {
	colors [][3]float32
	lights []float32
	start  [256]int // for each level of lightness, where to begin
}

// lightness is how far a colour is along the line from black to white.
func lightness(at [3]float32) float32 {
	const length = 2.692582403567252 // of scale
	return (at[0]*scale[0] + at[1]*scale[1] + at[2]*scale[2]) / length
}

// lightest is the lightness of white.
const lightest = 255 * 2.692582403567252

func newNeighbors(colors [][3]float32) *neighbors {
	near := &neighbors{colors: colors}
	slices.SortFunc(colors, func(a, b [3]float32) int { return cmp.Compare(lightness(a), lightness(b)) })
	for _, c := range colors {
		near.lights = append(near.lights, lightness(c))
	}
	next := 0
	for level := range near.start {
		for next < len(colors)-1 && near.lights[next] < (float32(level)+0.5)*(lightest/256) {
			next++
		}
		near.start[level] = next
	}
	return near
}

// of returns which colour is nearest.
func (near *neighbors) of(at [3]float32) int {
	light := lightness(at)
	start := near.start[int(light*(255.9/lightest))]
	best, nearest := start, distance(near.colors[start], at)
	for i := start + 1; i < len(near.colors); i++ {
		if d := near.lights[i] - light; d*d >= nearest {
			break
		}
		if d := distance(near.colors[i], at); d < nearest {
			best, nearest = i, d
		}
	}
	for i := start - 1; i >= 0; i-- {
		if d := near.lights[i] - light; d*d >= nearest {
			break
		}
		if d := distance(near.colors[i], at); d < nearest {
			best, nearest = i, d
		}
	}
	return best
}

func distance(a, b [3]float32) float32 {
	x, y, z := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return x*x + y*y + z*z
}
