#include "textflag.h"

// func selectVectors(row, above *uint32, count int)
//
// X0 is the pixel to the left, X1 the one above, X2 the one to the upper left.
TEXT ·selectVectors(SB), NOSPLIT, $0-24
	MOVQ row+0(FP), DI
	MOVQ above+8(FP), SI
	MOVQ count+16(FP), CX
	MOVSS (DI), X0
	MOVSS (SI), X2

pixels:
	ADDQ $4, DI
	ADDQ $4, SI
	MOVSS (SI), X1
	MOVSS (DI), X5
	MOVO X1, X3
	PSADBW X2, X3
	MOVO X0, X4
	PSADBW X2, X4
	PCMPGTL X3, X4
	PXOR X1, X0
	PAND X4, X0
	PXOR X1, X0
	PADDB X5, X0
	MOVSS X0, (DI)
	MOVO X1, X2
	DECQ CX
	JNE pixels
	RET
