#include "go_asm.h"
#include "textflag.h"

// REFILL makes at least 56 bits of R8 valid, as input.refill does: R9 is their number, SI the next byte.
#define REFILL \
	MOVQ (SI), AX; \
	MOVL R9, CX; \
	SHLQ CX, AX; \
	ORQ AX, R8; \
	NOTL CX; \
	ANDL $63, CX; \
	SHRL $3, CX; \
	ADDQ CX, SI; \
	ORL $56, R9

// LOOKUP finds the next entry of literals and lengths, CX.
#define LOOKUP \
	MOVL R8, AX; \
	ANDL $(1<<const_lengthIndexBits-1), AX; \
	MOVL tables_lengths(R12)(AX*4), CX

// LITERALS writes those of entry CX to DI, and finds the next entry.
#define LITERALS \
	MOVL CX, DX; \
	SHRQ CX, R8; \
	SUBL CX, R9; \
	SHRL $8, CX; \
	MOVW CX, (DI); \
	LOOKUP; \
	SHRL $const_countShift, DX; \
	ANDL $const_countMask, DX; \
	ADDQ DX, DI

// VALUE skips the bits of entry CX, and adds its extra bits to its base.
#define VALUE(to) \
	MOVL CX, to; \
	SHRL $const_baseShift, to; \
	MOVQ $-1, DX; \
	SHLQ CX, DX; \
	NOTQ DX; \
	ANDQ R8, DX; \
	SHRQ CX, R8; \
	SUBL CX, R9; \
	SHRL $const_codeShift, CX; \
	SHRQ CX, DX; \
	ADDQ DX, to

// func decodeSymbolsFast(d *decoder, limit int)
//
// R10 and R11 are the limits of SI and DI, BX is the window, R12 the tables. R14 and R15 keep R8 and R9 while a match is
// read. Up to 15 bytes after a match are written, too.
TEXT ·decodeSymbolsFast(SB), NOSPLIT, $0-16
	MOVQ d+0(FP), AX
	MOVQ limit+8(FP), R10
	LEAQ (decoder_in+input_buf)(AX), CX
	ADDQ CX, R10
	MOVQ (decoder_in+input_pos)(AX), SI
	ADDQ CX, SI
	MOVQ (decoder_in+input_acc)(AX), R8
	MOVQ (decoder_in+input_n)(AX), R9
	LEAQ decoder_window(AX), BX
	MOVQ decoder_written(AX), DI
	ADDQ BX, DI
	LEAQ const_windowLimit(BX), R11
	MOVQ decoder_codes(AX), R12

next:
	CMPQ SI, R10
	JGE done
	CMPQ DI, R11
	JGE done
	REFILL
	LOOKUP
	TESTL $const_literalMask, CX
	JEQ match
	LITERALS
	TESTL $const_literalMask, CX
	JEQ refill
	LITERALS
	TESTL $const_literalMask, CX
	JEQ refill
	LITERALS
	TESTL $const_literalMask, CX
	JEQ refill
	LITERALS
	TESTL $const_literalMask, CX
	JNE next

refill:
	MOVL CX, DX
	REFILL
	MOVL DX, CX

match:
	TESTL $const_exceptional, CX
	JNE done
	MOVQ R8, R14
	MOVL R9, R15
	VALUE(AX)
	MOVL R8, DX
	ANDL $(1<<const_distanceIndexBits-1), DX
	MOVL tables_distances(R12)(DX*4), CX
	TESTL $const_exceptional, CX
	JNE undo
	VALUE(R13)
	MOVQ DI, DX
	SUBQ R13, DX
	CMPQ DX, BX
	JLT undo
	ADDQ DI, AX
	CMPQ R13, $16
	JLT near

far:
	MOVOU (DX), X0
	MOVOU X0, (DI)
	ADDQ $16, DX
	ADDQ $16, DI
	CMPQ DI, AX
	JLT far
	MOVQ AX, DI
	JMP next

near:
	CMPQ R13, $8
	JLT pattern

words:
	MOVQ (DX), CX
	MOVQ CX, (DI)
	ADDQ $8, DX
	ADDQ $8, DI
	CMPQ DI, AX
	JLT words
	MOVQ AX, DI
	JMP next

pattern: // of a distance that is less than a word: see copyMatch
	MOVQ (DX), CX
	IMULQ $pattern__size, R13
	LEAQ ·patterns(SB), DX
	ADDQ DX, R13
	ANDQ pattern_mask(R13), CX
	IMULQ pattern_spread(R13), CX
	MOVQ pattern_step(R13), DX

repeat:
	MOVQ CX, (DI)
	ADDQ DX, DI
	CMPQ DI, AX
	JLT repeat
	MOVQ AX, DI
	JMP next

undo:
	MOVQ R14, R8
	MOVL R15, R9

done:
	MOVQ d+0(FP), AX
	LEAQ (decoder_in+input_buf)(AX), CX
	SUBQ CX, SI
	MOVQ SI, (decoder_in+input_pos)(AX)
	MOVQ R8, (decoder_in+input_acc)(AX)
	MOVQ R9, (decoder_in+input_n)(AX)
	SUBQ BX, DI
	MOVQ DI, decoder_written(AX)
	RET
