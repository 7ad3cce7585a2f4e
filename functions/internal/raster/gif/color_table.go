package gif

import (
	"encoding/binary"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// newColorTable returns the colours of a frame: the local ones, or else the global ones, or else levels of gray.
// Indexes beyond the table are opaque black, as in Pillow. The transparent colour is 0, so that colours are
// premultiplied.
func newColorTable(f *frame, global []byte) *plane.Colors {
	t, colors := new(plane.Colors), f.colorTable
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
