#include "textflag.h"

// Instructions that the Go assembler lacks, on registers by their numbers, operands in its order: destination last.

// FMLA adds Vn times element i of Vm to Vd: fmla vd.4s, vn.4s, vm.s[i].
#define FMLA(m, i, n, d) WORD $(0x4f801000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))

// FADD adds: fadd vd.4s, vn.4s, vm.4s.
#define FADD(m, n, d) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))

// FADDP adds neighbours, those of Vn and then those of Vm: faddp vd.4s, vn.4s, vm.4s.
#define FADDP(m, n, d) WORD $(0x6e20d400 | (m)<<16 | (n)<<5 | (d))

// FCVTL and FCVTL2 widen the lower and the upper four f16 of Vn: fcvtl vd.4s, vn.4h; fcvtl2 vd.4s, vn.8h.
#define FCVTL(n, d) WORD $(0x0e217800 | (n)<<5 | (d))
#define FCVTL2(n, d) WORD $(0x4e217800 | (n)<<5 | (d))

#define ZERO(v) VEOR v.B16, v.B16, v.B16

#define ZERO8(a, b, c, d, e, f, g, h) \
	ZERO(a); \
	ZERO(b); \
	ZERO(c); \
	ZERO(d); \
	ZERO(e); \
	ZERO(f); \
	ZERO(g); \
	ZERO(h)

// The tile: row i of the sums is V(16+2i) and V(17+2i).

// ROWS2 multiplies elements i and i+1 of Va with a row of B (Vb and the next), into two rows of sums from Vd on.
#define ROWS2(a, i, b, d) \
	FMLA(a, i, b, d); \
	FMLA(a, i, (b)+1, (d)+1); \
	FMLA(a, (i)+1, b, (d)+2); \
	FMLA(a, (i)+1, (b)+1, (d)+3)

// STEPh is one k of a tile h high. It reads no more of A than h values: a panel may start inside its vector.
// Its registers (two of A, two of B) are V0 to V3 or V4 to V7.
#define STEP8(off, a, b, FA0, FA1, FB0, FB1) \
	FLDPQ off(R1), (FA0, FA1); \
	FLDPQ off(R2), (FB0, FB1); \
	ROWS2(a, 0, b, 16); \
	ROWS2(a, 2, b, 20); \
	ROWS2((a)+1, 0, b, 24); \
	ROWS2((a)+1, 2, b, 28)

#define STEP6(off, a, b, FA0, FA1, FB0, FB1) \
	FMOVQ off(R1), FA0; \
	FMOVD off+16(R1), FA1; \
	FLDPQ off(R2), (FB0, FB1); \
	ROWS2(a, 0, b, 16); \
	ROWS2(a, 2, b, 20); \
	ROWS2((a)+1, 0, b, 24)

#define STEP4(off, a, b, FA0, FB0, FB1) \
	FMOVQ off(R1), FA0; \
	FLDPQ off(R2), (FB0, FB1); \
	ROWS2(a, 0, b, 16); \
	ROWS2(a, 2, b, 20)

#define STEP2(off, a, b, FA0, FB0, FB1) \
	FMOVD off(R1), FA0; \
	FLDPQ off(R2), (FB0, FB1); \
	ROWS2(a, 0, b, 16)

// NEXT4 goes on by four k and sets the flags: more if GT.
#define NEXT4 \
	ADD  $128, R1; \
	ADD  $128, R2; \
	SUBS $4, R0

// ADDROW writes a row of sums plus beta (V2) times C, SETROW the sums alone; then both go on a row, EQ after the last.
#define ADDROW(d, FD0, FD1) \
	FLDPQ (R3), (F0, F1); \
	FMLA(2, 0, 0, d); \
	FMLA(2, 0, 1, (d)+1); \
	SETROW(FD0, FD1)

#define SETROW(FD0, FD1) \
	FSTPQ (FD0, FD1), (R3); \
	ADD   R4, R3; \
	SUBS  $1, R5

// func tileNEON(k int, a, b, c *float32, ldc, rows, cols int, beta float32)
TEXT ·tileNEON(SB), NOSPLIT, $256-60
	MOVD k+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD c+24(FP), R3
	MOVD ldc+32(FP), R4
	MOVD rows+40(FP), R5
	MOVD cols+48(FP), R6
	LSL  $2, R4
	MOVD R3, R8
	MOVD R5, R9

prefetch:
	PRFM (R8), PSTL1KEEP
	ADD  R4, R8
	SUBS $1, R9
	BNE  prefetch
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)
	ZERO8(V24, V25, V26, V27, V28, V29, V30, V31)
	CMP  $6, R5
	BGT  loop8
	CMP  $4, R5
	BGT  loop6
	CMP  $2, R5
	BGT  loop4

loop2:
	STEP2(0, 0, 2, F0, F2, F3)
	STEP2(32, 4, 6, F4, F6, F7)
	STEP2(64, 0, 2, F0, F2, F3)
	STEP2(96, 4, 6, F4, F6, F7)
	NEXT4
	BGT  loop2
	B    store

loop4:
	STEP4(0, 0, 2, F0, F2, F3)
	STEP4(32, 4, 6, F4, F6, F7)
	STEP4(64, 0, 2, F0, F2, F3)
	STEP4(96, 4, 6, F4, F6, F7)
	NEXT4
	BGT  loop4
	B    store

loop6:
	STEP6(0, 0, 2, F0, F1, F2, F3)
	STEP6(32, 4, 6, F4, F5, F6, F7)
	STEP6(64, 0, 2, F0, F1, F2, F3)
	STEP6(96, 4, 6, F4, F5, F6, F7)
	NEXT4
	BGT  loop6
	B    store

loop8:
	STEP8(0, 0, 2, F0, F1, F2, F3)
	STEP8(32, 4, 6, F4, F5, F6, F7)
	STEP8(64, 0, 2, F0, F1, F2, F3)
	STEP8(96, 4, 6, F4, F5, F6, F7)
	NEXT4
	BGT  loop8

store:
	FMOVS beta+56(FP), F2
	FMOVS F2, R7
	ANDW  $0x7fffffff, R7 // 0 if beta is
	CMP   $8, R6
	BLT   part
	CBZW  R7, set
	ADDROW(16, F16, F17)
	BEQ   done
	ADDROW(18, F18, F19)
	BEQ   done
	ADDROW(20, F20, F21)
	BEQ   done
	ADDROW(22, F22, F23)
	BEQ   done
	ADDROW(24, F24, F25)
	BEQ   done
	ADDROW(26, F26, F27)
	BEQ   done
	ADDROW(28, F28, F29)
	BEQ   done
	ADDROW(30, F30, F31)
	RET

set:
	SETROW(F16, F17)
	BEQ done
	SETROW(F18, F19)
	BEQ done
	SETROW(F20, F21)
	BEQ done
	SETROW(F22, F23)
	BEQ done
	SETROW(F24, F25)
	BEQ done
	SETROW(F26, F27)
	BEQ done
	SETROW(F28, F29)
	BEQ done
	SETROW(F30, F31)

done:
	RET

	// A tile cut by the right edge: by way of the stack, a value at a time.
part:
	MOVD  $sums-256(SP), R8
	FSTPQ (F16, F17), (R8)
	FSTPQ (F18, F19), 32(R8)
	FSTPQ (F20, F21), 64(R8)
	FSTPQ (F22, F23), 96(R8)
	FSTPQ (F24, F25), 128(R8)
	FSTPQ (F26, F27), 160(R8)
	FSTPQ (F28, F29), 192(R8)
	FSTPQ (F30, F31), 224(R8)

partrow:
	MOVD R8, R9
	MOVD R3, R10
	MOVD R6, R11

partcol:
	FMOVS.P 4(R9), F0
	CBZW    R7, partset
	FMOVS   (R10), F1
	FMADDS  F2, F0, F1, F0 // F0 += F1·F2, rounded once as above

partset:
	FMOVS.P F0, 4(R10)
	SUBS    $1, R11
	BNE     partcol
	ADD     $32, R8
	ADD     R4, R3
	SUBS    $1, R5
	BNE     partrow
	RET

// Packing.

// ROWPOINTERS sets R5 to R12 to eight rows from R1 on, R2 bytes apart.
#define ROWPOINTERS \
	MOVD R1, R5; \
	ADD  R2, R5, R6; \
	ADD  R2, R6, R7; \
	ADD  R2, R7, R8; \
	ADD  R2, R8, R9; \
	ADD  R2, R9, R10; \
	ADD  R2, R10, R11; \
	ADD  R2, R11, R12

// HALVES4 loads four values of two bytes from each row.
#define HALVES4 \
	FMOVD.P 8(R5), F0; \
	FMOVD.P 8(R6), F1; \
	FMOVD.P 8(R7), F2; \
	FMOVD.P 8(R8), F3; \
	FMOVD.P 8(R9), F4; \
	FMOVD.P 8(R10), F5; \
	FMOVD.P 8(R11), F6; \
	FMOVD.P 8(R12), F7

// TRANSPOSE4 transposes V(a) to V(d) into p to s.
#define TRANSPOSE4(a, b, c, d, p, q, r, s) \
	VTRN1 b.S4, a.S4, V24.S4; \
	VTRN2 b.S4, a.S4, V25.S4; \
	VTRN1 d.S4, c.S4, V26.S4; \
	VTRN2 d.S4, c.S4, V27.S4; \
	VTRN1 V26.D2, V24.D2, p.D2; \
	VTRN1 V27.D2, V25.D2, q.D2; \
	VTRN2 V26.D2, V24.D2, r.D2; \
	VTRN2 V27.D2, V25.D2, s.D2

// COLUMNS4 writes V0 to V7, four values of eight rows, as four columns, and sets the flags: more if GT.
#define COLUMNS4 \
	TRANSPOSE4(V0, V1, V2, V3, V16, V18, V20, V22); \
	TRANSPOSE4(V4, V5, V6, V7, V17, V19, V21, V23); \
	FSTPQ (F16, F17), (R3); \
	ADD   R4, R3; \
	FSTPQ (F18, F19), (R3); \
	ADD   R4, R3; \
	FSTPQ (F20, F21), (R3); \
	ADD   R4, R3; \
	FSTPQ (F22, F23), (R3); \
	ADD   R4, R3; \
	SUBS  $1, R0

// func transposeF32NEON(blocks int, src *float32, ld int, dst *float32, stride int)
TEXT ·transposeF32NEON(SB), NOSPLIT, $0-40
	MOVD blocks+0(FP), R0
	MOVD src+8(FP), R1
	MOVD ld+16(FP), R2
	MOVD dst+24(FP), R3
	MOVD stride+32(FP), R4
	LSL  $1, R0 // a block is twice four
	LSL  $2, R2
	LSL  $2, R4
	ROWPOINTERS

loop:
	FMOVQ.P 16(R5), F0
	FMOVQ.P 16(R6), F1
	FMOVQ.P 16(R7), F2
	FMOVQ.P 16(R8), F3
	FMOVQ.P 16(R9), F4
	FMOVQ.P 16(R10), F5
	FMOVQ.P 16(R11), F6
	FMOVQ.P 16(R12), F7
	COLUMNS4
	BGT     loop
	RET

// func transposeBF16NEON(blocks int, src *uint16, ld int, dst *float32, stride int)
TEXT ·transposeBF16NEON(SB), NOSPLIT, $0-40
	MOVD blocks+0(FP), R0
	MOVD src+8(FP), R1
	MOVD ld+16(FP), R2
	MOVD dst+24(FP), R3
	MOVD stride+32(FP), R4
	LSL  $2, R0 // a block is four times four
	LSL  $1, R2
	LSL  $2, R4
	ROWPOINTERS
	ZERO(V31)

loop:
	HALVES4
	VZIP1 V0.H8, V31.H8, V0.H8
	VZIP1 V1.H8, V31.H8, V1.H8
	VZIP1 V2.H8, V31.H8, V2.H8
	VZIP1 V3.H8, V31.H8, V3.H8
	VZIP1 V4.H8, V31.H8, V4.H8
	VZIP1 V5.H8, V31.H8, V5.H8
	VZIP1 V6.H8, V31.H8, V6.H8
	VZIP1 V7.H8, V31.H8, V7.H8
	COLUMNS4
	BGT   loop
	RET

// func transposeF16NEON(blocks int, src *uint16, ld int, dst *float32, stride int)
TEXT ·transposeF16NEON(SB), NOSPLIT, $0-40
	MOVD blocks+0(FP), R0
	MOVD src+8(FP), R1
	MOVD ld+16(FP), R2
	MOVD dst+24(FP), R3
	MOVD stride+32(FP), R4
	LSL  $1, R0 // a block is twice four
	LSL  $1, R2
	LSL  $2, R4
	ROWPOINTERS

loop:
	HALVES4
	FCVTL(0, 0)
	FCVTL(1, 1)
	FCVTL(2, 2)
	FCVTL(3, 3)
	FCVTL(4, 4)
	FCVTL(5, 5)
	FCVTL(6, 6)
	FCVTL(7, 7)
	COLUMNS4
	BGT loop
	RET

// COPIED writes V0 and V1 and goes on a row: more if GT.
#define COPIED \
	FSTPQ (F0, F1), (R3); \
	ADD   R2, R1; \
	ADD   R4, R3; \
	SUBS  $1, R0

// func copyF32NEON(rows int, src *float32, ld int, dst *float32, stride int)
TEXT ·copyF32NEON(SB), NOSPLIT, $0-40
	MOVD rows+0(FP), R0
	MOVD src+8(FP), R1
	MOVD ld+16(FP), R2
	MOVD dst+24(FP), R3
	MOVD stride+32(FP), R4
	LSL  $2, R2
	LSL  $2, R4

loop:
	FLDPQ (R1), (F0, F1)
	COPIED
	BGT   loop
	RET

// func copyBF16NEON(rows int, src *uint16, ld int, dst *float32, stride int)
TEXT ·copyBF16NEON(SB), NOSPLIT, $0-40
	MOVD rows+0(FP), R0
	MOVD src+8(FP), R1
	MOVD ld+16(FP), R2
	MOVD dst+24(FP), R3
	MOVD stride+32(FP), R4
	LSL  $1, R2
	LSL  $2, R4
	ZERO(V31)

loop:
	FMOVQ (R1), F2
	VZIP1 V2.H8, V31.H8, V0.H8
	VZIP2 V2.H8, V31.H8, V1.H8
	COPIED
	BGT   loop
	RET

// func copyF16NEON(rows int, src *uint16, ld int, dst *float32, stride int)
TEXT ·copyF16NEON(SB), NOSPLIT, $0-40
	MOVD rows+0(FP), R0
	MOVD src+8(FP), R1
	MOVD ld+16(FP), R2
	MOVD dst+24(FP), R3
	MOVD stride+32(FP), R4
	LSL  $1, R2
	LSL  $2, R4

loop:
	FMOVQ (R1), F2
	FCVTL(2, 0)
	FCVTL2(2, 1)
	COPIED
	BGT   loop
	RET

// Dot products: the sums of row j of w are V(16+2j) and V(17+2j), those of a second row of x eight further.

// WPOINTERS sets R5 to R8 to four rows from R2 on, R3 bytes apart.
#define WPOINTERS \
	MOVD R2, R5; \
	ADD  R3, R5, R6; \
	ADD  R3, R6, R7; \
	ADD  R3, R7, R8

// LOADtype loads eight values at R into V4 and V5.
#define LOADF32(R) \
	FLDPQ.P 32(R), (F4, F5)

#define LOADBF16(R) \
	FMOVQ.P 16(R), F6; \
	VZIP1   V6.H8, V15.H8, V4.H8; \
	VZIP2   V6.H8, V15.H8, V5.H8

#define LOADF16(R) \
	FMOVQ.P 16(R), F6; \
	FCVTL(6, 4); \
	FCVTL2(6, 5)

// DOT adds eight products with x in V(x) and the next: x is V0 or V2.
#define DOT(X0, X1, D0, D1) \
	VFMLA V4.S4, X0.S4, D0.S4; \
	VFMLA V5.S4, X1.S4, D1.S4

#define DOT1(LOAD) \
	FLDPQ.P 32(R1), (F0, F1); \
	LOAD(R5); \
	DOT(V0, V1, V16, V17); \
	LOAD(R6); \
	DOT(V0, V1, V18, V19); \
	LOAD(R7); \
	DOT(V0, V1, V20, V21); \
	LOAD(R8); \
	DOT(V0, V1, V22, V23); \
	SUBS $8, R0

#define DOT2(LOAD) \
	FLDPQ.P 32(R1), (F0, F1); \
	FLDPQ.P 32(R9), (F2, F3); \
	LOAD(R5); \
	DOT(V0, V1, V16, V17); \
	DOT(V2, V3, V24, V25); \
	LOAD(R6); \
	DOT(V0, V1, V18, V19); \
	DOT(V2, V3, V26, V27); \
	LOAD(R7); \
	DOT(V0, V1, V20, V21); \
	DOT(V2, V3, V28, V29); \
	LOAD(R8); \
	DOT(V0, V1, V22, V23); \
	DOT(V2, V3, V30, V31); \
	SUBS $8, R0

// SUMS writes the four sums in V(a) to V(a+7), which it changes, at off bytes into out.
#define SUMS(a, FA, off) \
	FADD((a)+1, a, a); \
	FADD((a)+3, (a)+2, (a)+2); \
	FADD((a)+5, (a)+4, (a)+4); \
	FADD((a)+7, (a)+6, (a)+6); \
	FADDP((a)+2, a, a); \
	FADDP((a)+6, (a)+4, (a)+4); \
	FADDP((a)+4, a, a); \
	FMOVQ FA, off(R4)

// func dot1F32NEON(k int, x *float32, w *float32, ldw int, out *float32)
TEXT ·dot1F32NEON(SB), NOSPLIT, $0-40
	MOVD k+0(FP), R0
	MOVD x+8(FP), R1
	MOVD w+16(FP), R2
	MOVD ldw+24(FP), R3
	MOVD out+32(FP), R4
	LSL  $2, R3
	WPOINTERS
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)

loop:
	DOT1(LOADF32)
	BGT loop
	SUMS(16, F16, 0)
	RET

// func dot1BF16NEON(k int, x *float32, w *uint16, ldw int, out *float32)
TEXT ·dot1BF16NEON(SB), NOSPLIT, $0-40
	MOVD k+0(FP), R0
	MOVD x+8(FP), R1
	MOVD w+16(FP), R2
	MOVD ldw+24(FP), R3
	MOVD out+32(FP), R4
	LSL  $1, R3
	WPOINTERS
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)
	ZERO(V15)

loop:
	DOT1(LOADBF16)
	BGT loop
	SUMS(16, F16, 0)
	RET

// func dot1F16NEON(k int, x *float32, w *uint16, ldw int, out *float32)
TEXT ·dot1F16NEON(SB), NOSPLIT, $0-40
	MOVD k+0(FP), R0
	MOVD x+8(FP), R1
	MOVD w+16(FP), R2
	MOVD ldw+24(FP), R3
	MOVD out+32(FP), R4
	LSL  $1, R3
	WPOINTERS
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)

loop:
	DOT1(LOADF16)
	BGT loop
	SUMS(16, F16, 0)
	RET

// func dot2F32NEON(k int, x *float32, ldx int, w *float32, ldw int, out *float32)
TEXT ·dot2F32NEON(SB), NOSPLIT, $0-48
	MOVD k+0(FP), R0
	MOVD x+8(FP), R1
	MOVD ldx+16(FP), R9
	MOVD w+24(FP), R2
	MOVD ldw+32(FP), R3
	MOVD out+40(FP), R4
	ADD  R9<<2, R1, R9
	LSL  $2, R3
	WPOINTERS
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)
	ZERO8(V24, V25, V26, V27, V28, V29, V30, V31)

loop:
	DOT2(LOADF32)
	BGT loop
	SUMS(16, F16, 0)
	SUMS(24, F24, 16)
	RET

// func dot2BF16NEON(k int, x *float32, ldx int, w *uint16, ldw int, out *float32)
TEXT ·dot2BF16NEON(SB), NOSPLIT, $0-48
	MOVD k+0(FP), R0
	MOVD x+8(FP), R1
	MOVD ldx+16(FP), R9
	MOVD w+24(FP), R2
	MOVD ldw+32(FP), R3
	MOVD out+40(FP), R4
	ADD  R9<<2, R1, R9
	LSL  $1, R3
	WPOINTERS
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)
	ZERO8(V24, V25, V26, V27, V28, V29, V30, V31)
	ZERO(V15)

loop:
	DOT2(LOADBF16)
	BGT loop
	SUMS(16, F16, 0)
	SUMS(24, F24, 16)
	RET

// func dot2F16NEON(k int, x *float32, ldx int, w *uint16, ldw int, out *float32)
TEXT ·dot2F16NEON(SB), NOSPLIT, $0-48
	MOVD k+0(FP), R0
	MOVD x+8(FP), R1
	MOVD ldx+16(FP), R9
	MOVD w+24(FP), R2
	MOVD ldw+32(FP), R3
	MOVD out+40(FP), R4
	ADD  R9<<2, R1, R9
	LSL  $1, R3
	WPOINTERS
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)
	ZERO8(V24, V25, V26, V27, V28, V29, V30, V31)

loop:
	DOT2(LOADF16)
	BGT loop
	SUMS(16, F16, 0)
	SUMS(24, F24, 16)
	RET

// func peakNEON(n int)
TEXT ·peakNEON(SB), NOSPLIT, $0-8
	MOVD n+0(FP), R0
	ZERO8(V0, V1, V2, V3, V4, V5, V6, V7)
	ZERO8(V8, V9, V10, V11, V12, V13, V14, V15)
	ZERO8(V16, V17, V18, V19, V20, V21, V22, V23)
	ZERO8(V24, V25, V26, V27, V28, V29, V30, V31)

loop:
	ROWS2(0, 0, 2, 8)
	ROWS2(0, 2, 2, 12)
	ROWS2(1, 0, 2, 16)
	ROWS2(1, 2, 2, 20)
	ROWS2(4, 0, 6, 24)
	ROWS2(4, 2, 6, 28)
	SUBS $1, R0
	BNE  loop
	RET
