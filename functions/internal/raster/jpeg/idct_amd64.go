package jpeg

import "golang.org/x/sys/cpu"

// hasVectors reports whether the processor has AVX2. SSE2 cannot multiply 32-bit numbers.
var hasVectors = cpu.X86.HasAVX2

//go:noescape
func idct4AVX2(b *block, pix *uint8, stride int)

//go:noescape
func idct8AVX2(b *block, pix *uint8, stride int, factors *[12]int32)

//go:noescape
func fdctAVX2(pix *uint8, stride int, q *quantTable, coefs *[64]int32, factors *[12]int32) uint64

// factors are those of idct1D8 and fdct1D8.
var factors = [12]int32{
	cos6, cos2 - cos6, cos2 + cos6,
	cos3, cos7 - cos3, cos1 + cos3, cos3 + cos5, cos3 - cos5,
	cos1 + cos3 - cos5 - cos7, cos1 + cos3 + cos5 - cos7, cos1 + cos3 - cos5 + cos7, cos3 + cos5 - cos1 - cos7,
}

// idctVectors writes the samples at a scale of 4 or 8, or returns false.
func (b *block) idctVectors(pix []uint8, stride, scale int) bool {
	if !hasVectors {
		return false
	}
	pix = pix[:(scale-1)*stride+scale]
	if scale == 4 {
		idct4AVX2(b, &pix[0], stride)
	} else {
		idct8AVX2(b, &pix[0], stride, &factors)
	}
	return true
}

// quantizeVectors is quantizeSamples, or returns false.
func (q *quantTable) quantizeVectors(pix []uint8, stride int, coefs *[64]int32) (nonzero uint64, ok bool) {
	if !hasVectors {
		return 0, false
	}
	pix = pix[:7*stride+8]
	return fdctAVX2(&pix[0], stride, q, coefs, &factors), true
}
