package gif

import (
	"encoding/binary"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// An indexPicker is a plane.Picker for rows of indexes.
type indexPicker struct {
	*plane.Picker
	table       *colorTable
	row         []byte // RGBA
	transparent bool   // whether any pixel so far is
}

func newIndexPicker(t *colorTable, width, height, toWidth, toHeight int) *indexPicker {
	return &indexPicker{
		Picker: plane.NewPicker(width, height, 4, toWidth, toHeight), table: t, row: make([]byte, 4*width),
	}
}

func (p *indexPicker) add(x int, indexes []uint8) {
	if p.Skip() {
		return
	}
	clear(p.row)
	for i, index := range indexes {
		binary.LittleEndian.PutUint32(p.row[4*(x+i):], p.table[index])
	}
	p.transparent = p.transparent || !isOpaque(p.row)
	p.Add(p.row)
}

func (p *indexPicker) image(width, height int) *plane.Image {
	return colored(width, height, p.Planes(), p.transparent)
}
