package jpeg

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Cost implements codec.File. A baseline file takes the planes at the scale of the copy; a progressive one also the
// coefficients that the scale needs, because its scans come one after the other.
func (f *File) Cost(job codec.Job) codec.Cost {
	const (
		// A block of a few bits; one of a progressive file at a scale of 1, of which AC scans are skipped; and at others.
		blockNanos, blockNanosDC, blockNanosAC = 60, 40, 500
		byteNanos                              = 3
	)
	d := &decoder{File: f, frame: f.frame, tables: f.tables}
	d.setScales(job.Width, job.Height, d.colorModel() == plane.YCbCr)
	cost := codec.Cost{CPU: codec.Each(job.Bytes, byteNanos)}
	for _, c := range d.components {
		blocks, perBlock := d.blocks(c), float64(blockNanos)
		cost.Memory += blocks * int64(c.scale*c.scale)
		if f.frame.progressive {
			cost.Memory += blocks * c.coefBytes()
			perBlock = blockNanosDC
		}
		if f.frame.progressive && c.scale > 1 {
			perBlock = blockNanosAC
		}
		cost.CPU += codec.Each(blocks, perBlock)
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
