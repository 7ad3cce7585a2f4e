package png

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Cost implements codec.File. The time goes with the bytes that are unpacked, not with those of the file: a megabyte
// may unpack to a gigabyte.
func (f *File) Cost(job codec.Job) codec.Cost {
	const (
		filteredNanos, pixelNanos, byteNanos = 2.5, 2, 3
		shownChannels, filteredRows          = 4, 3
	)
	pixels, row := int64(f.Width)*int64(f.Height), int64(1+f.layout.rowBytes(f.Width))
	cost := codec.Cost{
		Memory: plane.ReducedBytes(f.Width, f.Height, shownChannels, job.Width, job.Height) + filteredRows*row,
		CPU: codec.Each(row*int64(f.Height), filteredNanos) + codec.Each(pixels, pixelNanos) +
			codec.Each(job.Bytes, byteNanos),
	}
	if f.interlaced {
		cost.Memory += shownChannels * int64(f.Width) * int64((f.Height+1)/2)
	}
	return cost
}
