package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of bfloat16 products. A panel's element is a pair of bfloat16 numbers, k and k+1, in the place of a float32.
// Neither avo nor Go's assembler knows AVX512-BF16 and AMX, so their instructions are written as bytes (Intel's manual,
// volume 2, and the instruction set extensions reference).

func emit(bytes ...byte) {
	for _, b := range bytes {
		Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(b)}})
	}
}

// evex writes an instruction of map 0F38 on 512-bit registers; v is the first source, or no register (nil).
func evex(pp, opcode byte, dst, v, rm reg.VecPhysical) {
	d, m := byte(dst.PhysicalIndex()), byte(rm.PhysicalIndex())
	n := byte(0)
	if v != nil {
		n = byte(v.PhysicalIndex())
	}
	bit := func(x byte, i uint) byte { return ^x >> i & 1 }
	emit(0x62,
		bit(d, 3)<<7|bit(m, 4)<<6|bit(m, 3)<<5|bit(d, 4)<<4|2,
		^n&15<<3|1<<2|pp,
		2<<5|bit(n, 4)<<3,
		opcode, 0xc0|d&7<<3|m&7)
}

// dpbf16 adds the products of the pairs of a and b to the float32 of acc (vdpbf16ps).
func dpbf16(a, b, acc reg.VecPhysical) { evex(2, 0x52, acc, a, b) }

// narrow2 rounds the float32 of low and high to the two halves of dst (vcvtne2ps2bf16).
func narrow2(low, high, dst reg.VecPhysical) { evex(3, 0x72, dst, high, low) }

// pairsF32 packs rows of float32: a block is 32 values of k.
func (s isa) pairsF32() {
	begin("pairsF32"+s.name, "func(blocks int, src *float32, ld int, dst *float32, stride int)",
		"pairsF32"+s.name+" rounds a vector of rows of src, and transposes their pairs into rows of dst, in blocks.",
		map[string]reg.Register{"blocks": rK, "src": rA, "ld": rLDC, "dst": rC, "stride": rCols})
	SHLQ(Imm(2), rLDC)
	SHLQ(Imm(2), rCols)
	Label("loop")
	MOVQ(rA, rRow)
	out := s.transposeLoaded(func(i int) {
		tmp := s.v[s.lanes]
		VMOVUPS(Mem{Base: rRow}, s.v[i])
		VMOVUPS(Mem{Base: rRow, Disp: 64}, tmp)
		ADDQ(rLDC, rRow)
		narrow2(s.v[i], tmp, s.v[i])
	})
	ADDQ(U32(128), rA)
	for _, r := range out {
		VMOVUPS(r, Mem{Base: rC})
		ADDQ(rCols, rC)
	}
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}

// merge packs columns: the first cols values of a vector of two rows each become a row of pairs. A last row without a
// second one is paired with zeros.
func (s isa) merge(k kind) {
	name := "merge" + k.name + s.name
	begin(name, "func(rows int, src *"+k.typ+", ld int, dst *float32, stride, cols int)",
		name+" makes pairs of every two rows of src, the first cols values of a vector of each; the rest are zeros.",
		map[string]reg.Register{"rows": rK, "src": rA, "ld": rLDC, "dst": rC, "stride": rB, "cols": rCols})
	SHLQ(U8(map[int]byte{4: 2, 2: 1}[k.bytes]), rLDC)
	SHLQ(Imm(2), rB)
	s.masks(1)
	low, high, perm := s.v[0], s.v[1], s.v[2]
	VMOVDQU64(pairIndex(), perm)
	load := func(r reg.VecPhysical) {
		if k.bytes == 4 {
			VMOVUPS_Z(Mem{Base: rA}, reg.K1, r)
		} else {
			VMOVDQU16_Z(Mem{Base: rA}, reg.K1, r.(reg.Vec).AsY())
		}
	}
	Label("loop")
	load(low)
	ADDQ(rLDC, rA)
	s.zero(high)
	CMPQ(rK, U32(1))
	JE(LabelRef("single"))
	load(high)
	Label("single")
	ADDQ(rLDC, rA)
	if k.bytes == 4 {
		narrow2(low, high, low)
	} else {
		VINSERTI64X4(Imm(1), high.(reg.Vec).AsY(), low, low)
	}
	VPERMW(low, perm, low)
	VMOVUPS(low, Mem{Base: rC})
	ADDQ(rB, rC)
	SUBQ(Imm(2), rK)
	JG(LabelRef("loop"))
	end()
}

var pairIndexData *Mem

// pairIndex takes value i of the lower half and of the upper half in turns.
func pairIndex() Mem {
	if pairIndexData == nil {
		m := GLOBL("pairIndex", RODATA|NOPTR)
		for i := range 16 {
			DATA(i*4, U32(uint32(i)|uint32(16+i)<<16))
		}
		pairIndexData = &m
	}
	return *pairIndexData
}

// narrow rounds vectors of 32 values.
func (s isa) narrow() {
	begin("narrow"+s.name, "func(blocks int, src *float32, dst *uint16)",
		"narrow"+s.name+" rounds blocks of 32 values to bfloat16.",
		map[string]reg.Register{"blocks": rK, "src": rA, "dst": rC})
	Label("loop")
	VMOVUPS(Mem{Base: rA}, s.v[0])
	VMOVUPS(Mem{Base: rA, Disp: 64}, s.v[1])
	narrow2(s.v[0], s.v[1], s.v[0])
	VMOVUPS(s.v[0], Mem{Base: rC})
	ADDQ(U32(128), rA)
	ADDQ(U32(64), rC)
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}

// narrowF16 rounds vectors to half precision.
func (s isa) narrowF16() {
	begin("narrowF16"+s.name, "func(blocks int, src *float32, dst *uint16)",
		"narrowF16"+s.name+" rounds vectors to half precision; what is too large becomes the largest number.",
		map[string]reg.Register{"blocks": rK, "src": rA, "dst": rC})
	x, most, least := s.v[0], s.v[1], s.v[2]
	for i, r := range []reg.VecPhysical{most, least} {
		MOVL(U32(0x477fe000|uint32(i)<<31), rTmp.As32()) // ±65504
		VMOVD(rTmp.As32(), r.(reg.Vec).AsX())
		VBROADCASTSS(r.(reg.Vec).AsX(), r)
	}
	Label("loop")
	VMOVUPS(Mem{Base: rA}, x)
	VMINPS(x, most, x) // NaN stays
	VMAXPS(x, least, x)
	VCVTPS2PH(Imm(0), x, Mem{Base: rC})
	ADDQ(U32(s.lanes*4), rA)
	ADDQ(U32(s.lanes*2), rC)
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}

// round rounds vectors to bfloat16 in place, as the units do: to nearest, ties to even, and what is less than the least
// normal number to zero.
func (s isa) round() {
	begin("round"+s.name, "func(blocks int, dst *float32)",
		"round"+s.name+" rounds vectors to bfloat16 in place; subnormal numbers become zeros.",
		map[string]reg.Register{"blocks": rK, "dst": rC})
	v := s.v
	consts := []reg.VecPhysical{v[8], v[9], v[10], v[11], v[12]}
	for i, c := range []uint32{1, 0x7fff, 0xffff0000, 0x7f800000, 0x80000000} {
		MOVL(U32(c), rTmp.As32())
		VMOVD(rTmp.As32(), consts[i].(reg.Vec).AsX())
		VPBROADCASTD(consts[i].(reg.Vec).AsX(), consts[i])
	}
	one, half, upper, exponent, sign := consts[0], consts[1], consts[2], consts[3], consts[4]
	x, t, e := v[0], v[1], v[2]
	Label("loop")
	VMOVUPS(Mem{Base: rC}, x)
	VPSRLD(Imm(16), x, t)
	s.and(one, t, t)
	VPADDD(half, t, t)
	VPADDD(x, t, t)
	s.and(upper, t, t)
	s.and(exponent, x, e)
	if s.lanes == 16 {
		VPCMPEQD(exponent, e, reg.K1) // infinity, NaN: cut off, a NaN stays one
		VPANDD(upper, x, reg.K1, t)
		VCMPPS(Imm(3), x, x, reg.K2)
		VPTESTNMD(exponent, x, reg.K1)
		VPANDD(sign, x, reg.K1, t)
		MOVL(U32(0x400000), rTmp.As32())
		VPBROADCASTD(rTmp.As32(), e)
		VPORD(e, t, reg.K2, t)
	} else {
		y, z := v[3], v[4]
		s.and(upper, x, y)
		VPCMPEQD(exponent, e, z)
		VPBLENDVB(z, y, t, t)
		VPXOR(z, z, z)
		VPCMPEQD(z, e, z)
		s.and(sign, x, y)
		VPBLENDVB(z, y, t, t)
		VCMPPS(Imm(3), x, x, z)
		VPSRLD(Imm(31), z, z)
		VPSLLD(Imm(22), z, z)
		VPOR(z, t, t)
	}
	VMOVUPS(t, Mem{Base: rC})
	ADDQ(U32(s.lanes*4), rC)
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}

func (s isa) and(a, b, dst reg.VecPhysical) {
	if s.lanes == 16 {
		VPANDD(a, b, dst)
		return
	}
	VPAND(a, b, dst)
}

// Tile registers of tileAMX: four sums, two of A, two of B.
const (
	sumTile, aTile, bTile = 0, 4, 6
)

// vexTile writes an instruction of map 0F38 with the memory at base+index, or register bits in modrm.
func vexTile(pp, opcode byte, tile int, base, index reg.GPPhysical) {
	b, i := byte(base.PhysicalIndex()), byte(index.PhysicalIndex())
	emit(0xc4, 0x80|(^i>>3&1)<<6|(^b>>3&1)<<5|2, 0x78|pp, opcode, byte(tile)<<3|4, i&7<<3|b&7)
}

func tileLoad(tile int, base, index reg.GPPhysical)  { vexTile(3, 0x4b, tile, base, index) }
func tileStore(tile int, base, index reg.GPPhysical) { vexTile(2, 0x4b, tile, base, index) }
func tileZero(tile int)                              { emit(0xc4, 0xe2, 0x7b, 0x49, 0xc0|byte(tile)<<3) }

// tileProduct adds A·B to the sums (tdpbf16ps).
func tileProduct(sum, a, b int) {
	emit(0xc4, 0xe2, byte(^b&15)<<3|2, 0x5c, 0xc0|byte(sum)<<3|byte(a))
}

// tileAMX writes the micro-kernel of AMX: up to 32 rows of A, as rows of bfloat16, against a panel of B, 32 columns wide.
// The tiles' configuration says how many rows and columns there are, so that edges take no masks.
func tileAMX() {
	rCfg, rStep, rA1, rC1, rLDA, rAdd := reg.RAX, reg.RBX, reg.R11, reg.R12, reg.R13, reg.RCX
	begin("tileAMX", "func(config *byte, k int, a *uint16, lda int, b, c *float32, ldc, rowTiles, colTiles, add int)",
		"tileAMX is tile on tile registers: k counts pairs, in multiples of 16; with add the products are added to C.",
		map[string]reg.Register{"k": rK, "a": rA, "b": rB, "c": rC, "ldc": rLDC})
	Load(Param("config"), rCfg)
	Load(Param("lda"), rLDA)
	Load(Param("add"), rAdd)
	emit(0xc4, 0xe2, 0x78, 0x49, 0x00) // ldtilecfg (AX)
	SHLQ(Imm(1), rLDA)
	SHLQ(Imm(2), rLDC)
	SHRQ(Imm(4), rK)
	MOVQ(rLDA, rA1)
	SHLQ(Imm(4), rA1)
	ADDQ(rA, rA1)
	MOVQ(rLDC, rC1)
	SHLQ(Imm(4), rC1)
	ADDQ(rC, rC1)
	MOVQ(U32(128), rStep) // of B
	CMPQ(param("rowTiles"), Imm(1))
	JE(LabelRef("low"))
	CMPQ(param("colTiles"), Imm(1))
	JE(LabelRef("tiles2x1"))
	amxLoop(2, 2, rA1, rC1, rLDA, rStep, rAdd)
	Label("tiles2x1")
	amxLoop(2, 1, rA1, rC1, rLDA, rStep, rAdd)
	Label("low")
	CMPQ(param("colTiles"), Imm(1))
	JE(LabelRef("tiles1x1"))
	amxLoop(1, 2, rA1, rC1, rLDA, rStep, rAdd)
	Label("tiles1x1")
	amxLoop(1, 1, rA1, rC1, rLDA, rStep, rAdd)
}

func amxLoop(h, w int, rA1, rC1, rLDA, rStep, rAdd reg.GPPhysical) {
	id := label("%dx%d", h, w)
	rowsA, rowsC := []reg.GPPhysical{rA, rA1}, []reg.GPPhysical{rC, rC1}
	each := func(f func(i, j int)) {
		for j := range w {
			for i := range h {
				f(i, j)
			}
			if j < w-1 {
				for i := range h {
					ADDQ(Imm(64), rowsC[i])
				}
			}
		}
		if w == 2 {
			for i := range h {
				SUBQ(Imm(64), rowsC[i])
			}
		}
	}
	CMPQ(rAdd, Imm(0))
	JE(LabelRef("zero" + id))
	each(func(i, j int) { tileLoad(sumTile+2*i+j, rowsC[i], rLDC) })
	JMP(LabelRef("loop" + id))
	Label("zero" + id)
	for i := range h {
		for j := range w {
			tileZero(sumTile + 2*i + j)
		}
	}
	Label("loop" + id)
	for i := range h {
		tileLoad(aTile+i, rowsA[i], rLDA)
		ADDQ(Imm(64), rowsA[i])
		for j := range w {
			if i == 0 {
				tileLoad(bTile+j, rB, rStep)
				if j < w-1 {
					ADDQ(Imm(64), rB)
				}
			}
			tileProduct(sumTile+2*i+j, aTile+i, bTile+j)
		}
	}
	ADDQ(U32(2048-64*(w-1)), rB)
	DECQ(rK)
	JNZ(LabelRef("loop" + id))
	each(func(i, j int) { tileStore(sumTile+2*i+j, rowsC[i], rLDC) })
	emit(0xc4, 0xe2, 0x78, 0x49, 0xc0) // tilerelease
	end()
}

// peakAMX is a loop of products of tile registers only.
func peakAMX() {
	begin("peakAMX", "func(config *byte, n int)", "peakAMX runs n rounds of 4 products of 16×32 by 32×16 values.", nil)
	Load(Param("config"), reg.RAX)
	Load(Param("n"), rK)
	emit(0xc4, 0xe2, 0x78, 0x49, 0x00) // ldtilecfg (AX)
	for tile := range 8 {
		tileZero(tile)
	}
	Label("loop")
	for i := range 4 {
		tileProduct(sumTile+i, aTile+i/2, bTile+i%2)
	}
	DECQ(rK)
	JNZ(LabelRef("loop"))
	emit(0xc4, 0xe2, 0x78, 0x49, 0xc0) // tilerelease
	end()
}
