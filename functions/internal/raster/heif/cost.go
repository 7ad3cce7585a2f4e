package heif

import (
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// pictureFixed is what a picture takes beside what depends on its size, in bytes.
const pictureFixed = 4 << 20

// Cost implements codec.File. It is that of the thumbnail item, if that is decoded; the rest of the file is read.
func (f *File) Cost(job codec.Job) codec.Cost {
	p := f.primary
	if t := f.thumbnail(job.Width, job.Height); t != nil && !job.IgnoreThumbnails {
		p = t
	}
	const (
		hevcNanos, av1Nanos, byteNanos = 40, 110, 30
		shownChannels, overlayBytes    = 4, 4
		copies                         = 2 // of the data of an AV1 item; of other items, the file is held at worst
		pictureBytes                   = 0.5
	)
	cost := codec.Cost{
		Memory: plane.ReducedBytes(p.width, p.height, shownChannels, job.Width, job.Height) + copies*job.Bytes +
			pictureFixed,
		CPU: codec.Each(job.Bytes, byteNanos),
	}
	largest, decoding := int64(0), int64(0)
	for _, t := range p.allTiles() {
		width, height := t.size()
		pixels, nanos := int64(width)*int64(height), float64(hevcNanos)
		if s, ok := t.bitstream.(*av1Stream); ok {
			nanos, decoding = float64(av1Nanos*s.layers), max(decoding, s.memory())
		}
		largest = max(largest, pixels)
		cost.CPU += codec.Each(pixels, nanos)
	}
	cost.Memory += decoding
	rowOfTiles := largest * int64(max(1, p.columns))
	cost.Memory += int64(pictureBytes * float64(min(rowOfTiles, largest+int64(p.width)*int64(p.height))))
	if p.alpha != nil {
		cost.Memory += int64(p.width) * int64(p.height)
	}
	if p.overlay != nil {
		cost.Memory += overlayBytes * int64(p.width) * int64(p.height)
	}
	return cost
}
