package gif

import (
	"encoding/binary"
	"image"
	"image/color"
	"math/rand/v2"
)

// An encoding is a random way to write a GIF, including what the encoder of image/gif never does.
type encoding struct {
	*rand.Rand
	file []byte
}

func newEncoding(seed uint64) *encoding { return &encoding{Rand: rand.New(rand.NewPCG(seed, 11))} }

func (e *encoding) sides(numbers ...int) {
	for _, n := range numbers {
		e.file = binary.LittleEndian.AppendUint16(e.file, uint16(n))
	}
}

// colors is a table of random colours.
func (e *encoding) colors(bits int) (table []byte) {
	for range 3 << bits {
		table = append(table, byte(e.Uint32()))
	}
	return table
}

// screen writes a header, with a global colour table of 1<<bits colours, or none.
func (e *encoding) screen(width, height, bits int) {
	e.file = []byte([]string{"GIF87a", "GIF89a"}[e.IntN(2)])
	e.sides(width, height)
	if bits == 0 {
		e.file = append(e.file, 0, 0, 0)
		return
	}
	e.file = append(append(e.file, byte(0x80|bits-1), byte(e.Uint32()), byte(e.Uint32())), e.colors(bits)...)
}

// comment writes extensions that have no effect.
func (e *encoding) comment() {
	for range e.IntN(3) {
		e.file = append(e.file, 0x21, []byte{0xfe, 0xff}[e.IntN(2)])
		e.file = e.blocks(e.file, make([]byte, 1+e.IntN(600)))
	}
}

// blocks appends data in sub-blocks of random sizes.
func (e *encoding) blocks(file, data []byte) []byte {
	most := []int{1, 7, 255}[e.IntN(3)]
	for len(data) > 0 {
		n := min(1+e.IntN(most), len(data))
		file = append(append(file, byte(n)), data[:n]...)
		data = data[n:]
	}
	return append(file, 0)
}

// control announces a frame.
func (e *encoding) control(disposal, delay, transparent int) {
	fields := byte(disposal << 2)
	if transparent >= 0 {
		fields |= 1
	}
	e.file = append(e.file, 0x21, 0xf9, 4, fields)
	e.sides(delay)
	e.file = append(e.file, byte(max(0, transparent)), 0)
}

// frame writes indexes of the given bits, with a local colour table if local.
func (e *encoding) frame(bounds image.Rectangle, indexes []byte, bits int, local, interlaced bool) {
	e.file = append(e.file, 0x2c)
	e.sides(bounds.Min.X, bounds.Min.Y, bounds.Dx(), bounds.Dy())
	fields, table := byte(0), []byte(nil)
	if local {
		fields, table = 0x80|byte(bits-1), e.colors(bits)
	}
	if interlaced {
		fields |= 0x40
		indexes = interlace(indexes, bounds.Dx())
	}
	e.file = append(append(e.file, fields), table...)
	size := max(2, bits)
	e.file = e.blocks(append(e.file, byte(size)), e.pack(indexes, size))
}

func interlace(indexes []byte, width int) (stored []byte) {
	height := len(indexes) / max(1, width)
	for _, pass := range [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		for y := pass[0]; y < height; y += pass[1] {
			stored = append(stored, indexes[y*width:][:width]...)
		}
	}
	return stored
}

// pack is LZW with superfluous clear codes, strings that are shorter than possible, and a table that stays full for a
// while.
func (e *encoding) pack(indexes []byte, size int) (packed []byte) {
	var acc, n uint
	width := uint(size + 1)
	write := func(code int) {
		acc |= uint(code) << n
		for n += width; n >= 8; n, acc = n-8, acc>>8 {
			packed = append(packed, byte(acc))
		}
	}
	table, next, added := map[string]int{}, 0, false
	empty := func() {
		clear(table)
		next, width, added = 1<<size+2, uint(size+1), false
	}
	if e.IntN(4) > 0 {
		write(1 << size)
	}
	empty()
	clears := []int{0, 100, 20000}[e.IntN(3)]
	for len(indexes) > 0 {
		length, code := 1, int(indexes[0])
		for length < len(indexes) && e.IntN(50) > 0 {
			longer, known := table[string(indexes[:length+1])]
			if !known {
				break
			}
			length, code = length+1, longer
		}
		write(code)
		// A decoder adds the previous string with the first index of this one, so it knows one string less.
		if added && next <= 4096 && next-1 == 1<<width-1 && width < 12 {
			width++
		}
		added = true
		if next < 4096 && length < len(indexes) {
			if _, known := table[string(indexes[:length+1])]; !known {
				table[string(indexes[:length+1])] = next
			}
			next++
		} else if next == 4096 {
			next++
		}
		indexes = indexes[length:]
		if clears > 0 && e.IntN(clears) == 0 {
			write(1 << size)
			empty()
		}
	}
	write(1<<size + 1)
	for ; n > 0; n -= min(8, n) {
		packed, acc = append(packed, byte(acc)), acc>>8
	}
	return packed
}

// indexes are random, with runs.
func (e *encoding) indexes(n, bits int) []byte {
	all := make([]byte, n)
	runs := 1 + e.IntN(40)
	for i := range all {
		if all[i] = byte(e.IntN(1 << bits)); i > 0 && e.IntN(runs) > 0 {
			all[i] = all[i-1]
		}
	}
	return all
}

// random is a file of some frames.
func random(seed uint64, frames int) []byte {
	e := newEncoding(seed)
	width, height, bits := 1+e.IntN(90), 1+e.IntN(90), 1+e.IntN(8)
	e.screen(width, height, bits)
	for i := range frames {
		e.comment()
		bounds := image.Rect(0, 0, width, height)
		if i > 0 || e.IntN(2) == 0 {
			x, y := e.IntN(width), e.IntN(height)
			bounds = image.Rect(x, y, x+1+e.IntN(width-x), y+1+e.IntN(height-y))
		}
		if frames > 1 || e.IntN(3) > 0 { // without a graphic control, image/gif repeats that of the previous frame
			e.control(e.IntN(4), e.IntN(50), e.IntN(2*1<<bits)-1<<bits)
		}
		local := e.IntN(2) == 0
		frameBits := bits
		if local {
			frameBits = 1 + e.IntN(8)
		}
		e.frame(bounds, e.indexes(bounds.Dx()*bounds.Dy(), frameBits), frameBits, local, e.IntN(2) == 0)
	}
	e.comment()
	return append(e.file, 0x3b)
}

// drawOn draws a frame of image/gif.
func drawOn(screen *image.NRGBA, m *image.Paletted) {
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
			if c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA); c.A != 0 {
				screen.SetNRGBA(x, y, c)
			}
		}
	}
}
