#include "textflag.h"

// func rgbaVectors(to *uint8, from *uint32, count int, opaque uint32) uint32
TEXT ·rgbaVectors(SB), NOSPLIT, $0-36
	MOVQ to+0(FP), DI
	MOVQ from+8(FP), SI
	MOVQ count+16(FP), CX
	MOVL opaque+24(FP), AX
	MOVQ AX, X4
	PSHUFD $0, X4, X4
	MOVL $0xff00ff00, AX
	MOVQ AX, X6
	PSHUFD $0, X6, X6
	PCMPEQL X5, X5 // of the alphas

pixels:
	MOVOU (SI), X0
	POR X4, X0
	PAND X0, X5
	MOVO X0, X1
	PAND X6, X0 // alpha and green
	PSLLW $8, X1
	PSRLW $8, X1 // red and blue
	PSHUFLW $0xb1, X1, X1
	PSHUFHW $0xb1, X1, X1
	POR X1, X0
	MOVOU X0, (DI)
	ADDQ $16, SI
	ADDQ $16, DI
	SUBQ $4, CX
	JGT pixels

	PSHUFD $0x4e, X5, X0
	PAND X0, X5
	PSHUFD $0xb1, X5, X0
	PAND X0, X5
	MOVQ X5, AX
	MOVL AX, ret+32(FP)
	RET
