#include "textflag.h"

// The products of transform.go: PMULHW has signed factors, so that that of sine is less by 1<<16.
#define COSINE 20091
#define SINE -30068

// BUTTERFLY is an inverse DCT of 4 points of four rows or columns: X0 to X3, in place.
#define BUTTERFLY \
	MOVO X1, X4 \
	MOVO X1, X5 \
	PMULHW X8, X4 \
	PMULHW X9, X5 \
	PADDW X1, X4 \ // cosine(v1)
	PADDW X1, X5 \ // sine(v1)
	MOVO X3, X6 \
	MOVO X3, X7 \
	PMULHW X8, X6 \
	PMULHW X9, X7 \
	PADDW X3, X6 \ // cosine(v3)
	PADDW X3, X7 \ // sine(v3)
	PSUBW X6, X5 \ // c
	PADDW X7, X4 \ // d
	MOVO X0, X1 \
	PADDW X2, X0 \ // sum
	PSUBW X2, X1 \ // difference
	MOVO X1, X2 \
	MOVO X0, X3 \
	PADDW X4, X0 \
	PADDW X5, X1 \
	PSUBW X5, X2 \
	PSUBW X4, X3

// TRANSPOSE exchanges rows and columns of X0 to X3: it leaves two of them in each of X0 and X2.
#define TRANSPOSE \
	PUNPCKLWL X1, X0 \
	PUNPCKLWL X3, X2 \
	MOVO X0, X1 \
	PUNPCKLLQ X2, X0 \
	PUNPCKHLQ X2, X1 \
	MOVO X1, X2

// func addVectors(b *block, pix *[blockSpan]uint8) bool
TEXT ·addVectors(SB), NOSPLIT, $0-17
	MOVQ b+0(FP), SI
	MOVQ pix+8(FP), DI
	MOVOU (SI), X0
	MOVOU 16(SI), X2
	PXOR X10, X10

	// Are all coefficients from -2048 to 2047?
	MOVQ $0x0800080008000800, AX
	MOVQ AX, X11
	PUNPCKLQDQ X11, X11
	MOVO X0, X4
	MOVO X2, X5
	PADDW X11, X4
	PADDW X11, X5
	POR X5, X4
	PSRLW $12, X4
	PCMPEQW X10, X4
	PMOVMSKB X4, AX
	CMPL AX, $0xffff
	JNE large

	MOVQ $(COSINE * 0x0001000100010001), AX
	MOVQ AX, X8
	PUNPCKLQDQ X8, X8
	MOVQ $((SINE & 0xffff) * 0x0001000100010001), AX
	MOVQ AX, X9
	PUNPCKLQDQ X9, X9
	MOVO X0, X1
	PUNPCKHQDQ X1, X1
	MOVO X2, X3
	PUNPCKHQDQ X3, X3
	BUTTERFLY
	TRANSPOSE
	MOVO X0, X1
	PUNPCKHQDQ X1, X1
	MOVO X2, X3
	PUNPCKHQDQ X3, X3
	MOVQ $0x0004000400040004, AX
	MOVQ AX, X11
	PADDW X11, X0
	BUTTERFLY
	PSRAW $3, X0
	PSRAW $3, X1
	PSRAW $3, X2
	PSRAW $3, X3
	TRANSPOSE

	MOVSS (DI), X4
	MOVSS 32(DI), X5
	PUNPCKLLQ X5, X4
	PUNPCKLBW X10, X4
	PADDW X0, X4
	PACKUSWB X4, X4
	MOVSS 64(DI), X5
	MOVSS 96(DI), X6
	PUNPCKLLQ X6, X5
	PUNPCKLBW X10, X5
	PADDW X2, X5
	PACKUSWB X5, X5
	MOVQ X4, AX
	MOVL AX, (DI)
	SHRQ $32, AX
	MOVL AX, 32(DI)
	MOVQ X5, AX
	MOVL AX, 64(DI)
	SHRQ $32, AX
	MOVL AX, 96(DI)
	MOVB $1, ret+16(FP)
	RET

large:
	MOVB $0, ret+16(FP)
	RET
