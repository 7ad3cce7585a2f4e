// The state of a bitReader in registers: R8 has the next bits, R9 their number, R10 the address of the next byte.

#define LOAD_BITS(READER) \
	MOVQ bitReader_acc(READER), R8 \
	MOVQ bitReader_n(READER), R9 \
	MOVQ bitReader_p(READER), R10 \
	LEAQ bitReader_buf(READER)(R10*1), R10

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
