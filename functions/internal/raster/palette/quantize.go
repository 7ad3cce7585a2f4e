package palette

import (
	"cmp"
	"image/color"
	"slices"
)

// Perceptual weights: channels are multiplied by these before distances are computed. That improves the lightness of a
// photograph by 2 to 3 dB, at the cost of blue.
const (
	redScale, greenScale, blueScale = 1.5, 2, 1

	norm = 2.692582403567252 // length of the vector of weights
)

// A weightedColor is the mean colour of some pixels, scaled, and their number.
type weightedColor struct {
	color   [3]float32
	count   float32
	bin     int // index in a histogram
	nearest int // index of the nearest palette colour
}

// kMeansRounds is how often palette colours are moved to the means of the colours nearest to them.
const kMeansRounds = 1

// quantize chooses at most limit palette colours, and sets the nearest one of each colour.
func quantize(all []weightedColor, limit int) color.Palette {
	var colors [][3]float32
	for i, g := range divide(all, limit) {
		colors = append(colors, g.mean)
		for j := range g.colors {
			g.colors[j].nearest = i
		}
	}
	near := newNearestSearch(colors)
	near.assign(all)
	for range kMeansRounds {
		near = newNearestSearch(near.means(all))
		near.assign(all)
	}
	return near.palette()
}

// palette undoes the scaling.
func (near *nearestSearch) palette() color.Palette {
	var p color.Palette
	for i := range near.colors {
		c := near.colors[i].color
		red, green, blue := roundLevel(c[0]/redScale), roundLevel(c[1]/greenScale), roundLevel(c[2]/blueScale)
		p = append(p, color.NRGBA{red, green, blue, 0xff})
	}
	return p
}

func roundLevel(v float32) uint8 { return uint8(max(0, min(v+0.5, 255))) }

// moments are sums over pixels: of the channels, of their squares, and of 1.
type moments struct {
	sum, squares [3]float64
	count        float64
}

func (m *moments) add(s *weightedColor) {
	count := float64(s.count)
	for i, v := range s.color {
		m.sum[i] += count * float64(v)
		m.squares[i] += count * float64(v) * float64(v)
	}
	m.count += count
}

func (m *moments) mean() [3]float32 {
	return [3]float32{float32(m.sum[0] / m.count), float32(m.sum[1] / m.count), float32(m.sum[2] / m.count)}
}

// A cluster is a set of similar colours, with the channel in which they vary most and how much: the sum of the squared
// distances of its pixels from their mean.
type cluster struct {
	colors   []weightedColor
	mean     [3]float32
	channel  int
	variance float64
}

func newCluster(swatches []weightedColor) cluster {
	g := cluster{colors: swatches}
	var m moments
	for i := range swatches {
		m.add(&swatches[i])
	}
	g.mean = m.mean()
	if len(swatches) == 1 {
		return g // rounding may leave a variance
	}
	for i := range g.mean {
		if spread := m.squares[i] - m.sum[i]*m.sum[i]/m.count; spread > g.variance {
			g.channel, g.variance = i, spread
		}
	}
	return g
}

// divide makes at most n clusters. It repeatedly splits the cluster that varies most, at the mean of the channel in
// which it varies most.
func divide(swatches []weightedColor, n int) []cluster {
	groups := []cluster{newCluster(swatches)}
	for len(groups) < n {
		widest := 0
		for i := range groups {
			if groups[i].variance > groups[widest].variance {
				widest = i
			}
		}
		if groups[widest].variance == 0 {
			break
		}
		low, high := groups[widest].split()
		groups[widest] = low
		groups = append(groups, high)
	}
	return groups
}

// split divides a cluster of two or more colours into two that are not empty.
func (g cluster) split() (low, high cluster) {
	all, channel, mean := g.colors, g.channel, g.mean[g.channel]
	n := 0 // number of colours up to the mean
	for i := range all {
		if all[i].color[channel] <= mean {
			all[i], all[n] = all[n], all[i]
			n++
		}
	}
	n = max(1, min(n, len(all)-1))
	return newCluster(all[:n]), newCluster(all[n:])
}

// A nearestSearch finds the nearest palette colour. It searches in the order of lightness, outwards from that of the
// colour.
type nearestSearch struct {
	colors []paletteColor
	start  [256]int // for each level of lightness, the index to begin at
}

type paletteColor struct {
	color [3]float32
	light float32
}

// lightness is the distance of a colour along the line from black to white, which is 255 * norm long.
func lightness(at [3]float32) float32 {
	return at[0]*(redScale/norm) + at[1]*(greenScale/norm) + at[2]*(blueScale/norm)
}

func newNearestSearch(colors [][3]float32) *nearestSearch {
	near := new(nearestSearch)
	for _, c := range colors {
		near.colors = append(near.colors, paletteColor{c, lightness(c)})
	}
	slices.SortFunc(near.colors, func(a, b paletteColor) int { return cmp.Compare(a.light, b.light) })
	next := 0
	for level := range near.start {
		for next < len(colors)-1 && near.colors[next].light < (float32(level)+0.5)*norm {
			next++
		}
		near.start[level] = next
	}
	return near
}

// assign finds the nearest palette colour of each colour. It is fast if the previous result is near.
func (near *nearestSearch) assign(all []weightedColor) {
	last := 0
	for i := range all {
		s := &all[i]
		last = near.nearest(s.color, last)
		s.nearest = last
	}
}

// nearest returns the index of the nearest palette colour, given one that may be near.
func (near *nearestSearch) nearest(at [3]float32, hint int) int {
	light := lightness(at)
	best, nearest := hint, near.colors[hint].distance(at)
	start := near.start[uint8(light*(1/norm))]
	for i := start; i < len(near.colors); i++ {
		c := &near.colors[i]
		if d := c.light - light; d > 0 && d*d >= nearest {
			break
		}
		if d := c.distance(at); d < nearest {
			best, nearest = i, d
		}
	}
	for i := start - 1; i >= 0; i-- {
		c := &near.colors[i]
		if d := c.light - light; d < 0 && d*d >= nearest {
			break
		}
		if d := c.distance(at); d < nearest {
			best, nearest = i, d
		}
	}
	return best
}

func (n *paletteColor) distance(at [3]float32) float32 {
	x, y, z := n.color[0]-at[0], n.color[1]-at[1], n.color[2]-at[2]
	return x*x + y*y + z*z
}

// means returns the mean of the colours nearest to each palette colour. A palette colour without any stays.
func (near *nearestSearch) means(all []weightedColor) [][3]float32 {
	sums := make([]moments, len(near.colors))
	for i := range all {
		sums[all[i].nearest].add(&all[i])
	}
	means := make([][3]float32, len(sums))
	for i := range sums {
		if means[i] = near.colors[i].color; sums[i].count > 0 {
			means[i] = sums[i].mean()
		}
	}
	return means
}
