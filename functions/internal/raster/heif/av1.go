package heif

import (
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/av1"
)

// av1Stream is an AV1 bitstream.
type av1Stream struct {
	config        *av1.Config
	width, height int
	layers        int  // that the meta box states
	stated        cicp // by the sequence header of an item that was read, or unknown
}

// unknown is the interpretation of samples whose sequence header was not read.
var unknown = cicp{unspecified, unspecified, unspecified, true}

// maxAV1Headers is how many bytes the OBUs up to the end of a sequence header may have. Files have some 20.
const maxAV1Headers = 4 << 10

// configureAV1 parses an av1C property. Before the data of an item, only its ispe property states the size (AV1 Image
// File Format, section 2.2.2.1, requires it); decode checks it.
func configureAV1(av1C []byte, width, height int, layers selection) (bitstream, error) {
	if len(av1C) > maxAV1Headers { // it is parsed for each size that items have
		return nil, damaged("its av1C property has %d bytes, expected at most %d", len(av1C), maxAV1Headers)
	}
	config, err := av1.ParseConfig(av1C)
	if err != nil {
		return nil, err
	}
	const longestSide = 1 << 16 // that AV1 can code
	if width < 1 || height < 1 || width > longestSide || height > longestSide {
		return nil, damaged("the ispe property of an AV1 picture is %dx%d pixels, expected 1x1 to %dx%d", width, height,
			longestSide, longestSide)
	}
	config = config.Select(layers.point, min(layers.layer, av1.AllLayers))
	count := config.Layers()
	if count == 0 {
		count = layers.decoded()
	}
	return &av1Stream{config, width, height, count, unknown}, nil
}

func (s *av1Stream) size() (width, height int) { return s.width, s.height }

func (s *av1Stream) format() format {
	f := s.config.Format
	return format{isGray: f.Gray, stepX: f.StepX, stepY: f.StepY, depth: f.Depth, chromaDepth: f.Depth}
}

func (s *av1Stream) cicp() cicp { return s.stated }

// decode decodes the data of an item, after it has checked its headers.
func (s *av1Stream) decode(r io.Reader, o decodeOptions, show func(*rows) error) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	header, err := s.config.ReadHeader(data)
	if err != nil {
		return err
	}
	if header.Width != s.width || header.Height != s.height {
		return damaged("its AV1 picture is %dx%d pixels, expected %dx%d, as its ispe property says", header.Width,
			header.Height, s.width, s.height)
	}
	if limit := s.memory() + pictureFixed; header.Memory > limit {
		return unsupported("%s with layers that take %d KB, more than the %d KB for a picture of its size and %d layers",
			header.Memory/1000, limit/1000, s.layers)
	}
	band := band{o: &o}
	options := av1.Options{SkipFilters: !o.filter, Check: o.check}
	return s.config.Decode(data, options, func(decoded *av1.Rows) error {
		for i, p := range decoded {
			band.set(i, p.Pix8, p.Pix16, p.Stride, p.Width, p.Height)
		}
		return show(&band.rows)
	})
}

// memory is what decoding a picture takes in bytes at most: its samples, which are held if blocks are copied within it,
// and the state of its blocks. For two layers, this suffices in most pictures; for more, the file has to state them.
// See package av1.
func (s *av1Stream) memory() int64 {
	f := s.config.Format
	pixels := int64(s.width) * int64(s.height)
	samples := pixels
	if !f.Gray {
		samples += 2 * pixels / int64(f.StepX*f.StepY)
	}
	return int64(s.layers) * (2*samples + pixels)
}

// readColors reads the interpretation of the samples of a picture from its first item, if nothing else states it. Data
// from position later on is needed afterwards.
func (f *File) readColors(p *picture, later int64) error {
	if p.cicp != nil || len(p.tiles) == 0 {
		return nil
	}
	first := p.tiles[0]
	s, ok := first.bitstream.(*av1Stream)
	if !ok || s.stated != unknown {
		return nil
	}
	data, err := f.data(first.item)
	if err != nil {
		return err
	}
	data.later = min(later, p.start())
	start, err := io.ReadAll(io.LimitReader(data, maxAV1Headers))
	if err != nil {
		return err
	}
	if header, ok := s.config.ReadSequence(start); ok {
		s.stated = cicp{header.Primaries, header.Transfer, header.Matrix, header.FullRange}
	}
	return nil
}
