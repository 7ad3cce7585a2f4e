package raster

import (
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
)

// A Cost is what making renditions takes at most, as far as the headers say: memory of this process in bytes, and time
// of a core. It is what budgets are in. The formula of each format is in its package, as Cost.
type Cost = codec.Cost

// What every image takes, whatever its size: buffers, tables and a colour profile.
const fixedMemory, fixedTime = 2 << 20, 2 * time.Millisecond

// perPixel is what each pixel of a rendition takes at most to be resampled and encoded, in bytes and in nanoseconds:
// what was measured for noise, which compresses least, rounded up.
type perPixel struct {
	// memory is needed while the rendition is made. It is the largest that counts: they are made one after the other.
	memory int64
	// file remains of it until all are made, and of each frame of an animation, frame.
	file, frame int64
	nanos       float64
}

// What adjustments, a background and a watermark take beside. Blur and Sharpen cost by their standard deviation.
const (
	drawnMemory             = 10
	drawnNanos              = 60
	blurNanos, blurStdNanos = 50, 20
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
	outputs := p.outputs(targets)
	frames := p.job(outputs).Frames
	var sum outputSum
	for _, o := range outputs {
		width, height := o.size(o.view(p.header.Width, p.header.Height, p.header.Orientation, position{}))
		sum.add(o.Target, writtenBy(o.entry), int64(width)*int64(height), int64(min(o.Frames, frames)))
	}
	return sum.cost()
}

// CostOf estimates what renditions take at most beside the decoding of an image that is as large as their boxes, and
// has as many frames as limits allow. A side of a box counts as long as the other one at most if that is shorter than
// free, which stands for a side without limit.
func CostOf(limits Limits, free int, targets ...Target) Cost {
	var sum outputSum
	for _, t := range targets {
		width, height := t.Box.Width, t.Box.Height
		if width >= free {
			width = height
		}
		if height >= free {
			height = width
		}
		pixels, frames := int64(width)*int64(height), int64(1)
		entry := formats.find(t.Format)
		if entry == nil || entry.newAnimation != nil {
			frames = max(1, min(int64(t.Frames), limits.bufferedPixels()/pixels))
		}
		each := writtenBy(entry)
		if entry == nil { // that of the original, whichever costs most
			each = formats.find(WebP).written
			each.frame = formats.find(GIF).written.frame
		}
		sum.add(t, each, pixels, frames)
	}
	return sum.cost()
}

// writtenBy is what a format takes. entry is nil for one that depends on the pixels.
func writtenBy(entry *formatEntry) perPixel {
	if entry == nil {
		entry = formats.find(alphaFallback)
	}
	return entry.written
}

// An outputSum adds what renditions cost.
type outputSum struct {
	largest, kept int64 // bytes
	nanos         float64
}

// add adds a rendition.
func (s *outputSum) add(t Target, each perPixel, pixels, frames int64) {
	if t.Adjustments != (Adjustments{}) || t.Watermark != nil || t.Fit == FitContain {
		each.memory += drawnMemory
		each.nanos += drawnNanos
	}
	for _, deviation := range []float64{t.Adjustments.Blur, t.Adjustments.Sharpen} {
		if deviation > 0 {
			each.nanos += blurNanos + blurStdNanos*deviation
		}
	}
	s.largest = max(s.largest, each.memory*pixels)
	s.kept += each.file * pixels
	if frames > 1 {
		s.kept += each.frame * pixels * frames
	}
	s.nanos += each.nanos * float64(pixels*frames)
}

func (s *outputSum) cost() Cost {
	return Cost{Memory: s.largest + s.kept, CPU: time.Duration(s.nanos)}
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
	job := codec.Job{Frames: 1, IgnoreThumbnails: p.limits.IgnoreThumbnails, Nearest: len(outputs) > 0}
	for _, out := range outputs {
		job.Nearest = job.Nearest && out.Filter == FilterNearest
		width, height := out.decodeSize(p.header.Width, p.header.Height)
		job.Width, job.Height, job.Frames = max(job.Width, width), max(job.Height, height), max(job.Frames, out.Frames)
	}
	if job.Nearest && slices.ContainsFunc(outputs, func(out output) bool { return !out.shows(job, p.header) }) {
		// What is picked of these pixels is within a sixth of a pixel from the nearest one.
		const oversampling = 3
		job.Width, job.Height = oversampling*job.Width, oversampling*job.Height
	}
	job.Frames = int(max(1, min(int64(job.Frames), p.limits.pixelsOf(p.header)/p.header.Pixels())))
	return job
}
