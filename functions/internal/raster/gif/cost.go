package gif

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Cost implements codec.File.
func (f *File) Cost(job codec.Job) codec.Cost {
	const (
		pixelNanos, byteNanos = 10, 5
		shownChannels         = 4
		screens               = 2 // of an animation: as it is shown, and as it was before a frame that is disposed of
	)
	pixels := int64(f.Width) * int64(f.Height)
	cost := codec.Cost{
		Memory: plane.ReducedBytes(f.Width, f.Height, shownChannels, job.Width, job.Height) + pixels, // if it is interlaced
		CPU:    codec.Each(pixels*int64(job.Frames), pixelNanos) + codec.Each(job.Bytes, byteNanos),
	}
	if job.Frames > 1 {
		cost.Memory += screens * shownChannels * pixels
	}
	return cost
}
