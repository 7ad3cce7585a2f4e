#include "go_asm.h"
#include "textflag.h"
#include "bits_amd64.h"

// SKIP_COEFS skips the coefficients of a block from R12 on, of the table DI, and uses AX, BX and CX. It belongs to
// SKIP_LONG of the same function.
#define SKIP_COEFS \
skip: \
	MOVQ R8, AX \
	SHRQ $(64-const_skipBits), AX \
	MOVWLZX huffmanTable_skips(DI)(AX*2), AX \
	REFILL \
	MOVL AX, CX \
	ANDL $63, CX \
	SHRL $6, AX \
	ADDL R12, AX \
	CMPL AX, $64 \
	JGE end \
	MOVL AX, R12 \
	SKIP \
	JMP skip \
end: \
	JEQ ended \
	SUBL $const_endOfBlock, AX \
	CMPL AX, $64 \
	JHI longSkip \
ended: \
	SKIP

// SKIP_LONG skips a coefficient whose code is not in huffmanTable.skips, and goes on with the others, or to NEXT.
#define SKIP_LONG(NEXT) \
longSkip: \
	SYMBOL(longerSkip, foundSkip) \
	LEAL 1(R12)(DX*1), R12 \
	TESTL AX, AX \
	JNE further \
	CMPL DX, $15 \
	JNE NEXT \
further: \
	CMPL R12, $63 \
	JLE skip \
	JMP NEXT

// func readBlockFast(c *component, bits *bitReader, b *block) int
//
// R11 is the block, R12 the next coefficient, R14 the last that is not zero.
TEXT ·readBlockFast(SB), NOSPLIT, $0-32
	MOVQ c+0(FP), SI
	MOVQ bits+8(FP), AX
	MOVQ b+16(FP), R11
	LOAD_BITS(AX)
	MOVQ component_lastCoef(SI), R13
	PXOR X0, X0
	MOVOU X0, (R11)
	MOVOU X0, 32(R11)
	MOVOU X0, 64(R11)
	MOVOU X0, 96(R11)
	CMPQ component_scale(SI), $4
	JLE dc // which does not need the others
	MOVOU X0, 16(R11)
	MOVOU X0, 48(R11)
	MOVOU X0, 80(R11)
	MOVOU X0, 112(R11)
	MOVOU X0, 128(R11)
	MOVOU X0, 144(R11)
	MOVOU X0, 160(R11)
	MOVOU X0, 176(R11)
	MOVOU X0, 192(R11)
	MOVOU X0, 208(R11)
	MOVOU X0, 224(R11)
	MOVOU X0, 240(R11)

dc:
	REFILL
	XORL R14, R14
	MOVQ component_dc(SI), DI
	COEF
	MOVBLZX AX, CX
	SARQ $16, AX
	TESTL CX, CX
	JEQ longDC
	SKIP

difference:
	ADDQ component_prevDC(SI), AX
	MOVQ AX, component_prevDC(SI)
	MOVL component_steps(SI), CX
	SHRL $8, CX
	IMULL CX, AX
	MOVL AX, (R11)
	MOVQ component_ac(SI), DI
	MOVL $1, R12

coef: // the tables are indexed before the bits are refilled: see decodeDC
	COEF
	REFILL
	MOVBLZX AX, CX
	TESTL CX, CX
	JEQ longCoef
	SKIP
	MOVL AX, DX
	SHRL $8, DX
	ANDL $0xff, DX
	SARQ $16, AX

number:
	ADDL DX, R12
	TESTL AX, AX
	JEQ zero
	MOVL R12, R14
	MOVL component_steps(SI)(R12*4), DX
	MOVBLZX DX, BX
	SHRL $8, DX
	IMULL DX, AX
	MOVL AX, (R11)(BX*4)

next:
	INCL R12
	CMPL R12, R13
	JLE coef
	CMPL R12, $63
	JHI done

	SKIP_COEFS

done:
	XORL AX, AX
	TESTL R14, R14
	JNE return
	MOVL $const_blockDC, AX

return:
	MOVQ AX, ret+24(FP)
	MOVQ bits+8(FP), AX
	STORE_BITS(AX)
	RET

zero:
	CMPL DX, $15
	JEQ next
	JMP done

longDC:
	SYMBOL(longerDC, foundDC)
	JMP difference

longCoef:
	SYMBOL(longerCoef, foundCoef)
	JMP number

	SKIP_LONG(done)

invalid:
	MOVL $const_blockInvalid, AX
	JMP return

// func decodeDCFast(c *component, bits *bitReader, pix *uint8, blocks int) int
//
// R11 is the next sample, R12 the next coefficient, R13 the DC coefficient, R14 the step of quantization.
TEXT ·decodeDCFast(SB), NOSPLIT, $0-40
	MOVQ c+0(FP), SI
	MOVQ bits+8(FP), AX
	MOVQ pix+16(FP), R11
	LOAD_BITS(AX)
	MOVQ component_prevDC(SI), R13
	MOVL component_steps(SI), R14
	SHRL $8, R14
	REFILL

block:
	MOVQ component_dc(SI), DI
	COEF
	REFILL
	MOVBLZX AX, CX
	SARQ $16, AX
	TESTL CX, CX
	JEQ longDC
	SKIP

difference:
	MOVQ component_ac(SI), DI
	ADDQ AX, R13
	MOVL R13, AX
	IMULL R14, AX
	ADDL $(128*8+4), AX
	SARL $3, AX
	XORL CX, CX
	TESTL AX, AX
	CMOVLLT CX, AX
	MOVL $255, CX
	CMPL AX, CX
	CMOVLGT CX, AX
	MOVB AX, (R11)
	INCQ R11
	MOVL $1, R12

	SKIP_COEFS

next:
	DECQ blocks+24(FP)
	JNE block
	XORL AX, AX

return:
	MOVQ AX, ret+32(FP)
	MOVQ R13, component_prevDC(SI)
	MOVQ bits+8(FP), AX
	STORE_BITS(AX)
	RET

longDC:
	SYMBOL(longerDC, foundDC)
	JMP difference

	SKIP_LONG(next)

invalid:
	MOVL $const_blockInvalid, AX
	JMP return
