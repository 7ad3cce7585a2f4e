package palette

import (
	"encoding/binary"
	"image/color"
	"sync"
)

// A histogram counts colours, red in the lowest byte: each colour in a bin of its own as long as there are few, and
// then similar colours in the same bin.
type histogram struct {
	mask  uint32 // the bits that all colours of a bin have in common
	bins  []bin
	slots [1 << slotBits]uint16 // a hash table of indexes in bins, plus 1
}

// maxBins bounds the bins, which cost more time than the pixels. They fill half of the slots.
const (
	maxBins  = 1 << 12
	slotBits = 13
)

// A bin has the sums of its colours.
type bin struct {
	color                   uint32 // masked
	index                   uint8  // in the palette
	red, green, blue, count uint64
}

var histograms = sync.Pool{New: func() any { return new(histogram) }}

func newHistogram() *histogram {
	h := histograms.Get().(*histogram)
	h.mask, h.bins = 0xffffff, h.bins[:0]
	clear(h.slots[:])
	return h
}

// count counts the colours of a row of RGBA, and reports whether a pixel is transparent.
func (h *histogram) count(row []uint8) (transparent bool) {
	for ; len(row) >= 4; row = row[4:] {
		c := binary.LittleEndian.Uint32(row)
		if c>>24 < alphaThreshold {
			transparent = true
			continue
		}
		b := h.bin(c)
		for b == nil {
			b = h.add(c)
		}
		b.red += uint64(c & 0xff)
		b.green += uint64(c >> 8 & 0xff)
		b.blue += uint64(c >> 16 & 0xff)
		b.count++
	}
	return transparent
}

// bin returns the bin of a colour, or nil.
func (h *histogram) bin(c uint32) *bin {
	c &= h.mask
	for slot := hash(c); ; slot = (slot + 1) % uint32(len(h.slots)) {
		switch index := h.slots[slot]; {
		case index == 0:
			return nil
		case h.bins[index-1].color == c:
			return &h.bins[index-1]
		}
	}
}

func hash(c uint32) uint32 { return c * 0x9e3779b1 >> (32 - slotBits) }

// add makes a bin for a colour. If there are too many bins, it coarsens them and may return nil.
func (h *histogram) add(c uint32) *bin {
	if len(h.bins) == maxBins {
		h.coarsen()
		return h.bin(c)
	}
	h.bins = append(h.bins, bin{color: c & h.mask})
	h.insert(len(h.bins))
	return &h.bins[len(h.bins)-1]
}

// insert enters bin n, counted from 1, into the hash table.
func (h *histogram) insert(n int) {
	slot := hash(h.bins[n-1].color)
	for h.slots[slot] != 0 {
		slot = (slot + 1) % uint32(len(h.slots))
	}
	h.slots[slot] = uint16(n)
}

// coarsen widens the bins: in red and blue, or if these are wider already, in green, to which eyes are more sensitive.
func (h *histogram) coarsen() {
	const red, green, blue = 0xff, 0xff00, 0xff0000
	if h.mask&red == h.mask&green>>8 {
		h.mask = h.mask&green | h.mask&red<<1&red | h.mask&blue<<1&blue
	} else {
		h.mask = h.mask&(red|blue) | h.mask&green<<1&green
	}
	clear(h.slots[:])
	all := h.bins
	h.bins = h.bins[:0]
	for _, b := range all {
		if same := h.bin(b.color); same != nil {
			same.red += b.red
			same.green += b.green
			same.blue += b.blue
			same.count += b.count
			continue
		}
		b.color &= h.mask
		h.bins = append(h.bins, b)
		h.insert(len(h.bins))
	}
}

// palette chooses at most limit colours, and sets the index of each bin.
func (h *histogram) palette(limit int) color.Palette {
	if h.mask == 0xffffff && len(h.bins) <= limit {
		return h.exact()
	}
	all := h.weightedColors()
	p := quantize(all, limit)
	for _, s := range all {
		h.bins[s.bin].index = uint8(s.nearest)
	}
	return p
}

func (h *histogram) exact() color.Palette {
	var p color.Palette
	for i := range h.bins {
		c := h.bins[i].color
		h.bins[i].index = uint8(i)
		p = append(p, color.NRGBA{uint8(c), uint8(c >> 8), uint8(c >> 16), 0xff})
	}
	return p
}

func (h *histogram) weightedColors() []weightedColor {
	all := make([]weightedColor, len(h.bins))
	for i := range h.bins {
		all[i] = weightedColor{color: h.bins[i].mean(), count: float32(h.bins[i].count), bin: i}
	}
	return all
}

// mean is the mean colour of a bin, scaled.
func (b *bin) mean() [3]float32 {
	n := float32(b.count)
	return [3]float32{float32(b.red) / n * redScale, float32(b.green) / n * greenScale, float32(b.blue) / n * blueScale}
}
