#include "go_asm.h"
#include "textflag.h"
#include "bits_amd64.h"

// func decodeRefinement(s *bandScan, nonzero *uint64, coefs *int16, blocks int) int
//
// R8 has the next bits, R9 their number, R10 the address of the next byte. Of a block, R11 has the coefficients that are
// not zero, R12 those that follow, R13 the bits of R11, R14 the coefficients that are new. On the stack are the addresses
// of its coefficients and of their bits, and of its first byte, and a place for coefficients that are not needed.
TEXT ·decodeRefinement(SB), NOSPLIT, $32-40
	MOVQ s+0(FP), SI
	MOVQ nonzero+8(FP), AX
	MOVQ AX, block-8(SP)
	MOVQ coefs+16(FP), AX
	MOVQ AX, blockCoefs-16(SP)
	MOVQ bandScan_table(SI), DI
	MOVQ bandScan_bits(SI), AX
	LOAD_BITS(AX)

block:
	MOVQ bandScan_bits(SI), AX // as of here, if the block is left to Go
	MOVQ R8, bitReader_acc(AX)
	MOVQ R9, bitReader_n(AX)
	MOVQ R10, next-24(SP)
	MOVQ bandScan_band(SI), R12
	MOVQ block-8(SP), AX
	MOVQ (AX), R11
	ANDQ R12, R11
	XORL R13, R13
	XORL R14, R14
	MOVQ bandScan_eobRun(SI), R15
	TESTQ R15, R15
	JNE band

code:
	REFILL
	MOVQ R8, AX
	SHRQ $(64-const_refineBits), AX
	MOVWLZX huffmanTable_refines(DI)(AX*2), AX
	MOVL AX, CX
	SHLQ CX, R8
	ANDL $63, CX
	SUBQ CX, R9
	MOVL AX, DX
	SHRL $8, DX
	TESTB $0x80, AX
	JEQ zero

place:
	MOVQ R11, BX
	NOTQ BX
	ANDQ R12, BX
	LEAQ -1(BX), CX // BX without its lowest bit, and so on: what runs of up to 4 pass
	ANDQ BX, CX
	LEAQ -1(CX), R15
	ANDQ CX, R15
	CMPL DX, $1
	CMOVQEQ CX, BX
	CMOVQHI R15, BX
	LEAQ -1(R15), CX
	ANDQ R15, CX
	LEAQ -1(CX), R15
	ANDQ CX, R15
	CMPL DX, $4
	JHI far
	CMPL DX, $3
	CMOVQEQ CX, BX
	CMOVQHI R15, BX

found:
	MOVQ BX, DX
	NEGQ DX
	ANDQ BX, DX
	LEAQ -1(DX), BX
	ANDQ R11, BX
	ANDQ R12, BX
	POPCNTQ BX, CX
	CMPQ CX, R9
	JGT leave
	TAKE(R13)
	LEAQ (DX)(DX*1), BX
	NEGQ BX
	ANDQ BX, R12
	TESTB $0x80, AX
	JEQ next
	ORQ DX, R14
	SHRL $6, AX
	ANDL $1, AX
	MOVWLZX bandScan_signed(SI)(AX*2), AX
	BSFQ DX, BX
	MOVQ blockCoefs-16(SP), CX
	LEAQ (CX)(BX*2), BX
	LEAQ unneeded-32(SP), CX
	TESTQ bandScan_needed(SI), DX
	CMOVQEQ CX, BX
	MOVW AX, (BX)

next:
	TESTQ R12, R12
	JNE code
	JMP refine

far:
	MOVQ R15, BX
	SUBL $4, DX

further:
	LEAQ -1(BX), CX
	ANDQ CX, BX
	DECL DX
	JNE further
	JMP found

zero:
	TESTL CX, CX
	JEQ leave
	CMPL DX, $15
	JEQ place
	MOVL DX, CX
	MOVL $1, R15
	TAKE(R15)

band: // has no other coefficient that is new
	REFILL
	MOVQ R11, BX
	ANDQ R12, BX
	POPCNTQ BX, CX
	CMPQ CX, R9
	JGT leave
	TAKE(R13)
	DECQ R15
	MOVQ R15, bandScan_eobRun(SI)

refine:
	MOVQ block-8(SP), AX
	ORQ R14, (AX)
	ADDQ $8, AX
	MOVQ AX, block-8(SP)
	MOVQ blockCoefs-16(SP), DX
	MOVQ bandScan_coefBytes(SI), AX
	ADDQ DX, AX
	MOVQ AX, blockCoefs-16(SP)
	POPCNTQ R11, CX
	NEGQ CX
	SHLQ CX, R13
	ANDQ bandScan_needed(SI), R11
	JEQ done
	MOVWLZX bandScan_signed(SI), R15

coefficient:
	BSFQ R11, BX
	MOVWLSX (DX)(BX*2), AX
	SARL $15, AX
	MOVL R15, CX
	XORL AX, CX
	SUBL AX, CX // away from zero
	MOVQ R13, AX
	SARQ $63, AX
	ADDQ R13, R13
	ANDL AX, CX
	ADDW CX, (DX)(BX*2)
	LEAQ -1(R11), BX
	ANDQ BX, R11
	JNE coefficient

done:
	DECQ blocks+24(FP)
	JNE block
	MOVQ bandScan_bits(SI), AX
	MOVQ R8, bitReader_acc(AX)
	MOVQ R9, bitReader_n(AX)
	MOVQ R10, next-24(SP)

leave:
	MOVQ bandScan_bits(SI), AX
	LEAQ bitReader_buf(AX), BX
	MOVQ next-24(SP), CX
	SUBQ BX, CX
	MOVQ CX, bitReader_p(AX)
	MOVQ blocks+24(FP), AX
	MOVQ AX, ret+32(FP)
	RET

// func decodeFirst(s *bandScan, nonzero *uint64, coefs *int16, blocks int) bool
//
// Of a block, R11 has the coefficients, R12 the next one, R14 a bit for each that is not zero.
TEXT ·decodeFirst(SB), NOSPLIT, $8-33
	MOVQ s+0(FP), SI
	MOVQ coefs+16(FP), R11
	MOVQ bandScan_table(SI), DI
	MOVQ bandScan_last(SI), R13
	MOVQ bandScan_bits(SI), AX
	LOAD_BITS(AX)
	REFILL

block:
	XORL R14, R14
	CMPQ bandScan_eobRun(SI), $0
	JNE passed
	MOVQ bandScan_first(SI), R12

coef: // the table is indexed before the bits are refilled: see decodeDC
	COEF
	REFILL
	MOVBLZX AX, CX
	TESTL CX, CX
	JEQ long
	SKIP
	MOVL AX, DX
	SHRL $8, DX
	ANDL $0xff, DX
	SARQ $16, AX

number:
	TESTL AX, AX
	JEQ zero
	ADDL DX, R12
	CMPL R12, R13
	JHI done
	BTSQ R12, R14
	MOVL bandScan_low(SI), CX
	SHLL CX, AX
	LEAQ (R11)(R12*2), BX
	LEAQ unneeded-8(SP), CX
	MOVQ bandScan_needed(SI), DX
	BTQ R12, DX
	CMOVQCC CX, BX
	MOVW AX, (BX)

next:
	INCL R12
	CMPL R12, R13
	JLE coef

done:
	MOVQ nonzero+8(FP), AX
	ORQ R14, (AX)
	ADDQ $8, AX
	MOVQ AX, nonzero+8(FP)
	ADDQ bandScan_coefBytes(SI), R11
	DECQ blocks+24(FP)
	JNE block
	MOVB $1, ret+32(FP)

return:
	MOVQ bandScan_bits(SI), AX
	STORE_BITS(AX)
	RET

passed:
	DECQ bandScan_eobRun(SI)
	JMP done

zero:
	CMPL DX, $15
	JNE end
	ADDL DX, R12
	JMP next

end:
	MOVL DX, CX
	MOVL $1, R15
	TAKE(R15)
	DECQ R15
	MOVQ R15, bandScan_eobRun(SI)
	JMP done

long:
	SYMBOL(longer, found)
	JMP number

invalid:
	MOVB $0, ret+32(FP)
	JMP return
