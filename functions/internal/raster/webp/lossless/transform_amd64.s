#include "textflag.h"

// func subtractGreenVectors(row *uint32, count int)
TEXT ·subtractGreenVectors(SB), NOSPLIT, $0-16
	MOVQ row+0(FP), DI
	MOVQ count+8(FP), CX

pixels:
	MOVOU (DI), X0
	MOVO X0, X1
	PSRLW $8, X1 // green in the lower word, and alpha in the upper one
	PSHUFLW $0xa0, X1, X1
	PSHUFHW $0xa0, X1, X1 // green in both
	PADDB X1, X0
	MOVOU X0, (DI)
	ADDQ $16, DI
	SUBQ $4, CX
	JGT pixels
	RET

// func crossColorVectors(row *uint32, count int, greenFactors, redToBlue uint32)
//
// PMULHW multiplies levels in the upper byte of a word by factors that are 8 times as large, which leaves products
// divided by 32.
TEXT ·crossColorVectors(SB), NOSPLIT, $0-24
	MOVQ row+0(FP), DI
	MOVQ count+8(FP), CX
	MOVL greenFactors+16(FP), AX
	MOVQ AX, X4
	PSHUFD $0, X4, X4
	MOVL redToBlue+20(FP), AX
	MOVQ AX, X5
	PSHUFD $0, X5, X5
	MOVL $0xff00ff00, AX
	MOVQ AX, X6
	PSHUFD $0, X6, X6

pixels:
	MOVOU (DI), X0
	MOVO X0, X1
	PAND X6, X1 // alpha and green
	PSHUFLW $0xa0, X1, X2
	PSHUFHW $0xa0, X2, X2 // green in both words
	PMULHW X4, X2
	PADDB X2, X0
	PSLLW $8, X0 // red and blue
	MOVO X0, X3
	PMULHW X5, X3 // red times its factor, in the upper word
	PSRLL $8, X3
	PADDB X3, X0
	PSRLW $8, X0
	POR X1, X0
	MOVOU X0, (DI)
	ADDQ $16, DI
	SUBQ $4, CX
	JGT pixels
	RET
