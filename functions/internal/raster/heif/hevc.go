package heif

import (
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/hevc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// hevcStream is an HEVC bitstream.
type hevcStream struct {
	config *hevc.Config
	info   hevc.Info
}

func configureHEVC(hvcC []byte, _, _ int) (bitstream, error) {
	config, err := hevc.ParseConfig(hvcC)
	if err != nil {
		return nil, err
	}
	info, err := config.Info()
	if err != nil {
		return nil, err
	}
	return &hevcStream{config, info}, nil
}

func (h *hevcStream) size() (width, height int) { return h.info.Width, h.info.Height }

func (h *hevcStream) format() format {
	f := format{isGray: h.info.Chroma == 0, stepX: 1, stepY: 1, depth: h.info.BitDepth, chromaDepth: h.info.BitDepthChroma}
	if h.info.Chroma == 1 {
		f.stepY = 2
	}
	if h.info.Chroma == 1 || h.info.Chroma == 2 {
		f.stepX = 2
	}
	return f
}

func (h *hevcStream) cicp() cicp {
	return cicp{h.info.Primaries, h.info.Transfer, h.info.Matrix, h.info.FullRange}
}

func (h *hevcStream) decode(r io.Reader, o decodeOptions, show func(*rows) error) error {
	var all rows
	var converted [3][]uint8
	options := hevc.Options{SkipFilters: !o.filter, Check: o.check}
	return h.config.Decode(r, options, func(decoded *hevc.Rows) error {
		for i, s := range decoded {
			all[i] = plane.Plane{Pix: s.Pix8, Stride: s.Stride, Width: s.Width, Height: s.Height}
			if s.Pix16 != nil {
				converted[i] = narrow(converted[i][:0], s.Pix16, s.Stride, s.Width, s.Height, o.levels[i])
				all[i].Pix, all[i].Stride = converted[i], s.Width
			}
		}
		return show(&all)
	})
}

// narrow appends the samples of a plane as 8 bits. Samples without levels have 8 bits already.
func narrow(to []uint8, from []uint16, stride, width, height int, levels []uint8) []uint8 {
	for y := range height {
		row := from[y*stride:][:width]
		if levels == nil {
			for _, v := range row {
				to = append(to, uint8(v))
			}
			continue
		}
		for _, v := range row {
			to = append(to, levels[int(v)&(len(levels)-1)])
		}
	}
	return to
}
