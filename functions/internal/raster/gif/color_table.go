package gif

import (
	"encoding/binary"
)

// A colorTable has the colours of a frame as RGBA, the first channel in the lowest byte. The transparent colour is 0,
// so that colours are premultiplied.
type colorTable [maxColors]uint32

// newColorTable returns the table of a frame: the local colours, or else the global ones, or else levels of gray.
// Indexes beyond the table are opaque black, as in Pillow.
func newColorTable(f *frame, global []byte) *colorTable {
	t, colors := new(colorTable), f.colorTable
	if colors == nil {
		colors = global
	}
	for i := range t {
		color := [4]byte{byte(i), byte(i), byte(i), 0xff}
		if colors != nil {
			color = [4]byte{3: 0xff}
			copy(color[:3], colors[min(3*i, len(colors)):])
		}
		t[i] = binary.LittleEndian.Uint32(color[:])
	}
	if f.transparent != noTransparency {
		t[f.transparent] = 0
	}
	return t
}

// isGray reports whether all colours are levels of gray and opaque.
func (t *colorTable) isGray() bool {
	for _, color := range t {
		if color&0xff != color>>8&0xff || color&0xff != color>>16&0xff || color>>24 != 0xff {
			return false
		}
	}
	return true
}

// widened is the table with 16 bits for each channel.
func (t *colorTable) widened() *[maxColors]uint64 {
	wide := new([maxColors]uint64)
	for i, color := range t {
		for shift := 0; shift < 32; shift += 8 {
			wide[i] |= uint64(color>>shift&0xff) << (2 * shift)
		}
	}
	return wide
}
