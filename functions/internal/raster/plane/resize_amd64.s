#include "textflag.h"

// func resampleColumns(to *int16, from *uint8, stride, width int, weights *int16, taps int)
//
// The sums of 16 columns are in X0 to X3. Each turn of the inner loop adds two rows.
TEXT ·resampleColumns(SB), NOSPLIT, $0-48
	MOVQ to+0(FP), DI
	MOVQ from+8(FP), SI
	MOVQ stride+16(FP), DX
	MOVQ width+24(FP), CX
	MOVQ weights+32(FP), R8
	MOVQ taps+40(FP), R9
	PXOR X7, X7
	MOVL $128, AX // a half of 1<<(weightBits-rowBits)
	MOVQ AX, X6
	PSHUFD $0, X6, X6
	SUBQ $16, CX // the last columns begin here
	XORQ BX, BX

columns:
	LEAQ (SI)(BX*1), R10
	MOVQ R8, R11
	MOVQ R9, R12
	MOVO X6, X0
	MOVO X6, X1
	MOVO X6, X2
	MOVO X6, X3

rows:
	MOVOU (R10), X4
	MOVO X4, X8 // the weight of a row after the last one is 0
	CMPQ R12, $1
	JEQ add
	MOVOU (R10)(DX*1), X8

add:
	MOVL (R11), AX
	MOVQ AX, X9
	PSHUFD $0, X9, X9
	MOVO X4, X5
	PUNPCKLBW X8, X4
	PUNPCKHBW X8, X5
	MOVO X4, X10
	PUNPCKLBW X7, X4
	PUNPCKHBW X7, X10
	MOVO X5, X11
	PUNPCKLBW X7, X5
	PUNPCKHBW X7, X11
	PMADDWL X9, X4
	PADDL X4, X0
	PMADDWL X9, X10
	PADDL X10, X1
	PMADDWL X9, X5
	PADDL X5, X2
	PMADDWL X9, X11
	PADDL X11, X3
	LEAQ (R10)(DX*2), R10
	ADDQ $4, R11
	SUBQ $2, R12
	JGT rows

	PSRAL $8, X0
	PSRAL $8, X1
	PSRAL $8, X2
	PSRAL $8, X3
	PACKSSLW X1, X0
	PACKSSLW X3, X2
	MOVOU X0, (DI)(BX*2)
	MOVOU X2, 16(DI)(BX*2)
	CMPQ BX, CX
	JEQ done
	ADDQ $16, BX
	CMPQ BX, CX
	JLE columns
	MOVQ CX, BX
	JMP columns

done:
	RET

// func resampleRow(to *uint8, count int, from *int16, firsts *int32, weights *int16, taps int)
TEXT ·resampleRow(SB), NOSPLIT, $0-48
	MOVQ to+0(FP), DI
	MOVQ count+8(FP), CX
	MOVQ from+16(FP), SI
	MOVQ firsts+24(FP), R8
	MOVQ weights+32(FP), R9
	MOVQ taps+40(FP), DX
	MOVL $0x80000, AX // a half of 1<<(weightBits+rowBits)
	MOVQ AX, X6

samples:
	MOVLQSX (R8), AX
	LEAQ (SI)(AX*2), R10
	MOVQ DX, R12
	MOVO X6, X0

add:
	MOVOU (R10), X1
	MOVOU (R9), X2
	PMADDWL X2, X1
	PADDL X1, X0
	ADDQ $16, R10
	ADDQ $16, R9
	SUBQ $8, R12
	JGT add

	PSHUFD $0x4e, X0, X1
	PADDL X1, X0
	PSHUFD $0xb1, X0, X1
	PADDL X1, X0
	PSRAL $20, X0
	PACKSSLW X0, X0
	PACKUSWB X0, X0
	MOVQ X0, AX
	MOVB AX, (DI)
	INCQ DI
	ADDQ $4, R8
	DECQ CX
	JNE samples
	RET
