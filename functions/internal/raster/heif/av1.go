package heif

import (
	"encoding/binary"
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/av1"
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// av1Stream is an AV1 bitstream. Its decoder shows RGB of full range and 8 bits, or luma alone, because it can show
// nothing else. A decoder that shows samples as they are coded would replace decode, and with it format and decoded.
type av1Stream struct {
	config        *av1.Config
	av1C          []byte
	width, height int
	stated        cicp // by the sequence header of an item that was decoded, or unknown
}

// unknown is the interpretation of samples that are not decoded yet, unless the file has a colr property.
var unknown = cicp{unspecified, unspecified, unspecified, true}

// configureAV1 parses an av1C property. Before the data of an item, only its ispe property states the size (AV1 Image
// File Format, section 2.2.2.1, requires it); decode checks it.
func configureAV1(av1C []byte, width, height int) (bitstream, error) {
	config, err := av1.ParseConfig(av1C)
	if err != nil {
		return nil, err
	}
	const longestSide = 1 << 16 // that AV1 can code
	if width < 1 || height < 1 || width > longestSide || height > longestSide {
		return nil, damaged("the ispe property of an AV1 picture is %dx%d pixels, expected 1x1 to %dx%d", width, height,
			longestSide, longestSide)
	}
	return &av1Stream{config, av1C, width, height, unknown}, nil
}

func (s *av1Stream) size() (width, height int) { return s.width, s.height }

func (s *av1Stream) format() format {
	return format{isGray: s.config.Format.Gray, stepX: 1, stepY: 1, depth: 8, chromaDepth: 8}
}

func (s *av1Stream) cicp() cicp { return s.stated }

func (s *av1Stream) decoded(coded cicp) cicp {
	return cicp{primaries: coded.primaries, transfer: coded.transfer, matrix: identity, full: true}
}

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
	s.stated = cicp{header.Primaries, header.Transfer, header.Matrix, header.FullRange}
	if o.coded == unknown {
		o.coded = s.stated
	}
	p := codec.AV1Picture{Width: s.width, Height: s.height, Gray: s.config.Format.Gray}
	if p.File, err = s.file(data, o.coded); err != nil {
		return err
	}
	if o.decodeAV1 == nil {
		return &codec.Fault{Err: errors.New("decode AV1: no decoder is set")}
	}
	return o.decodeAV1(p, func(decoded [3]plane.Plane) error {
		all := rows(decoded)
		return show(&all)
	})
}

// file returns an AVIF with the data of an item as its primary item, without any transformations, and with a colr
// property that says how to convert it to RGB.
func (s *av1Stream) file(data []byte, coded cicp) ([]byte, error) {
	matrix, err := s.convertibleMatrix(coded)
	if err != nil {
		return nil, err
	}
	fullRange := 0
	if coded.full {
		fullRange = 0x80
	}
	const mainID, codec = 1, "av01"
	fileType := isoBox("ftyp", "avif", 0, "avif", "mif1", "miaf")
	properties := isoBox("iprp",
		isoBox("ipco",
			isoBox("ispe", 0, s.width, s.height),
			isoBox("av1C", s.av1C),
			isoBox("colr", "nclx", uint16(1), uint16(13), uint16(matrix), uint8(fullRange)),
		),
		isoBox("ipma", 0, 1, uint16(mainID), []byte{3, 1, 0x80 | 2, 3}),
	)
	meta := func(at int) []byte {
		return isoBox("meta", 0,
			isoBox("hdlr", 0, 0, "pict", 0, 0, 0, uint8(0)),
			isoBox("pitm", 0, uint16(mainID)),
			isoBox("iloc", 0, uint16(0x4400), uint16(1), uint16(mainID), uint16(0), uint16(1), at, len(data)),
			isoBox("iinf", 0, uint16(1), isoBox("infe", 2<<24, uint16(mainID), uint16(0), codec, uint8(0))),
			properties,
		)
	}
	const mediaHeader = 8
	at := len(fileType) + len(meta(0)) + mediaHeader
	return append(append(fileType, meta(at)...), isoBox("mdat", data)...), nil
}

// convertibleMatrix returns the matrix for a conversion to RGB: as in libheif, an unknown one is that of ITU-R BT.601.
func (s *av1Stream) convertibleMatrix(coded cicp) (int, error) {
	isSubsampled := s.config.Format.StepX > 1
	switch m := coded.matrix; m {
	case bt709, fcc, bt601PAL, bt601NTSC, smpte240, bt2020:
		return m, nil
	case bt2020Const:
		return bt2020, nil
	case identity:
		if !isSubsampled {
			return m, nil
		}
	case yCgCo:
		if coded.full {
			return m, nil
		}
		return 0, unsupported("%s with the YCgCo matrix and limited range")
	}
	return bt601NTSC, nil
}

// isoBox returns a box with fields: strings and bytes as they are, and integers of their size, int as 32 bits.
func isoBox(kind string, fields ...any) []byte {
	b := append(make([]byte, 4), kind...)
	for _, field := range fields {
		switch v := field.(type) {
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		case uint8:
			b = append(b, v)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// av1Memory estimates the memory in bytes that the decoder needs for the largest AV1 picture of the file, beside its
// code: see codec.Header.
func (f *File) av1Memory() int64 {
	largest := int64(0)
	for _, t := range f.primary.allTiles() {
		if s, ok := t.bitstream.(*av1Stream); ok {
			largest = max(largest, s.memory())
		}
	}
	return largest
}

// memory estimates what libaom and libavif need, by measurements of pictures of 3 and 12 megapixels: two copies of the
// picture as RGBA, and its frame buffers and block data, with a border.
func (s *av1Stream) memory() int64 {
	const fixed, border = 8 << 20, 144
	perPixel, perCodedPixel := int64(2*4), int64(14)
	if s.config.Format.Depth > 8 {
		perPixel, perCodedPixel = 2*8, 18
	}
	width, height := int64(s.width), int64(s.height)
	return fixed + perPixel*width*height + perCodedPixel*(width+border)*(height+border)
}
