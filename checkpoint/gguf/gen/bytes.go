package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Types whose codes are looked up, or put together, as bytes: 16 at a time, in the low part of a vector.

// x is the low 16 bytes of a vector.
func x(r reg.VecPhysical) reg.VecPhysical { return r.AsX().(reg.VecPhysical) }

// every is a constant with the same byte everywhere.
func every(name string, b byte) Mem { return same(name, uint32(b)*0x01010101) }

// table is a constant of 16 bytes with a sign.
func table(name string, values [16]int8) Mem {
	return words(name, func(i int) uint32 {
		w := uint32(0)
		for j := range 4 {
			w |= uint32(uint8(values[(4*i+j)%16])) << (8 * j)
		}
		return w
	})
}

// spread multiplies 16 bytes with a sign, in the low part of r, by the scale, and puts them.
func (s isa) spread(r reg.VecPhysical, plus bool, at int) {
	out := s.v[4]
	for i := 0; i < 16; i += s.lanes {
		if i > 0 {
			VPSRLDQ(Imm(8), x(r), x(r))
		}
		VPMOVSXBD(x(r), out)
		s.values(out, false, plus, at+i)
	}
}

// widened makes r the first numbers of 16 bytes with a sign, as many as it holds, from byte at on; the bytes are shifted.
func (s isa) widened(bytes reg.VecPhysical, at int, r reg.VecPhysical) {
	if at > 0 {
		VPSRLDQ(Imm(8), x(bytes), x(bytes))
	}
	VPMOVSXBD(x(bytes), r)
	VCVTDQ2PS(r, r)
}

// lookup32 puts the values of 32 codes of 4 bits by the table in zero.
func (s isa) lookup32(codes, at int) {
	lo, hi := s.v[0], s.v[1]
	VMOVDQU(src(codes), x(lo))
	VPSRLW(Imm(4), x(lo), x(hi))
	for h, r := range []reg.VecPhysical{lo, hi} {
		VPAND(x(s.low()), x(r), x(r))
		VPSHUFB(x(r), x(s.zero()), x(r))
		s.spread(r, false, at+16*h)
	}
}

// The values of IQ4_NL and IQ4_XS, and those of 4-bit floats, doubled: see the tables iq4nl and e2m1 of package gguf.
var (
	iq4nl = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	e2m1  = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

func (s isa) lookup(name string, values [16]int8) func() {
	return func() {
		s.load(every("nibbles", 15), s.low())
		s.load(table(name, values), s.zero())
	}
}

// looked are the types of 32 values that are all looked up.
func (s isa) looked() {
	s.kernel("IQ4NL", 32, 18, s.lookup("iq4nl", iq4nl), func() {
		s.half(src(0), s.d())
		s.lookup32(2, 0)
	})
	s.kernel("MXFP4", 32, 17, s.lookup("e2m1", e2m1), func() {
		// Half of 2^(e−127), as the values are doubled: exponent e−1, or for e below 2 a subnormal number.
		e, small, two := reg.CX, reg.R8L, reg.R9L
		MOVQ(rN, reg.R10)
		MOVBLZX(src(0), e.As32())
		MOVL(U32(0x200000), small)
		SHLL(reg.CL, small)
		LEAL(Mem{Base: e, Disp: -1}, two)
		SHLL(Imm(23), two)
		CMPL(e.As32(), Imm(2))
		CMOVLCS(small, two)
		MOVQ(reg.R10, rN)
		VMOVD(two, x(s.d()))
		VBROADCASTSS(x(s.d()), s.d())
		s.lookup32(1, 0)
	})
}

// iq4xs unpacks groups of 32 values, each with a scale of 6 bits.
func (s isa) iq4xs() {
	s.kernel("IQ4XS", 256, 136, s.lookup("iq4nl", iq4nl), func() {
		d, scale, high, t := s.v[5], reg.R8L, reg.R9L, reg.R10L
		s.half(src(0), d)
		MOVWLZX(src(2), high)
		for g := range 8 {
			MOVBLZX(src(4+g/2), scale)
			if g%2 == 1 {
				SHRL(Imm(4), scale)
			}
			ANDL(Imm(15), scale)
			MOVL(high, t)
			if g > 0 {
				SHRL(Imm(uint64(2*g)), t)
			}
			ANDL(Imm(3), t)
			SHLL(Imm(4), t)
			ORL(t, scale)
			SUBL(Imm(32), scale)
			VMOVD(scale, x(s.d()))
			VBROADCASTSS(x(s.d()), s.d())
			VCVTDQ2PS(s.d(), s.d())
			VMULPS(d, s.d(), s.d())
			s.lookup32(8+16*g, 32*g)
		}
	})
}

// quarter is where the codes of group g of Q2_K and Q3_K are.
func quarter(g int) int { return g/8*32 + g%2*16 }

// q2k unpacks groups of 16 values with scales and minima of 4 bits.
func (s isa) q2k() {
	var mem Mem
	s.kernel("Q2K", 256, 84, func() {
		mem = AllocLocal(128)
		s.load(every("nibbles", 15), s.low())
		s.load(every("pairs2", 3), s.one())
		s.load(same("signs", 1<<31), s.v[13])
	}, func() {
		s.halves(src(80), s.d(), s.m())
		lo, hi, r := s.v[0], s.v[1], s.v[2]
		VMOVDQU(src(0), x(lo))
		VPSRLW(Imm(4), x(lo), x(hi))
		VPAND(x(s.low()), x(lo), x(lo))
		VPAND(x(s.low()), x(hi), x(hi))
		for i := 0; i < 16; i += s.lanes {
			s.widened(lo, i, r)
			VMULPS(s.d(), r, r)
			VMOVUPS(r, mem.Offset(4*i))
			s.widened(hi, i, r)
			VMULPS(s.m(), r, r)
			if s.lanes == 16 {
				VPXORD(s.v[13], r, r)
			} else {
				VXORPS(s.v[13], r, r)
			}
			VMOVUPS(r, mem.Offset(64+4*i))
		}
		for g := range 16 {
			VBROADCASTSS(mem.Offset(4*g), s.d())
			VBROADCASTSS(mem.Offset(64+4*g), s.m())
			s.shifted(src(16+quarter(g)), g&6, s.one(), lo)
			s.spread(lo, true, 16*g)
		}
	})
}

// shifted makes r 16 bytes, shifted to the right, of which the mask is left.
func (s isa) shifted(m Mem, by int, mask, r reg.VecPhysical) {
	VMOVDQU(m, x(r))
	if by > 0 {
		VPSRLW(Imm(uint64(by)), x(r), x(r))
	}
	VPAND(x(mask), x(r), x(r))
}

// q3k unpacks groups of 16 values with scales of 6 bits. A third bit of each code stands apart.
func (s isa) q3k() {
	var mem Mem
	bit, four := s.v[11], s.v[12]
	s.kernel("Q3K", 256, 110, func() {
		mem = AllocLocal(64)
		s.load(every("nibbles", 15), s.low())
		s.load(every("pairs2", 3), s.one())
		s.load(every("bits", 1), bit)
		s.load(every("fours", 4), four)
	}, func() {
		lo, hi, r, d := s.v[0], s.v[1], s.v[2], s.v[5]
		MOVWLZX(src(108), rTmp.As32()) // the block ends there
		VMOVD(rTmp.As32(), x(d))
		VCVTPH2PS(x(d), x(d))
		VBROADCASTSS(x(d), d)
		VMOVQ(src(96), x(lo))
		VPSRLW(Imm(4), x(lo), x(hi))
		VPUNPCKLQDQ(x(hi), x(lo), x(lo))
		VPAND(x(s.low()), x(lo), x(lo))
		VPBROADCASTD(src(104), x(hi))
		VPSRLVD(words("shifts", func(i int) uint32 { return uint32(2 * (i % 4)) }), x(hi), x(hi))
		VPAND(x(s.one()), x(hi), x(hi))
		VPSLLW(Imm(4), x(hi), x(hi))
		VPOR(x(hi), x(lo), x(lo))
		VPSUBB(every("bytes32", 32), x(lo), x(lo))
		for i := 0; i < 16; i += s.lanes {
			s.widened(lo, i, r)
			VMULPS(d, r, r)
			VMOVUPS(r, mem.Offset(4*i))
		}
		for g := range 16 {
			VBROADCASTSS(mem.Offset(4*g), s.d())
			s.shifted(src(32+quarter(g)), g&6, s.one(), lo)
			s.shifted(src(g%2*16), g/2&7, bit, hi)
			VPSLLW(Imm(2), x(hi), x(hi))
			VPOR(x(hi), x(lo), x(lo))
			VPSUBB(x(four), x(lo), x(lo))
			s.spread(lo, false, 16*g)
		}
	})
}
