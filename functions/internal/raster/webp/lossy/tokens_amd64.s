#include "textflag.h"

// The state of the decoder: AX is the value, BX the range, 1 to 255, in the highest byte of 32 bits, CX the number of
// valid bits, and DX the address of the next byte.

// REFILL makes at least 56 bits valid, enough for 8 bools.
#define REFILL \
	MOVQ (DX), R11 \
	BSWAPQ R11 \
	SHRXQ CX, R11, R11 \
	MOVL $63, R12 \
	ORQ R11, AX \
	SUBL CX, R12 \
	SHRL $3, R12 \
	ADDQ R12, DX \
	ORL $56, CX

// SPLIT sets R11 to the part of the range of a bool that is false, of the probability p: ((range-1)*p >> 8) + 1.
#define SPLIT(p) \
	MOVBLZX p, R11 \
	MOVL $256, R12 \
	SUBL R11, R12 \
	SHLQ $24, R12 \
	IMULQ BX, R11 \
	ADDQ R12, R11 \
	SHRQ $32, R11

// IF_TRUE jumps if the bool is true.
#define IF_TRUE(label) \
	RORXQ $56, AX, R13 \
	CMPB R13, R11 \
	JAE label

// FALSE and TRUE continue after a bool. LZCNTL finds 24 bits more than the range is to be shifted by.
#define FALSE \
	LZCNTL R11, R12 \
	SHLXL R12, R11, BX \
	SUBL $24, R12 \
	SHLXQ R12, AX, AX \
	SUBL R12, CX

#define TRUE \
	SHRL $24, BX \
	SUBL R11, BX \
	SHLQ $56, R11 \
	LZCNTL BX, R12 \
	SUBQ R11, AX \
	SHLXL R12, BX, BX \
	SUBL $24, R12 \
	SHLXQ R12, AX, AX \
	SUBL R12, CX

// APPEND appends a bool to the bits of R15, without a branch.
#define APPEND(p) \
	SPLIT(p) \
	SHRL $24, BX \
	SUBL R11, BX \
	MOVQ R11, R14 \
	SHLQ $56, R14 \
	MOVQ AX, R13 \
	SUBQ R14, R13 \
	CMOVLCS R11, BX \
	CMOVQCC R13, AX \
	CMC \
	ADCL R15, R15 \
	LZCNTL BX, R12 \
	SHLXL R12, BX, BX \
	SUBL $24, R12 \
	SHLXQ R12, AX, AX \
	SUBL R12, CX


// func readBlocksBMI2(c *boolDecoder, buf *buffer, probs *[17]bandProbs, n int, by *dequantFactors, blocks *block, counts, above, left *uint8, size int)
//
// SI is the address of the probabilities of coefficient R8, DI that of the context, R9 the block, and R10 the factor.
TEXT ·readBlocksBMI2(SB), NOSPLIT, $32-80
	MOVQ c+0(FP), R11
	MOVQ 0(R11), AX
	MOVQ 8(R11), BX
	MOVQ 16(R11), CX
	MOVQ 24(R11), DX
	INCL BX
	SHLL $24, BX
	ADDQ buf+8(FP), DX
	MOVQ blocks+40(FP), R9
	MOVQ n+24(FP), R11
	SHLQ $6, R11
	ADDQ R11, probs+16(FP)
	MOVQ $0, row-16(SP)

nextRow:
	MOVQ $0, column-24(SP)

nextBlock:
	MOVQ column-24(SP), R11
	ADDQ above+56(FP), R11
	MOVQ left+64(FP), R12
	MOVBLZX (R11), DI
	MOVBLZX (R12), R12
	ADDL R12, DI
	ANDL $3, DI
	MOVQ probs+16(FP), SI
	SHLQ $4, DI
	MOVQ n+24(FP), R8
	MOVQ by+32(FP), R10
	ADDQ SI, DI
	MOVL (R10)(R8*4), R10
	REFILL
	SPLIT(0(DI))
	IF_TRUE(begun)
	FALSE
	JMP done

begun:
	TRUE

coefficient:
	SPLIT(1(DI))
	IF_TRUE(notZero)
	FALSE
	REFILL
	MOVQ by+32(FP), R10
	ADDQ $64, SI
	INCQ R8
	MOVL 4(R10), R10
	MOVQ SI, DI
	CMPQ R8, $16
	JNE coefficient
	JMP done

notZero:
	TRUE
	SPLIT(2(DI))
	IF_TRUE(large)
	FALSE
	MOVL $1, R15
	LEAQ (64+16)(SI), DI

sign:
	// A sign halves the range, so that it is shifted by one bit.
	MOVL BX, R11
	SHRL $24, R11
	LEAL 1(R11), R12
	SHRL $1, R12
	MOVQ AX, R13
	SHRQ $56, R13
	LEAQ -1(R12), R14
	SUBQ R13, R14
	SARQ $63, R14 // -1 for true, which is negative, or 0
	LEAL 1(R11)(R14*1), BX
	ANDL $-2, BX
	SHLL $24, BX
	SHLQ $56, R12
	ANDQ R14, R12
	SUBQ R12, AX
	ADDQ AX, AX
	DECL CX
	XORL R14, R15
	SUBL R14, R15
	IMULL R10, R15
	LEAQ ·zigzag(SB), R12
	MOVBLZX (R12)(R8*1), R12
	MOVW R15, (R9)(R12*2)
	REFILL
	MOVQ by+32(FP), R10
	ADDQ $64, SI
	INCQ R8
	MOVL 4(R10), R10
	CMPQ R8, $16
	JEQ done
	SPLIT(0(DI))
	IF_TRUE(more)
	FALSE
	JMP done

more:
	TRUE
	JMP coefficient

large:
	TRUE
	REFILL
	SPLIT(3(DI))
	IF_TRUE(category)
	FALSE
	SPLIT(4(DI))
	IF_TRUE(threeOrFour)
	FALSE
	MOVL $2, R15
	LEAQ (64+32)(SI), DI
	JMP sign

threeOrFour:
	TRUE
	MOVL $1, R15
	APPEND(5(DI))
	INCL R15
	LEAQ (64+32)(SI), DI
	JMP sign

category:
	TRUE
	SPLIT(6(DI))
	IF_TRUE(highCategory)
	FALSE
	XORL R15, R15
	APPEND(7(DI))
	JMP extra

highCategory:
	TRUE
	XORL R15, R15
	APPEND(8(DI))
	ADDQ R15, DI
	APPEND(9(DI))
	ADDL $2, R15

extra:
	LEAQ ·categoryProbs(SB), DI
	SHLQ $4, R15
	ADDQ R15, DI
	MOVL 12(DI), R15
	MOVL R15, base-8(SP)
	XORL R15, R15

extraBit:
	REFILL
	APPEND(0(DI))
	INCQ DI
	CMPB (DI), $0
	JNE extraBit
	ADDL base-8(SP), R15
	REFILL
	LEAQ (64+32)(SI), DI
	JMP sign

done:
	// A block that has a coefficient after the first ones counts.
	MOVQ column-24(SP), R11
	MOVQ counts+48(FP), R14
	MOVQ above+56(FP), R12
	MOVQ left+64(FP), R13
	MOVBLZX (R14), DI
	XORL R15, R15
	CMPQ R8, n+24(FP)
	SETHI R15
	CMOVLHI R8, DI
	MOVB R15, (R12)(R11*1)
	MOVB R15, (R13)
	MOVB DI, (R14)
	INCQ R14
	MOVQ R14, counts+48(FP)
	ADDQ $32, R9
	INCQ R11
	MOVQ R11, column-24(SP)
	CMPQ R11, size+72(FP)
	JLT nextBlock
	INCQ R13
	MOVQ R13, left+64(FP)
	MOVQ row-16(SP), R11
	INCQ R11
	MOVQ R11, row-16(SP)
	CMPQ R11, size+72(FP)
	JLT nextRow

	MOVQ c+0(FP), R11
	SHRL $24, BX
	DECL BX
	SUBQ buf+8(FP), DX
	MOVQ AX, 0(R11)
	MOVQ BX, 8(R11)
	MOVQ CX, 16(R11)
	MOVQ DX, 24(R11)
	RET

// LEAF stores a mode.
#define LEAF(mode) \
	MOVL $mode, R15 \
	JMP store

// func readSubblocksBMI2(c *boolDecoder, buf *buffer, modes *[16]uint8, above, left *[4]uint8)
//
// DI is the address of the probabilities of subblock R8. The branches are those of submodeTree.
TEXT ·readSubblocksBMI2(SB), NOSPLIT, $0-40
	MOVQ c+0(FP), R11
	MOVQ 0(R11), AX
	MOVQ 8(R11), BX
	MOVQ 16(R11), CX
	MOVQ 24(R11), DX
	INCL BX
	SHLL $24, BX
	ADDQ buf+8(FP), DX
	MOVQ modes+16(FP), SI
	MOVQ above+24(FP), R9
	MOVQ left+32(FP), R10
	XORL R8, R8

next:
	MOVQ R8, R11
	ANDL $3, R11
	MOVBLZX (R9)(R11*1), DI
	ANDL $15, DI
	SHLL $4, DI
	MOVQ R8, R12
	SHRL $2, R12
	MOVBLZX (R10)(R12*1), R12
	ANDL $15, R12
	ORL R12, DI
	SHLL $4, DI
	LEAQ ·subblockProbs(SB), R12
	ADDQ R12, DI
	REFILL
	SPLIT(0(DI))
	IF_TRUE(node1)
	FALSE
	LEAF(0) // DC

node1:
	TRUE
	SPLIT(1(DI))
	IF_TRUE(node2)
	FALSE
	LEAF(1) // TM

node2:
	TRUE
	SPLIT(2(DI))
	IF_TRUE(node3)
	FALSE
	LEAF(2) // VE

node3:
	TRUE
	SPLIT(3(DI))
	IF_TRUE(node6)
	FALSE
	SPLIT(4(DI))
	IF_TRUE(node5)
	FALSE
	LEAF(3) // HE

node5:
	TRUE
	XORL R15, R15
	APPEND(5(DI))
	ADDL $5, R15 // RD or VR
	JMP store

node6:
	TRUE
	SPLIT(6(DI))
	IF_TRUE(node7)
	FALSE
	LEAF(4) // LD

node7:
	TRUE
	SPLIT(7(DI))
	IF_TRUE(node8)
	FALSE
	LEAF(7) // VL

node8:
	TRUE
	XORL R15, R15
	APPEND(8(DI))
	ADDL $8, R15 // HD or HU

store:
	MOVQ R8, R11
	ANDL $3, R11
	MOVQ R8, R12
	SHRL $2, R12
	MOVB R15, (SI)(R8*1)
	MOVB R15, (R9)(R11*1)
	MOVB R15, (R10)(R12*1)
	INCL R8
	CMPL R8, $16
	JLT next

	MOVQ c+0(FP), R11
	SHRL $24, BX
	DECL BX
	SUBQ buf+8(FP), DX
	MOVQ AX, 0(R11)
	MOVQ BX, 8(R11)
	MOVQ CX, 16(R11)
	MOVQ DX, 24(R11)
	RET

// func leadingZeros(v uint32) uint32
TEXT ·leadingZeros(SB), NOSPLIT, $0-12
	LZCNTL v+0(FP), AX
	MOVL AX, ret+8(FP)
	RET
