// The state of a bitReader in registers: R8 has the next bits, R9 their number, R10 the address of the next byte.

#define LOAD_BITS(READER) \
	MOVQ bitReader_acc(READER), R8 \
	MOVQ bitReader_n(READER), R9 \
	MOVQ bitReader_p(READER), R10 \
	LEAQ bitReader_buf(READER)(R10*1), R10

// STORE_BITS stores them. It uses BX.
#define STORE_BITS(READER) \
	MOVQ R8, bitReader_acc(READER) \
	MOVQ R9, bitReader_n(READER) \
	LEAQ bitReader_buf(READER), BX \
	SUBQ BX, R10 \
	MOVQ R10, bitReader_p(READER)

// SKIP uses up the next CX bits.
#define SKIP \
	SHLQ CX, R8 \
	SUBQ CX, R9

// REFILL makes at least 56 bits valid. It uses BX and CX.
#define REFILL \
	MOVQ (R10), BX \
	BSWAPQ BX \
	MOVQ R9, CX \
	SHRQ CX, BX \
	ORQ BX, R8 \
	XORQ $63, CX \
	SHRQ $3, CX \
	ADDQ CX, R10 \
	ORQ $56, R9

// TAKE moves the next CX bits to DST, which is 0 or ends with bits that precede them. It uses BX.
#define TAKE(DST) \
	MOVQ R8, BX \
	SHRQ $1, BX \
	SHLQ CX, DST \
	SHLQ CX, R8 \
	SUBQ CX, R9 \
	NOTQ CX \
	SHRQ CX, BX \
	ORQ BX, DST

// SYMBOL decodes a symbol of the table DI, and the number that follows it: AX is the number, DX the run of zeros. It uses
// BX, CX and R15, and goes to invalid if no code fits.
#define SYMBOL(LONGER, FOUND) \
	MOVQ R8, AX \
	SHRQ $(64-const_lookupBits), AX \
	MOVWLZX huffmanTable_lookup(DI)(AX*2), AX \
	MOVL AX, CX \
	SHRL $8, CX \
	JNE FOUND \
	MOVQ R8, AX \
	SHRQ $48, AX \
	MOVL $const_lookupBits, CX \
LONGER: \
	INCL CX \
	CMPL AX, huffmanTable_limits(DI)(CX*4) \
	JGE LONGER \
	CMPL CX, $16 \
	JGT invalid \
	MOVL CX, DX \
	NEGL CX \
	ADDL $16, CX \
	SHRL CX, AX \
	ADDL huffmanTable_offsets(DI)(DX*4), AX \
	MOVQ huffmanTable_symbols(DI), CX \
	MOVBLZX (CX)(AX*1), AX \
	MOVL DX, CX \
FOUND: \
	SKIP \
	MOVBLZX AX, CX \
	MOVL CX, DX \
	SHRL $4, DX \
	ANDL $15, CX \
	MOVQ R8, AX \
	SARQ $63, AX \
	NOTQ AX \
	MOVL $1, R15 \
	SHLQ CX, R15 \
	DECQ R15 \
	ANDQ R15, AX \
	MOVQ R8, BX \
	SHRQ $1, BX \
	SHLQ CX, R8 \
	SUBQ CX, R9 \
	NOTQ CX \
	SHRQ CX, BX \
	SUBQ AX, BX \
	MOVQ BX, AX

// COEF sets AX to the entry of huffmanTable.coefs for the next bits, of the table DI.
#define COEF \
	MOVQ R8, AX \
	SHRQ $(64-const_coefBits), AX \
	MOVLQSX huffmanTable_coefs(DI)(AX*4), AX
