package raster

import (
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
)

// A Cost is what making renditions takes at most, as far as the headers say: memory of this process in bytes, and time
// of a core. It is what budgets are in. The formula of each format is in its package, as Cost.
type Cost = codec.Cost

// What every image takes, whatever its size: buffers, tables and a colour profile; and what each pixel of a rendition
// takes, to be resampled and encoded.
const (
	fixedMemory, fixedTime    = 2 << 20, 2 * time.Millisecond
	outputMemory, outputNanos = 16, 150
)

// Cost estimates what Render takes for a file of size bytes, which is 0 if it is not known.
func (p *Picture) Cost(size int64, targets ...Target) Cost {
	job := p.job(p.outputs(targets))
	job.Bytes = size
	return costOf(p.file, job).Plus(p.outputCost(targets))
}

// costOf is the cost of an image without that of its renditions.
func costOf(file codec.File, job codec.Job) Cost {
	return file.Cost(job).Plus(Cost{Memory: fixedMemory, CPU: fixedTime})
}

// outputCost is the cost of resampling and encoding.
func (p *Picture) outputCost(targets []Target) Cost {
	pixels := int64(0)
	for _, o := range p.outputs(targets) {
		width, height := o.size(o.view(p.header.Width, p.header.Height, p.header.Orientation, position{}))
		pixels += int64(width) * int64(height) * int64(o.Frames)
	}
	return Cost{Memory: outputMemory * pixels, CPU: codec.Each(pixels, outputNanos)}
}

// outputs resolves targets.
func (p *Picture) outputs(targets []Target) []output {
	var all []output
	for _, t := range targets {
		all = append(all, newOutput(t, p.header, p.entry, p.table))
	}
	return all
}

// job is what the decoder is asked for: a copy that is large enough for all outputs.
func (p *Picture) job(outputs []output) codec.Job {
	job := codec.Job{Frames: 1, IgnoreThumbnails: p.limits.IgnoreThumbnails}
	for _, out := range outputs {
		width, height := out.decodeSize(p.header.Width, p.header.Height)
		job.Width, job.Height, job.Frames = max(job.Width, width), max(job.Height, height), max(job.Frames, out.Frames)
	}
	job.Frames = int(max(1, min(int64(job.Frames), p.limits.pixelsOf(p.header)/p.header.Pixels())))
	return job
}
