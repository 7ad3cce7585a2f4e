#include "textflag.h"

DATA weights<>+0(SB)/8, $0x191a1b1c1d1e1f20
DATA weights<>+8(SB)/8, $0x1112131415161718
DATA weights<>+16(SB)/8, $0x090a0b0c0d0e0f10
DATA weights<>+24(SB)/8, $0x0102030405060708
GLOBL weights<>(SB), RODATA|NOPTR, $32

// func sumAVX2(p *byte, count int) (bytes, sums uint32)
//
// Y0 is the sum of all bytes so far, Y1 that of Y0 before each vector, and Y2 that of the bytes by their weights in a
// vector.
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ count+8(FP), CX
	VMOVDQU weights<>(SB), Y5
	VPCMPEQW Y8, Y8, Y8
	VPSRLW $15, Y8, Y8 // 1
	VPXOR Y7, Y7, Y7
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2

next:
	VMOVDQU (SI), Y3
	VPADDD Y0, Y1, Y1
	VPSADBW Y7, Y3, Y4
	VPMADDUBSW Y5, Y3, Y6
	VPADDD Y4, Y0, Y0
	VPMADDWD Y8, Y6, Y6
	VPADDD Y6, Y2, Y2
	ADDQ $32, SI
	SUBQ $32, CX
	JNZ next

	VPSLLD $5, Y1, Y1
	VPADDD Y1, Y2, Y2
	VEXTRACTI128 $1, Y0, X3
	VPADDD X3, X0, X0
	VPSHUFD $0x4e, X0, X3
	VPADDD X3, X0, X0
	VEXTRACTI128 $1, Y2, X3
	VPADDD X3, X2, X2
	VPSHUFD $0x4e, X2, X3
	VPADDD X3, X2, X2
	VPSHUFD $0xb1, X2, X3
	VPADDD X3, X2, X2
	VMOVD X0, AX
	VMOVD X2, CX
	VZEROUPPER
	MOVL AX, bytes+16(FP)
	MOVL CX, sums+20(FP)
	RET
