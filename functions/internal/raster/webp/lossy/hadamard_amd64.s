#include "textflag.h"

// LOAD makes words of two rows of 4 pixels, at OFFSET and 32 bytes after it. X5 is 0.
#define LOAD(FROM, OFFSET, TO, OTHER) \
	MOVSS OFFSET(FROM), TO \
	MOVSS (OFFSET+32)(FROM), OTHER \
	PUNPCKLLQ OTHER, TO \
	PUNPCKLBW X5, TO

// ABS makes words positive.
#define ABS(X, OTHER) \
	MOVO X5, OTHER \
	PSUBW X, OTHER \
	PMAXSW OTHER, X

// MAXPAIR leaves the larger of two neighbouring words in the first.
#define MAXPAIR(X, OTHER) \
	MOVO X, OTHER \
	PSRLL $16, OTHER \
	PMAXSW OTHER, X

// func hadamardVectors(source, predicted *uint8, across, down int) int32
TEXT ·hadamardVectors(SB), NOSPLIT, $0-36
	MOVQ source+0(FP), SI
	MOVQ predicted+8(FP), DI
	MOVQ across+16(FP), R8
	MOVQ down+24(FP), CX
	PXOR X5, X5
	PXOR X7, X7 // the sums
	MOVQ $0x0000000100000001, AX
	MOVQ AX, X6
	PUNPCKLQDQ X6, X6

rows:
	MOVQ SI, R9
	MOVQ DI, R10
	MOVQ R8, BX

blocks:
	LOAD(R9, 0, X0, X4)
	LOAD(R9, 64, X1, X4)
	LOAD(R10, 0, X2, X4)
	LOAD(R10, 64, X3, X4)
	PSUBW X2, X0 // the differences of rows 0 and 1
	PSUBW X3, X1 // of rows 2 and 3

	// Down.
	MOVO X0, X2
	PADDW X1, X0
	PSUBW X1, X2
	MOVO X0, X1
	PUNPCKLQDQ X2, X0
	PUNPCKHQDQ X2, X1
	MOVO X0, X2
	PADDW X1, X0
	PSUBW X1, X2

	// Across: columns 0 and 1 of all rows, and columns 2 and 3.
	MOVO X0, X1
	PUNPCKLLQ X2, X0
	PUNPCKHLQ X2, X1
	MOVO X0, X2
	PUNPCKLQDQ X1, X0
	PUNPCKHQDQ X1, X2
	MOVO X0, X1
	PADDW X2, X0
	PSUBW X2, X1

	// |a+b| + |a-b| is twice the larger of |a| and |b|.
	ABS(X0, X2)
	ABS(X1, X2)
	MAXPAIR(X0, X2)
	MAXPAIR(X1, X2)
	PADDW X1, X0
	PMADDWL X6, X0
	PADDL X0, X7
	ADDQ $4, R9
	ADDQ $4, R10
	SUBQ $1, BX
	JNE blocks
	ADDQ $128, SI
	ADDQ $128, DI
	SUBQ $1, CX
	JNE rows

	PSHUFD $0x4e, X7, X0
	PADDL X0, X7
	PSHUFD $0xb1, X7, X0
	PADDL X0, X7
	MOVQ X7, AX
	ADDL AX, AX
	MOVL AX, ret+32(FP)
	RET
