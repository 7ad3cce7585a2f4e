#include "textflag.h"

// func addColumns(sums *uint16, row *uint8, count int)
TEXT ·addColumns(SB), NOSPLIT, $0-24
	MOVQ sums+0(FP), DI
	MOVQ row+8(FP), SI
	MOVQ count+16(FP), CX
	PXOR X7, X7
	ADDQ SI, CX

add:
	MOVOU (SI), X0
	MOVOU (DI), X2
	MOVOU 16(DI), X3
	MOVO X0, X1
	PUNPCKLBW X7, X0
	PUNPCKHBW X7, X1
	PADDW X2, X0
	PADDW X3, X1
	MOVOU X0, (DI)
	MOVOU X1, 16(DI)
	ADDQ $16, SI
	ADDQ $32, DI
	CMPQ SI, CX
	JLT add
	RET
