package gif

import (
	"bytes"
	"encoding/binary"
)

// A table is the colours of a frame: RGBA, the first channel in the lowest byte. The transparent one is 0, so that
// colours are premultiplied.
type table [maxColors]uint32

// newTable is that of a frame, whose own colours go before the global ones. What is beyond them is opaque black, as
// Pillow has it.
func newTable(f *frame, global []byte) *table {
	t, colors := new(table), f.colors
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
	if f.transparent != none {
		t[f.transparent] = 0
	}
	return t
}

func (t *table) isGray() bool {
	for _, color := range t {
		if color&0xff != color>>8&0xff || color&0xff != color>>16&0xff {
			return false
		}
	}
	return true
}

// A converter makes rows of indexes pixels.
type converter struct {
	*table
	// channels is 1 of gray, 3 of RGB, or 4 of RGBA.
	channels int
	// key is the index that is transparent, or none.
	key int
	// transparent tells whether any pixel was, so far.
	transparent bool
	levels      [maxColors]byte // of gray
}

// newConverter is for a frame that leaves something of the screen free, or not.
func newConverter(t *table, key int, leaves bool) *converter {
	c := &converter{table: t, channels: 3, key: key, transparent: leaves}
	switch {
	case leaves || key != none:
		c.channels = 4
	case t.isGray():
		c.channels = 1
		for i, color := range t {
			c.levels[i] = byte(color)
		}
	}
	return c
}

// excess is how many bytes convert may write behind the last pixel.
const excess = 1

// convert writes the pixels of a row.
func (c *converter) convert(to, row []byte) {
	switch c.channels {
	case 1:
		for i, index := range row {
			to[i] = c.levels[index]
		}
	case 3:
		for _, index := range row {
			binary.LittleEndian.PutUint32(to[:4], c.table[index])
			to = to[3:]
		}
	default:
		for _, index := range row {
			binary.LittleEndian.PutUint32(to[:4], c.table[index])
			to = to[4:]
		}
		if !c.transparent && c.key != none {
			c.transparent = bytes.IndexByte(row, byte(c.key)) >= 0
		}
	}
}
