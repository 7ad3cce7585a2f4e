#include "go_asm.h"
#include "textflag.h"

// CLAMP clamps Y to the range from LEAST to MOST.
#define CLAMP(Y, LEAST, MOST) \
	VPMINSD MOST, Y, Y \
	VPMAXSD LEAST, Y, Y

// ROUND divides Y by 4096.
#define ROUND(Y) \
	VPADDD Y13, Y, Y \
	VPSRAD $12, Y, Y

// func runStepsAVX2(steps *step, count int, in, out *int32, most int32)
TEXT ·runStepsAVX2(SB), NOSPLIT, $0-36
	MOVQ steps+0(FP), SI
	MOVQ count+8(FP), CX
	MOVQ in+16(FP), R8
	MOVQ out+24(FP), DI
	MOVL most+32(FP), AX
	VMOVD AX, X15
	VPBROADCASTD X15, Y15
	VPCMPEQD Y14, Y14, Y14
	VPSRLD $31, Y14, Y13
	VPSLLD $11, Y13, Y13
	VPXOR Y15, Y14, Y14 // the least

next:
	MOVWLZX step_a(SI), AX
	MOVWLZX step_b(SI), BX
	MOVWLZX step_x(SI), DX
	MOVWLZX step_y(SI), R9
	VMOVDQU (R8)(AX*4), Y0
	VMOVDQU (R8)(BX*4), Y1
	CMPQ step_cos(SI), $0 // and the sine
	JEQ sum
	VPBROADCASTD step_cos(SI), Y2
	VPBROADCASTD step_sin(SI), Y3
	VPMULLD Y2, Y0, Y4
	VPMULLD Y3, Y1, Y5
	VPMULLD Y3, Y0, Y6
	VPMULLD Y2, Y1, Y7
	VPSUBD Y5, Y4, Y4
	VPADDD Y7, Y6, Y6
	ROUND(Y4)
	ROUND(Y6)
	VMOVDQU Y4, (DI)(DX*4)
	VMOVDQU Y6, (DI)(R9*4)
	ADDQ $step__size, SI
	DECQ CX
	JNZ next
	VZEROUPPER
	RET

sum:
	VPADDD Y1, Y0, Y4
	VPSUBD Y1, Y0, Y6
	CLAMP(Y4, Y14, Y15)
	CLAMP(Y6, Y14, Y15)
	VMOVDQU Y4, (DI)(DX*4)
	VMOVDQU Y6, (DI)(R9*4)
	ADDQ $step__size, SI
	DECQ CX
	JNZ next
	VZEROUPPER
	RET

// SCALE loads a vector, and rounds and clamps it.
#define SCALE(OFFSET, Y) \
	VPADDD OFFSET(SI), Y8, Y \
	VPSRAD X9, Y, Y \
	CLAMP(Y, Y11, Y10)

// PAIRS leaves pairs of A and B in LOW and HIGH.
#define PAIRS(A, B, LOW, HIGH) \
	VPUNPCKLDQ B, A, LOW \
	VPUNPCKHDQ B, A, HIGH

// FOURS does so with pairs of pairs.
#define FOURS(A, B, LOW, HIGH) \
	VPUNPCKLQDQ B, A, LOW \
	VPUNPCKHQDQ B, A, HIGH

// HALVES stores the first halves of A and B, and the second ones 4 vectors later.
#define HALVES(A, B, OFFSET) \
	VPERM2I128 $0x20, B, A, Y8 \
	VPERM2I128 $0x31, B, A, Y9 \
	VMOVDQU Y8, OFFSET(DI) \
	VMOVDQU Y9, OFFSET+128(DI)

// func transposeAVX2(from, to *int32, shift, most int32)
TEXT ·transposeAVX2(SB), NOSPLIT, $0-24
	MOVQ from+0(FP), SI
	MOVQ to+8(FP), DI
	MOVLQZX shift+16(FP), CX
	MOVL $1, AX
	SHLL CX, AX
	SHRL $1, AX
	VMOVD AX, X8
	VPBROADCASTD X8, Y8
	VMOVD CX, X9
	MOVL most+20(FP), AX
	VMOVD AX, X10
	VPBROADCASTD X10, Y10
	VPCMPEQD Y11, Y11, Y11
	VPXOR Y10, Y11, Y11
	SCALE(0, Y0)
	SCALE(32, Y1)
	SCALE(64, Y2)
	SCALE(96, Y3)
	SCALE(128, Y4)
	SCALE(160, Y5)
	SCALE(192, Y6)
	SCALE(224, Y7)
	PAIRS(Y0, Y1, Y8, Y9)
	PAIRS(Y2, Y3, Y10, Y11)
	PAIRS(Y4, Y5, Y12, Y13)
	PAIRS(Y6, Y7, Y14, Y15)
	FOURS(Y8, Y10, Y0, Y1)
	FOURS(Y9, Y11, Y2, Y3)
	FOURS(Y12, Y14, Y4, Y5)
	FOURS(Y13, Y15, Y6, Y7)
	HALVES(Y0, Y4, 0)
	HALVES(Y1, Y5, 32)
	HALVES(Y2, Y6, 64)
	HALVES(Y3, Y7, 96)
	VZEROUPPER
	RET

// func addAVX2(pix *uint16, stride, width, height int, vectors *int32, most int32)
TEXT ·addAVX2(SB), NOSPLIT, $0-44
	MOVQ pix+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ width+16(FP), BX
	MOVQ height+24(FP), CX
	MOVQ vectors+32(FP), SI
	MOVL most+40(FP), AX
	VMOVD AX, X8
	VPBROADCASTW X8, X8
	VPCMPEQD Y9, Y9, Y9
	VPSRLD $31, Y9, Y9
	VPSLLD $3, Y9, Y9
	ADDQ DX, DX

row:
	VPADDD (SI), Y9, Y0
	VPSRAD $4, Y0, Y0
	CMPQ BX, $4
	JEQ narrow
	VPMOVZXWD (DI), Y1
	VPADDD Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKUSDW X1, X0, X0
	VPMINUW X8, X0, X0
	VMOVDQU X0, (DI)
	JMP next

narrow:
	VPMOVZXWD (DI), X1
	VPADDD X1, X0, X0
	VPACKUSDW X0, X0, X0
	VPMINUW X8, X0, X0
	VMOVQ X0, (DI)

next:
	ADDQ $32, SI
	ADDQ DX, DI
	DECQ CX
	JNZ row
	VZEROUPPER
	RET

// func narrowAVX2(to *uint8, from *uint16, count int)
TEXT ·narrowAVX2(SB), NOSPLIT, $0-24
	MOVQ to+0(FP), DI
	MOVQ from+8(FP), SI
	MOVQ count+16(FP), CX

next:
	VMOVDQU (SI), Y0
	VPACKUSWB 32(SI), Y0, Y0 // in the order of halves: first, third, second, fourth
	VPERMQ $0xd8, Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	SUBQ $32, CX
	JNZ next
	VZEROUPPER
	RET
