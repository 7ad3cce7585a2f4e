#include "textflag.h"

// func addPaeth(row, above *uint8, count, pixel int)
//
// Three or four channels of a pixel are in lanes of 16 bits. In X0 is a, in X1 c, in X2 b, and in X3 the next pixel,
// which is loaded before the fourth byte is stored, because that of three is the first one of the next pixel.
TEXT ·addPaeth(SB), NOSPLIT, $0-32
	MOVQ row+0(FP), DI
	MOVQ above+8(FP), SI
	MOVQ count+16(FP), CX
	MOVQ pixel+24(FP), DX
	PXOR X7, X7
	PCMPEQW X6, X6 // -1
	MOVL (DI), X0
	PUNPCKLBW X7, X0
	MOVL (SI), X1
	PUNPCKLBW X7, X1
	ADDQ DX, DI
	ADDQ DX, SI
	MOVL (DI), X3
	PUNPCKLBW X7, X3

next:
	MOVL (SI), X2
	PUNPCKLBW X7, X2
	MOVO X1, X4
	PADDW X1, X4
	PADDW X1, X4
	PSUBW X2, X4
	MOVO X4, X5
	PSUBW X6, X4 // 3c - b + 1
	PADDW X6, X5 // 3c - b - 1
	MOVO X0, X8
	PMINSW X2, X8 // low
	MOVO X0, X9
	PMAXSW X2, X9 // high
	PSUBW X0, X4
	PSUBW X0, X5
	PCMPGTW X9, X4 // limit + 1 > high
	MOVO X8, X10
	PCMPGTW X5, X10 // low > limit - 1
	PAND X4, X8
	PAND X10, X9
	POR X4, X10
	PANDN X1, X10 // neither: c
	POR X9, X8
	POR X10, X8
	PADDB X3, X8
	MOVO X8, X0
	MOVO X2, X1
	MOVL (DI)(DX*1), X3
	PUNPCKLBW X7, X3
	PACKUSWB X8, X8
	MOVL X8, (DI)
	ADDQ DX, DI
	ADDQ DX, SI
	DECQ CX
	JNZ next
	RET

// func addAverage(row, above *uint8, count, pixel int)
//
// PAVGB rounds up: what it adds is subtracted again.
TEXT ·addAverage(SB), NOSPLIT, $0-32
	MOVQ row+0(FP), DI
	MOVQ above+8(FP), SI
	MOVQ count+16(FP), CX
	MOVQ pixel+24(FP), DX
	PCMPEQB X6, X6
	PXOR X7, X7
	PSUBB X6, X7 // 1
	MOVL (DI), X0
	ADDQ DX, DI
	ADDQ DX, SI
	MOVL (DI), X3

next:
	MOVL (SI), X2
	MOVO X0, X4
	PXOR X2, X4
	PAND X7, X4
	PAVGB X2, X0
	PADDB X3, X0
	PSUBB X4, X0
	MOVL (DI)(DX*1), X3
	MOVL X0, (DI)
	ADDQ DX, DI
	ADDQ DX, SI
	DECQ CX
	JNZ next
	RET

// func addLeft(row *uint8, count, pixel int)
TEXT ·addLeft(SB), NOSPLIT, $0-24
	MOVQ row+0(FP), DI
	MOVQ count+8(FP), CX
	MOVQ pixel+16(FP), DX
	MOVL (DI), X0
	ADDQ DX, DI
	MOVL (DI), X3

next:
	PADDB X3, X0
	MOVL (DI)(DX*1), X3
	MOVL X0, (DI)
	ADDQ DX, DI
	DECQ CX
	JNZ next
	RET

// func addAbove(row, above *uint8, count int)
TEXT ·addAbove(SB), NOSPLIT, $0-24
	MOVQ row+0(FP), DI
	MOVQ above+8(FP), SI
	MOVQ count+16(FP), CX

next:
	MOVOU (DI), X0
	MOVOU (SI), X1
	PADDB X1, X0
	MOVOU X0, (DI)
	ADDQ $16, DI
	ADDQ $16, SI
	SUBQ $16, CX
	JNZ next
	RET
