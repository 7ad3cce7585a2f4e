package jpeg

import (
	"cmp"
	"encoding/binary"
	"io"
	"math/bits"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Quality is the default quality, of 100: what most encoders use for thumbnails, with 4:2:0 subsampling.
const Quality = 82

// Encode writes m as a baseline JPEG, without metadata. The model of m is Gray, or YCbCr with
// chroma planes of half the size. A quality of 0 means Quality. The error is that of w.
func Encode(w io.Writer, m *plane.Image, quality int) error {
	quality = cmp.Or(quality, Quality)
	e := &encoder{luma: newQuantTable(lumaQuant, quality), chroma: newQuantTable(chromaQuant, quality)}
	e.writeHeader(m)
	e.writeScan(m)
	e.file = append(e.file, 0xff, eoi)
	_, err := w.Write(e.file)
	return err
}

type encoder struct {
	file         []byte
	luma, chroma quantTable
	bitBuffer    uint64 // bits that are not in the file yet, the last in the lowest bit
	bitCount     int
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

// A quantTable is a quantization table, with the reciprocals by which division is replaced.
type quantTable struct {
	steps       [64]uint8  // in zigzag order
	reciprocals [64]uint32 // of the steps in the scale of fdct, in its order; see reciprocalBits
}

const reciprocalBits = 36 // of the fraction

// newQuantTable scales a table to a quality of 1 to 100 by libjpeg's formula.
func newQuantTable(table [64]uint8, quality int) (q quantTable) {
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	for k, at := range zigzag {
		q.steps[k] = uint8(max(1, min((int(table[at])*percent+50)/100, 255)))
		q.reciprocals[columns[k]] = reciprocal(uint64(q.steps[k]) << fdctBits)
	}
	return q
}

// reciprocal returns 1/step, rounded up if one of 40 bits would be: that decides where halves go, and with it the bytes
// of files.
func reciprocal(step uint64) uint32 {
	if (1<<40+step/2)/step*step >= 1<<40 {
		return uint32((1<<reciprocalBits + step - 1) / step)
	}
	return uint32(1 << reciprocalBits / step)
}

func (e *encoder) writeHeader(m *plane.Image) {
	e.file = append(e.file, 0xff, soi)
	e.writeSegment(app0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	e.writeSegment(dqt, append([]byte{0}, e.luma.steps[:]...))
	frame := []byte{8}
	frame = binary.BigEndian.AppendUint16(frame, uint16(m.Planes[0].Height))
	frame = binary.BigEndian.AppendUint16(frame, uint16(m.Planes[0].Width))
	if m.Model == plane.Gray {
		e.writeSegment(sof0, append(frame, 1, 1, 0x11, 0))
		e.writeDHT(lumaDCCodes, lumaACCodes)
		e.writeSegment(sos, []byte{1, 1, 0x00, 0, 63, 0})
		return
	}
	e.writeSegment(dqt, append([]byte{1}, e.chroma.steps[:]...))
	e.writeSegment(sof0, append(frame, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))
	e.writeDHT(lumaDCCodes, lumaACCodes, chromaDCCodes, chromaACCodes)
	e.writeSegment(sos, []byte{3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0})
}

func (e *encoder) writeSegment(marker byte, payload []byte) {
	e.file = append(e.file, 0xff, marker)
	e.file = binary.BigEndian.AppendUint16(e.file, uint16(len(payload)+2))
	e.file = append(e.file, payload...)
}

func (e *encoder) writeDHT(tables ...*huffmanCodes) {
	var payload []byte
	for _, t := range tables {
		payload = append(append(append(payload, t.classAndID), t.counts[:]...), t.symbols...)
	}
	e.writeSegment(dht, payload)
}

func (e *encoder) writeScan(m *plane.Image) {
	luma := m.Planes[0]
	prevDC := [3]int32{}
	if m.Model == plane.Gray {
		for y := 0; y < luma.Height; y += 8 {
			for x := 0; x < luma.Width; x += 8 {
				prevDC[0] = e.writeBlock(luma, x, y, &e.luma, prevDC[0], lumaDCCodes, lumaACCodes)
			}
		}
	} else {
		for y := 0; y < luma.Height; y += 16 {
			for x := 0; x < luma.Width; x += 16 {
				for i := range 4 {
					prevDC[0] = e.writeBlock(luma, x+8*(i%2), y+8*(i/2), &e.luma, prevDC[0], lumaDCCodes, lumaACCodes)
				}
				for i := 1; i < 3; i++ {
					prevDC[i] = e.writeBlock(m.Planes[i], x/2, y/2, &e.chroma, prevDC[i], chromaDCCodes, chromaACCodes)
				}
			}
		}
	}
	e.writeBits(0x7f, 7) // pads the last byte
	e.flush()
}

// writeBlock writes the 8x8 samples at x, y and returns the DC coefficient. Samples beyond the plane repeat its edge.
func (e *encoder) writeBlock(p plane.Plane, x, y int, q *quantTable, prevDC int32, dc, ac *huffmanCodes) int32 {
	pix, stride := p.Pix, p.Stride
	var edge [64]uint8
	if x+8 <= p.Width && y+8 <= p.Height {
		pix = pix[y*stride+x:]
	} else {
		copyEdge(&edge, p, x, y)
		pix, stride = edge[:], 8
	}
	var coefs [64]int32
	nonzero := q.quantize(pix, stride, &coefs)
	dcCoef := coefs[0]
	e.writeCoef(dc, 0, dcCoef-prevDC)
	before := 0
	for left := nonzero &^ 1; left != 0; left &= left - 1 {
		k := bits.TrailingZeros64(left)
		run := k - before - 1
		for ; run > 15; run -= 16 {
			e.writeCode(ac, 0xf0)
		}
		e.writeCoef(ac, run, coefs[columns[k&63]&63])
		before = k
	}
	if before < 63 {
		e.writeCode(ac, 0x00)
	}
	return dcCoef
}

// copyEdge copies the 8x8 samples at x, y, some of which are beyond the plane.
func copyEdge(to *[64]uint8, p plane.Plane, x, y int) {
	for v := range 8 {
		row := p.Row(min(y+v, p.Height-1))
		for u := range 8 {
			to[8*v+u] = row[min(x+u, len(row)-1)]
		}
	}
}

// columns is zigzag for coefficients that are column by column.
var columns = func() (table [64]uint8) {
	for k, at := range zigzag {
		table[k] = at&7<<3 | at>>3
	}
	return table
}()

// nibbles has, for each 4 of 64 bits that are column by column, the same in zigzag order.
var nibbles = func() (table [16][16]uint64) {
	for k, at := range columns {
		for bits := range 16 {
			table[at/4][bits] |= uint64(bits>>(at%4)&1) << k
		}
	}
	return table
}()

// quantize computes the coefficients of 8x8 samples, column by column, divides them, rounded to the nearest, and
// returns a bit for each that is not zero, in zigzag order.
func (q *quantTable) quantize(pix []uint8, stride int, coefs *[64]int32) (nonzero uint64) {
	unordered, ok := q.quantizeVectors(pix, stride, coefs)
	if !ok {
		unordered = q.quantizeSamples(pix, stride, coefs)
	}
	for i := range nibbles {
		nonzero |= nibbles[i][unordered>>(4*i)&15]
	}
	return nonzero
}

// quantizeSamples is quantize, but for the order of the bits.
func (q *quantTable) quantizeSamples(pix []uint8, stride int, coefs *[64]int32) (nonzero uint64) {
	var b pairs
	for v := range 8 {
		row, to := pix[v*stride:][:8], b[4*v:][:4]
		for i := range to {
			to[i] = int64(row[2*i]) + int64(row[2*i+1])<<32 - 128*pairOfOnes
		}
	}
	*coefs = b.fdct()
	const half = 1 << (reciprocalBits - 1)
	for i, c := range coefs {
		v := int64(c)
		sign := v >> 63
		v = (int64((uint64(v^sign-sign)*uint64(q.reciprocals[i])+half)>>reciprocalBits) ^ sign) - sign
		coefs[i] = int32(v)
		nonzero |= uint64(v|-v) >> 63 << i
	}
	return nonzero
}

// writeCoef writes a run of zeros and an AC coefficient, or a DC difference.
func (e *encoder) writeCoef(c *huffmanCodes, run int, v int32) {
	size, magnitude := bitLength(v), v+v>>31
	symbol := uint8(run<<4 | size)
	e.writeBits(uint64(c.codes[symbol])<<size|uint64(magnitude)&(1<<size-1), int(c.lengths[symbol])+size)
}

func (e *encoder) writeCode(c *huffmanCodes, symbol uint8) {
	e.writeBits(uint64(c.codes[symbol]), int(c.lengths[symbol]))
}

// writeBits appends n bits, 32 at most.
func (e *encoder) writeBits(bits uint64, n int) {
	if e.bitCount+n > 64 {
		e.flush()
	}
	e.bitBuffer = e.bitBuffer<<(n&63) | bits
	e.bitCount += n
}

// flush writes whole bytes, each 0xff followed by a stuffed zero.
func (e *encoder) flush() {
	const low, high = 0x0101010101010101, 0x8080808080808080
	word, whole := e.bitBuffer<<((64-e.bitCount)&63), e.bitCount/8
	e.bitCount %= 8
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
