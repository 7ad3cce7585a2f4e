#include "go_asm.h"
#include "textflag.h"

// BROADCAST copies the lower 16 bits of AX to all of a vector.
#define BROADCAST(X) \
	MOVQ AX, X \
	PSHUFLW $0, X, X \
	PUNPCKLQDQ X, X

// CONSTRAIN replaces the differences D by those that are kept, with X2 to X4.
#define CONSTRAIN(D, STRENGTH, SHIFT) \
	MOVO D, X2 \
	PSRAW $15, X2 \
	PXOR X2, D \
	PSUBW X2, D \ // the size
	MOVO D, X3 \
	PSRLW SHIFT, X3 \
	MOVO STRENGTH, X4 \
	PSUBUSW X3, X4 \
	PMINSW X4, D \
	PXOR X2, D \
	PSUBW X2, D

// PAIR leaves the sum of two opposite taps in X0.
#define PAIR(OFFSET, STRENGTH, SHIFT) \
	MOVQ OFFSET(BX), AX \
	MOVOU (SI)(AX*2), X0 \
	NEGQ AX \
	MOVOU (SI)(AX*2), X1 \
	PMINSW X0, X14 \
	PMINSW X1, X14 \
	PCMPEQW X2, X2 \
	MOVO X0, X3 \
	PSUBW X2, X3 \
	PMAXSW X3, X13 \ // as signed, absent samples plus 1 are the least
	MOVO X1, X3 \
	PSUBW X2, X3 \
	PMAXSW X3, X13 \
	PSUBW X15, X0 \
	PSUBW X15, X1 \
	CONSTRAIN(X0, STRENGTH, SHIFT) \
	CONSTRAIN(X1, STRENGTH, SHIFT) \
	PADDW X1, X0

// func constrainVectors(b *cdefBlock, from, to *uint16, stride, width, height int) bool
TEXT ·constrainVectors(SB), NOSPLIT, $0-49
	MOVQ b+0(FP), BX
	MOVQ from+8(FP), SI
	MOVQ to+16(FP), DI
	MOVQ stride+24(FP), DX
	MOVQ width+32(FP), R8
	MOVQ height+40(FP), CX
	MOVQ cdefBlock_stride(BX), R9
	ADDQ DX, DX
	ADDQ R9, R9
	MOVLQZX cdefBlock_taps(BX), AX
	BROADCAST(X6)
	MOVLQZX cdefBlock_taps+4(BX), AX
	BROADCAST(X7)
	MOVLQZX cdefBlock_primary(BX), AX
	BROADCAST(X8)
	MOVQ cdefBlock_primaryShift(BX), X9
	MOVLQZX cdefBlock_secondary(BX), AX
	BROADCAST(X10)
	MOVQ cdefBlock_secondaryShift(BX), X11

row:
	MOVOU (SI), X15
	MOVO X15, X14 // the least
	MOVO X15, X13 // the most, plus 1
	PCMPEQW X2, X2
	PSUBW X2, X13
	PAIR(cdefBlock_offsets+0, X8, X9)
	PMULLW X6, X0
	MOVO X0, X12
	PAIR(cdefBlock_offsets+8, X8, X9)
	PMULLW X7, X0
	PADDW X0, X12
	PAIR(cdefBlock_offsets+16, X10, X11)
	PADDW X0, X0
	PADDW X0, X12
	PAIR(cdefBlock_offsets+24, X10, X11)
	PADDW X0, X12
	PAIR(cdefBlock_offsets+32, X10, X11)
	PADDW X0, X0
	PADDW X0, X12
	PAIR(cdefBlock_offsets+40, X10, X11)
	PADDW X0, X12

	// The sum, less 1 if it is negative, is divided by 16 and rounded.
	MOVO X12, X0
	PSRAW $15, X0
	PADDW X12, X0
	PCMPEQW X2, X2
	PADDW X2, X13
	PSRLW $15, X2
	PSLLW $3, X2
	PADDW X2, X0
	PSRAW $4, X0
	PADDW X15, X0
	PMINSW X13, X0
	PMAXSW X14, X0
	CMPQ R8, $4
	JEQ narrow
	MOVOU X0, (DI)
	JMP next

narrow:
	MOVQ X0, (DI)

next:
	ADDQ R9, SI
	ADDQ DX, DI
	DECQ CX
	JNZ row
	MOVB $1, ret+48(FP)
	RET
