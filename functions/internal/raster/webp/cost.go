package webp

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// isPlainLossy reports whether the file is known to have a lossy bitstream without alpha. Of one with a VP8X chunk the
// bitstream follows later, and may be lossless.
func (f *File) isPlainLossy() bool { return f.first.name == "VP8 " }

// Cost implements codec.File. A lossless bitstream of a few bytes may have any number of pixels. It takes memory for the
// parameters of its transforms, of which there may be one for 16 pixels; alpha is held compressed.
func (f *File) Cost(job codec.Job) codec.Cost {
	const (
		lossyNanos, pixelNanos, byteNanos = 22, 32, 25
		shownChannels, pixelBytes         = 4, 2
		ring                              = 8 << 20 // of the last pixels, and code tables
	)
	pixels := int64(f.Width) * int64(f.Height)
	cost := codec.Cost{
		Memory: plane.ReducedBytes(f.Width, f.Height, shownChannels, job.Width, job.Height),
		CPU:    codec.Each(job.Bytes, byteNanos),
	}
	if f.isPlainLossy() {
		cost.CPU += codec.Each(pixels, lossyNanos)
		return cost
	}
	cost.Memory += pixelBytes*pixels + ring
	cost.CPU += codec.Each(pixels*int64(job.Frames), pixelNanos)
	if job.Frames > 1 {
		cost.Memory += shownChannels * pixels
	}
	return cost
}
