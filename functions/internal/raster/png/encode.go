package png

import (
	"image"
	"image/color"
	"io"
	"math"

	"gitlab.com/yourorg/image-service/functions/internal/raster/deflate"
	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Encode writes m, with all planes at full size, as a PNG, without metadata. An opaque image without colours is written
// as gray. It compresses for speed. A copy of an image with a palette gets one, too, unless it is smaller without it.
func Encode(w io.Writer, m *plane.Image) error {
	_, err := w.Write(encode(m))
	return err
}

func encode(m *plane.Image) []byte {
	pixels := m.NRGBA()
	full := newSamples(pixels)
	if m.Indexed {
		if indexed := withPalette(pixels); indexed != nil {
			file := encodeIndexed(indexed, m.Source)
			if full.compressedLength() > 2*len(file) {
				return file
			}
			return full.encode(file)
		}
	}
	return full.encode(m.Source)
}

// withPalette returns an image in its own colours if they are few enough for a palette, and otherwise in similar ones.
// It returns nil if there are too many colours that are partly transparent.
func withPalette(pixels *image.NRGBA) *image.Paletted {
	if exact := palette.Exact(pixels); exact != nil {
		return exact
	}
	for i := 3; i < len(pixels.Pix); i += 4 {
		if a := pixels.Pix[i]; a != 0 && a != 0xff {
			return nil
		}
	}
	return palette.Reduce(pixels)
}

// samples are those of an image, without the channels that it does not need.
type samples struct {
	layout
	width, height int
	pix           []uint8
	stride        int
}

func newSamples(pixels *image.NRGBA) *samples {
	s := &samples{layout{rgba, 8}, pixels.Rect.Dx(), pixels.Rect.Dy(), pixels.Pix, pixels.Stride}
	if m, ok := palette.AsGray(pixels); ok {
		s.layout, s.pix, s.stride = layout{gray, 8}, m.Pix, m.Stride
	} else if pixels.Opaque() {
		s.layout = layout{rgb, 8}
	}
	return s
}

// encode returns the smaller file of its own and another one, if there is one.
func (s *samples) encode(other []byte) []byte {
	rows := newFilteredRows(s.layout, s.width, s.height)
	for y := range s.height {
		s.copyRow(rows.next, y)
		rows.add()
	}
	return complete(newFile(s.layout, s.width, s.height), rows.filtered, deflate.Fast, other)
}

// compressedLength estimates how many bytes the filtered rows take without matches. It takes one of eight rows, each at
// another place, because patterns may repeat every eight rows.
func (s *samples) compressedLength() int {
	const step = 8
	rows := newFilteredRows(s.layout, s.width, s.height/step)
	for i := range s.height / step {
		y := i*step + (i*5+1)%step
		if y > 0 {
			s.copyRow(rows.next, y-1)
			rows.skip()
		}
		s.copyRow(rows.next, y)
		rows.add()
	}
	return step * entropy(rows.filtered) / 8
}

func (s *samples) copyRow(to []uint8, y int) {
	row := s.pix[y*s.stride:]
	if s.colorType == rgb {
		withoutAlpha(to, row)
	} else {
		copy(to, row)
	}
}

func withoutAlpha(to, row []uint8) {
	for i := 0; i+3 <= len(to) && len(row) >= 4; i += 3 {
		to[i], to[i+1], to[i+2] = row[0], row[1], row[2]
		row = row[4:]
	}
}

// encodeIndexed is samples.encode for indexes, in as few bits as they need. Differences of indexes mean nothing, so
// these are not filtered.
func encodeIndexed(m *image.Paletted, other []byte) []byte {
	l := layout{indexed, 8}
	for l.depth > 1 && len(m.Palette) <= 1<<(l.depth/2) {
		l.depth /= 2
	}
	var colors, alphas []byte
	opaqueFrom := 0
	for i, c := range m.Palette {
		c := color.NRGBAModel.Convert(c).(color.NRGBA)
		colors, alphas = append(colors, c.R, c.G, c.B), append(alphas, c.A)
		if c.A != 0xff {
			opaqueFrom = i + 1
		}
	}
	width, height := m.Rect.Dx(), m.Rect.Dy()
	file := appendChunk(newFile(l, width, height), "PLTE", colors)
	if opaqueFrom > 0 {
		file = appendChunk(file, "tRNS", alphas[:opaqueFrom])
	}
	length := 1 + l.rowBytes(width)
	rows := make([]byte, length*height)
	for y := range height {
		to := rows[y*length+1:]
		for x, index := range m.Pix[y*m.Stride:][:width] {
			to[x*l.depth/8] |= index << (8 - l.depth - x*l.depth%8)
		}
	}
	return complete(file, rows, deflate.Thorough, other)
}

// complete appends the last chunks to a file. It returns the other file as soon as this one is not smaller.
func complete(file, rows []byte, effort deflate.Effort, other []byte) []byte {
	longest := math.MaxInt
	if other != nil {
		longest = len(other) - len(file) - 2*(chunkHeaderLength+crcLength) - 1
	}
	stream := deflate.Compress(rows, effort, longest)
	if stream == nil {
		return other
	}
	return appendChunk(appendChunk(file, "IDAT", stream), "IEND", nil)
}
