package webp

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// isPlainLossy reports whether the file is known to have a lossy bitstream without alpha. Of one with a VP8X chunk the
// bitstream follows later, and may be lossless.
func (f *File) isPlainLossy() bool { return f.first.name == "VP8 " }

// Cost implements codec.File. A lossless bitstream of a few bytes may have any number of pixels. It takes memory for
// the parameters of its transforms, of which there may be one for 16 pixels, and for its prefix codes. Alpha is held
// compressed.
func (f *File) Cost(job codec.Job) codec.Cost {
	const (
		lossyNanos, pixelNanos, byteNanos = 15, 22, 20
		shownChannels, canvasBytes        = 4, 4
		ringBytes, pixelBytes             = 4 << 20, 1.5
		maxCodeBytes, codeBytes           = 40 << 20, 400 // codes of a file, and for each of its bytes
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
	cost.Memory += ringBytes + int64(pixelBytes*float64(pixels)) + min(maxCodeBytes, codeBytes*job.Bytes)
	if f.first.name == "" {
		cost.Memory += min(job.Bytes, pixels) // of alpha
	}
	cost.CPU += codec.Each(pixels*int64(job.Frames), pixelNanos)
	if job.Frames > 1 {
		cost.Memory += canvasBytes * pixels
	}
	return cost
}
