package jpeg

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Cost implements codec.File. A baseline file takes the planes at the scale of the copy; a progressive one also the
// coefficients that the scale needs, because its scans come one after the other.
func (f *File) Cost(job codec.Job) codec.Cost {
	const (
		// At a scale of 1, of which a progressive file skips all scans but those of DC, and at others.
		blockNanosDC, blockNanos, blockNanosProgressive = 45, 200, 500
		byteNanos                                       = 2.5
	)
	d := &decoder{File: f, frame: f.frame, tables: f.tables}
	d.setScales(job.Width, job.Height, d.colorModel() == plane.YCbCr)
	cost := codec.Cost{CPU: codec.Each(job.Bytes, byteNanos)}
	for _, c := range d.components {
		blocks := d.blocks(c)
		cost.Memory += blocks * int64(c.scale*c.scale)
		if f.frame.progressive {
			cost.Memory += blocks * c.coefBytes()
		}
		switch {
		case c.scale == 1:
			cost.CPU += codec.Each(blocks, blockNanosDC)
		case f.frame.progressive:
			cost.CPU += codec.Each(blocks, blockNanosProgressive)
		default:
			cost.CPU += codec.Each(blocks, blockNanos)
		}
	}
	return cost
}

// blocks is the number of blocks of a component, padded to whole MCUs.
func (f *frame) blocks(c *component) int64 {
	unitsX, unitsY := f.mcus()
	return int64(unitsX*c.h) * int64(unitsY*c.v)
}

// coefBytes is the memory of the coefficients of a block: see allocate.
func (c *component) coefBytes() int64 {
	const coefSize, nonzeroSize = 2, 8
	size := int64(coefSize * (lastCoef[c.scale] + 1))
	if c.scale > 1 {
		size += nonzeroSize
	}
	return size
}
