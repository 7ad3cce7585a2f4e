package lossy

import "encoding/binary"

// A predictionBuffer is a macroblock that is being decoded, with the pixels above and to the left that it is predicted
// from. Its first 17 rows are luma, the others Cb beside Cr.
type predictionBuffer [26 * stride]uint8

// Offsets in a predictionBuffer.
const (
	stride = 32

	lumaAt = stride + 8
	blueAt = 18*stride + 8
	redAt  = blueAt + 16
)

// Values of the pixels above and to the left of the image.
const (
	beyondTop  = 127
	beyondLeft = 129
)

const (
	lanes      = 0x00ff00ff00ff00ff // every second byte of a word
	ones       = 0x0001000100010001
	repeatByte = 0x0101010101010101
)

// predict fills a square of 16x16 or 8x8 pixels (sections 12.2 and 12.3).
func (p *predictionBuffer) predict(at, size, mode int, hasAbove, hasLeft bool) {
	switch mode {
	case predictDC:
		p.fill(at, size, p.average(at, size, hasAbove, hasLeft))
	case predictV:
		for i := at; i < at+size; i += 8 {
			word := p.word(i - stride)
			for y := range size {
				p.putWord(i+y*stride, word)
			}
		}
	case predictH:
		for y := at; y < at+size*stride; y += stride {
			word := uint64(p[y-1]) * repeatByte
			for i := y; i < y+size; i += 8 {
				p.putWord(i, word)
			}
		}
	case predictTM:
		p.predictTM(at, size)
	}
}

func (p *predictionBuffer) word(i int) uint64          { return binary.LittleEndian.Uint64(p[i : i+8]) }
func (p *predictionBuffer) putWord(i int, word uint64) { binary.LittleEndian.PutUint64(p[i:i+8], word) }
func (p *predictionBuffer) half(i int) uint32          { return binary.LittleEndian.Uint32(p[i : i+4]) }
func (p *predictionBuffer) putHalf(i int, word uint32) { binary.LittleEndian.PutUint32(p[i:i+4], word) }

func (p *predictionBuffer) fill(at, size int, v uint8) {
	word := uint64(v) * repeatByte
	for y := at; y < at+size*stride; y += stride {
		for i := y; i < y+size; i += 8 {
			p.putWord(i, word)
		}
	}
}

// average is the average of the pixels above and to the left that are in the image.
func (p *predictionBuffer) average(at, size int, hasAbove, hasLeft bool) uint8 {
	sum, count := 0, 0
	if hasAbove {
		for _, v := range p[at-stride : at-stride+size] {
			sum += int(v)
		}
		count += size
	}
	if hasLeft {
		for y := range size {
			sum += int(p[at+y*stride-1])
		}
		count += size
	}
	if count == 0 {
		return 128
	}
	return uint8((sum + count/2) / count)
}

// predictTM adds the left pixel to the one above and subtracts the corner, four sums to a word. The sums are 512 too
// large, so that none is negative.
func (p *predictionBuffer) predictTM(at, size int) {
	corner := uint64(p[at-stride-1])
	for i := at; i < at+size; i += 8 {
		above := p.word(i - stride)
		even, odd := above&lanes, above>>8&lanes
		for y := range size {
			difference := (uint64(p[at+y*stride-1]) + 512 - corner) * ones
			p.putWord(i+y*stride, clampLanes(even+difference)|clampLanes(odd+difference)<<8)
		}
	}
}

// clampLanes clamps four sums, which are 512 too large, to 0 to 255.
func clampLanes(sums uint64) uint64 {
	positive, large := sums>>9&ones, sums>>8&ones
	return (sums | (large<<8 - large)) & (positive<<8 - positive)
}

// predictSubblock fills 4x4 pixels (section 12.3). Right has the four pixels above and to the right.
func (p *predictionBuffer) predictSubblock(at int, mode uint8, right uint32) {
	above := p[at-stride-1 : at-stride+4 : at-stride+4]
	corner := int(above[0])
	a, b, c, d := int(above[1]), int(above[2]), int(above[3]), int(above[4])
	e, f, g, h := int(right&0xff), int(right>>8&0xff), int(right>>16&0xff), int(right>>24)
	i, j, k, l := int(p[at-1]), int(p[at+stride-1]), int(p[at+2*stride-1]), int(p[at+3*stride-1])
	switch mode {
	case subDC:
		v := uint32(a+b+c+d+i+j+k+l+4) >> 3 * 0x01010101
		p.putRows(at, v, v, v, v)
	case subTM:
		word := uint64(a) | uint64(b)<<16 | uint64(c)<<32 | uint64(d)<<48
		for y := range 4 {
			difference := uint64(int(p[at+y*stride-1])+512-corner) * ones
			p.putHalf(at+y*stride, pack(clampLanes(word+difference)))
		}
	case subVE:
		v := row(mean3(corner, a, b), mean3(a, b, c), mean3(b, c, d), mean3(c, d, e))
		p.putRows(at, v, v, v, v)
	case subHE:
		const four = 0x01010101
		p.putRows(at, mean3(corner, i, j)*four, mean3(i, j, k)*four, mean3(j, k, l)*four, mean3(k, l, l)*four)
	case subLD:
		v := uint64(row(mean3(a, b, c), mean3(b, c, d), mean3(c, d, e), mean3(d, e, f))) |
			uint64(row(mean3(e, f, g), mean3(f, g, h), mean3(g, h, h), 0))<<32
		p.putRows(at, uint32(v), uint32(v>>8), uint32(v>>16), uint32(v>>24))
	case subRD:
		v := uint64(row(mean3(j, k, l), mean3(i, j, k), mean3(corner, i, j), mean3(i, corner, a))) |
			uint64(row(mean3(corner, a, b), mean3(a, b, c), mean3(b, c, d), 0))<<32
		p.putRows(at, uint32(v>>24), uint32(v>>16), uint32(v>>8), uint32(v))
	case subVR:
		first := row(mean2(corner, a), mean2(a, b), mean2(b, c), mean2(c, d))
		second := row(mean3(i, corner, a), mean3(corner, a, b), mean3(a, b, c), mean3(b, c, d))
		p.putRows(at, first, second, first<<8|mean3(j, i, corner), second<<8|mean3(k, j, i))
	case subVL:
		first := row(mean2(a, b), mean2(b, c), mean2(c, d), mean2(d, e))
		second := row(mean3(a, b, c), mean3(b, c, d), mean3(c, d, e), mean3(d, e, f))
		p.putRows(at, first, second, first>>8|mean3(e, f, g)<<24, second>>8|mean3(f, g, h)<<24)
	case subHD:
		v := uint64(row(mean2(k, l), mean3(j, k, l), mean2(j, k), mean3(i, j, k))) |
			uint64(row(mean2(i, j), mean3(corner, i, j), mean2(corner, i), mean3(i, corner, a)))<<32
		last := row(mean2(corner, i), mean3(i, corner, a), mean3(corner, a, b), mean3(a, b, c))
		p.putRows(at, last, uint32(v>>32), uint32(v>>16), uint32(v))
	case subHU:
		v := uint64(row(mean2(i, j), mean3(i, j, k), mean2(j, k), mean3(j, k, l))) |
			uint64(row(mean2(k, l), mean3(k, l, l), uint32(l), uint32(l)))<<32
		p.putRows(at, uint32(v), uint32(v>>16), uint32(v>>32), uint32(l)*0x01010101)
	}
}

// putRows writes 4x4 pixels, a row to a word.
func (p *predictionBuffer) putRows(at int, first, second, third, fourth uint32) {
	p.putHalf(at, first)
	p.putHalf(at+stride, second)
	p.putHalf(at+2*stride, third)
	p.putHalf(at+3*stride, fourth)
}

func row(a, b, c, d uint32) uint32 { return a | b<<8 | c<<16 | d<<24 }

func pack(lanes uint64) uint32 {
	return uint32(lanes&0xff | lanes>>8&0xff00 | lanes>>16&0xff0000 | lanes>>24&0xff000000)
}

func mean2(a, b int) uint32    { return uint32(a+b+1) >> 1 }
func mean3(a, b, c int) uint32 { return uint32(a+2*b+c+2) >> 2 }
