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

func configureHEVC(hvcC []byte, _, _ int, _ selection) (bitstream, error) {
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
	band := band{o: &o}
	options := hevc.Options{SkipFilters: !o.filter, Check: o.check}
	return h.config.Decode(r, options, func(decoded *hevc.Rows) error {
		for i, s := range decoded {
			band.set(i, s.Pix8, s.Pix16, s.Stride, s.Width, s.Height)
		}
		return show(&band.rows)
	})
}

// A band is decoded rows as 8 bits. Its memory is used again for the next.
type band struct {
	o         *decodeOptions
	rows      rows
	converted [3][]uint8
}

// set sets the rows of a plane. One of pix8 and pix16 is set.
func (b *band) set(i int, pix8 []uint8, pix16 []uint16, stride, width, height int) {
	if pix16 != nil {
		b.converted[i] = narrow(b.converted[i][:0], pix16, stride, width, height, b.o.levels[i])
		pix8, stride = b.converted[i], width
	}
	b.rows[i] = plane.Plane{Pix: pix8, Stride: stride, Width: width, Height: height}
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
