package jpeg

import (
	"cmp"
	"encoding/binary"
	"io"
	"math/bits"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Quality is what files are written with if nothing else is asked for, of 100: what most encoders take for thumbnails,
// 4:2:0.
const Quality = 82

// Encode writes m as a baseline JPEG, without metadata but a profile that it may have. Its model is Gray, or YCbCr, the
// second and third plane of half the size. A quality of 0 is Quality. The error is that of w.
func Encode(w io.Writer, m *plane.Image, quality int) error {
	quality = cmp.Or(quality, Quality)
	e := &encoder{luma: quantizer(lumaQuant, quality), chroma: quantizer(chromaQuant, quality)}
	e.header(m)
	e.pixels(m)
	e.file = append(e.file, 0xff, eoi)
	_, err := w.Write(e.file)
	return err
}

type encoder struct {
	file         []byte
	luma, chroma quant
	acc          uint64 // bits that are not in the file yet, from the lowest up
	n            int    // how many
}

// The quantization tables of T.81, annex K, row by row, for quality 50.
var (
	lumaQuant = [64]uint8{
		16, 11, 10, 16, 24, 40, 51, 61,
		12, 12, 14, 19, 26, 58, 60, 55,
		14, 13, 16, 24, 40, 57, 69, 56,
		14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77,
		24, 35, 55, 64, 81, 104, 113, 92,
		49, 64, 78, 87, 103, 121, 120, 101,
		72, 92, 95, 98, 112, 100, 103, 99,
	}
	chromaQuant = [64]uint8{
		17, 18, 24, 47, 99, 99, 99, 99,
		18, 21, 26, 66, 99, 99, 99, 99,
		24, 26, 56, 99, 99, 99, 99, 99,
		47, 66, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
	}
)

// A quant is a quantization table in zigzag order, and what its divisions are multiplied with instead.
type quant struct {
	steps   [64]uint8
	inverse [64]uint64 // of 40 bits, of the step in the scale of transform
}

// quantizer scales a table to a quality of 1 to 100, as libjpeg does.
func quantizer(table [64]uint8, quality int) (q quant) {
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	for k, at := range natural {
		q.steps[k] = uint8(max(1, min((int(table[at])*percent+50)/100, 255)))
		q.inverse[k] = (1<<40 + uint64(q.steps[k])<<(transformBits-1)) / (uint64(q.steps[k]) << transformBits)
	}
	return q
}

func (e *encoder) header(m *plane.Image) {
	e.file = append(e.file, 0xff, soi)
	e.segment(app0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	e.profile(m.Profile)
	e.segment(dqt, append([]byte{0}, e.luma.steps[:]...))
	frame := []byte{8}
	frame = binary.BigEndian.AppendUint16(frame, uint16(m.Planes[0].Height))
	frame = binary.BigEndian.AppendUint16(frame, uint16(m.Planes[0].Width))
	if m.Model == plane.Gray {
		e.segment(sof0, append(frame, 1, 1, 0x11, 0))
		e.huffmans(codesLumaDC, codesLumaAC)
		e.segment(sos, []byte{1, 1, 0x00, 0, 63, 0})
		return
	}
	e.segment(dqt, append([]byte{1}, e.chroma.steps[:]...))
	e.segment(sof0, append(frame, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))
	e.huffmans(codesLumaDC, codesLumaAC, codesChromaDC, codesChromaAC)
	e.segment(sos, []byte{3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0})
}

func (e *encoder) segment(marker byte, payload []byte) {
	e.file = append(e.file, 0xff, marker)
	e.file = binary.BigEndian.AppendUint16(e.file, uint16(len(payload)+2))
	e.file = append(e.file, payload...)
}

func (e *encoder) huffmans(tables ...*codes) {
	var payload []byte
	for _, t := range tables {
		payload = append(append(append(payload, t.selector), t.counts[:]...), t.symbols...)
	}
	e.segment(dht, payload)
}

// pixels writes the scan.
func (e *encoder) pixels(m *plane.Image) {
	luma := m.Planes[0]
	last := [3]int32{}
	if m.Model == plane.Gray {
		for y := 0; y < luma.Height; y += 8 {
			for x := 0; x < luma.Width; x += 8 {
				last[0] = e.block(luma, x, y, &e.luma, last[0], codesLumaDC, codesLumaAC)
			}
		}
	} else {
		for y := 0; y < luma.Height; y += 16 {
			for x := 0; x < luma.Width; x += 16 {
				for i := range 4 {
					last[0] = e.block(luma, x+8*(i%2), y+8*(i/2), &e.luma, last[0], codesLumaDC, codesLumaAC)
				}
				for i := 1; i < 3; i++ {
					last[i] = e.block(m.Planes[i], x/2, y/2, &e.chroma, last[i], codesChromaDC, codesChromaAC)
				}
			}
		}
	}
	e.put(0x7f, 7) // fills the last byte
	e.flush()
}

// block writes the 8x8 samples at x, y, beyond the plane the nearest ones, and returns its DC coefficient.
func (e *encoder) block(p plane.Plane, x, y int, q *quant, last int32, dc, ac *codes) int32 {
	var b block
	for v := range 8 {
		row := p.Row(min(y+v, p.Height-1))
		to := b[4*v:][:4]
		if x+8 <= len(row) {
			for i := range to {
				to[i] = int64(row[x+2*i]) + int64(row[x+2*i+1])<<32 - 128*both
			}
			continue
		}
		for i := range to {
			to[i] = int64(row[min(x+2*i, len(row)-1)]) + int64(row[min(x+2*i+1, len(row)-1)])<<32 - 128*both
		}
	}
	coefs := b.transform()

	nonzero := q.divide(&coefs)
	first := coefs[0]
	e.number(dc, 0, first-last)
	before := 0
	for left := nonzero &^ 1; left != 0; left &= left - 1 {
		k := bits.TrailingZeros64(left)
		run := k - before - 1
		for ; run > 15; run -= 16 {
			e.code(ac, 0xf0)
		}
		e.number(ac, run, coefs[natural[k&63]])
		before = k
	}
	if before < 63 {
		e.code(ac, 0x00)
	}
	return first
}

// divide quantizes coefficients, to the nearest, and tells which are not zero, in zigzag order.
func (q *quant) divide(coefs *[64]int32) (nonzero uint64) {
	const half = 1 << 39
	for k, at := range natural {
		v := int64(coefs[at&63])
		sign := v >> 63
		v = (int64((uint64(v^sign-sign)*q.inverse[k]+half)>>40) ^ sign) - sign
		coefs[at&63] = int32(v)
		nonzero |= uint64(v|-v) >> 63 << k
	}
	return nonzero
}

// number writes a run of zeros and a coefficient, or the difference of one.
func (e *encoder) number(c *codes, run int, v int32) {
	size, magnitude := bitLength(v), v+v>>31
	symbol := uint8(run<<4 | size)
	e.put(uint64(c.bits[symbol])<<size|uint64(magnitude)&(1<<size-1), int(c.lengths[symbol])+size)
}

func (e *encoder) code(c *codes, symbol uint8) { e.put(uint64(c.bits[symbol]), int(c.lengths[symbol])) }

// put appends n bits, 32 at most.
func (e *encoder) put(bits uint64, n int) {
	if e.n+n > 64 {
		e.flush()
	}
	e.acc = e.acc<<(n&63) | bits
	e.n += n
}

// flush writes whole bytes, with a zero behind each 0xff.
func (e *encoder) flush() {
	const low, high = 0x0101010101010101, 0x8080808080808080
	word, whole := e.acc<<((64-e.n)&63), e.n/8
	e.n %= 8
	if word&(word&^high+low)&high == 0 { // no 0xff
		e.file = binary.BigEndian.AppendUint64(e.file, word)
		e.file = e.file[:len(e.file)-8+whole]
		return
	}
	for ; whole > 0; whole-- {
		b := byte(word >> 56)
		e.file = append(e.file, b)
		if b == 0xff {
			e.file = append(e.file, 0)
		}
		word <<= 8
	}
}
