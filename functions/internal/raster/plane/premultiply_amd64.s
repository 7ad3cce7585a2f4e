#include "textflag.h"

// MULTIPLY multiplies two pixels, of 16 bits a channel, by their alpha, divides by 255, and rounds, as mulDiv255 does.
#define MULTIPLY(pixels, alphas) \
	PSHUFLW $0xff, pixels, alphas \
	PSHUFHW $0xff, alphas, alphas \
	PMULLW alphas, pixels \
	PADDW X6, pixels \
	MOVO pixels, alphas \
	PSRLW $8, alphas \
	PADDW alphas, pixels \
	PSRLW $8, pixels

// func premultiplyVectors(row *uint8, count int)
TEXT ·premultiplyVectors(SB), NOSPLIT, $0-16
	MOVQ row+0(FP), DI
	MOVQ count+8(FP), CX
	PXOR X7, X7
	MOVL $0x00800080, AX
	MOVQ AX, X6
	PSHUFD $0, X6, X6
	MOVL $0xff000000, AX
	MOVQ AX, X5
	PSHUFD $0, X5, X5

pixels:
	MOVOU (DI), X0
	MOVO X0, X1
	MOVO X0, X4
	PAND X5, X4
	PUNPCKLBW X7, X0
	PUNPCKHBW X7, X1
	MULTIPLY(X0, X2)
	MULTIPLY(X1, X3)
	PACKUSWB X1, X0
	MOVO X5, X1
	PANDN X0, X1 // without the squares of the alphas
	POR X4, X1
	MOVOU X1, (DI)
	ADDQ $16, DI
	SUBQ $4, CX
	JGT pixels
	RET
