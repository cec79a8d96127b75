// Command gen writes the amd64 kernels of package gguf, which unpack blocks: go generate in its folder.
package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set: its name, the floats in a vector, and its vector registers.
type isa struct {
	name  string
	lanes int
	v     []reg.VecPhysical
}

var (
	avx512 = isa{"AVX512", 16, []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9,
		reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15}}
	avx2 = isa{"AVX2", 8, []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9,
		reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}}
)

// The registers of all kernels: the blocks left, the next block, and where its values go.
var rN, rSrc, rDst, rTmp = reg.RCX, reg.RSI, reg.RDI, reg.RAX

// vectors with a meaning in all kernels; 0 to 5 are for the values in work.
func (s isa) d() reg.VecPhysical    { return s.v[6] }  // scale
func (s isa) m() reg.VecPhysical    { return s.v[7] }  // what is added
func (s isa) low() reg.VecPhysical  { return s.v[8] }  // 15 in each lane
func (s isa) zero() reg.VecPhysical { return s.v[9] }  // what is subtracted from codes
func (s isa) one() reg.VecPhysical  { return s.v[10] } // a bit in each lane
func (s isa) lane() reg.VecPhysical { return s.v[11] } // the lanes' numbers
func (s isa) low2() reg.VecPhysical { return s.v[12] } // 3 in each lane

// words is a read-only vector of 16 numbers; constants are made once.
var made = map[string]Mem{}

func words(name string, f func(i int) uint32) Mem {
	if m, ok := made[name]; ok {
		return m
	}
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 16 {
		DATA(4*i, U32(f(i)))
	}
	made[name] = m
	return m
}

func same(name string, v uint32) Mem { return words(name, func(int) uint32 { return v }) }

// and, or, sub are bitwise or integer operations on a vector.
func (s isa) and(a, b Op, dst reg.VecPhysical) {
	if s.lanes == 16 {
		VPANDD(a, b, dst)
		return
	}
	VPAND(a, b, dst)
}

func (s isa) or(a, b Op, dst reg.VecPhysical) {
	if s.lanes == 16 {
		VPORD(a, b, dst)
		return
	}
	VPOR(a, b, dst)
}

// load copies a constant into a register.
func (s isa) load(m Mem, r reg.VecPhysical) { VMOVUPS(m, r) }

// half widens the half-precision number at m into all lanes of r. It reads eight bytes.
func (s isa) half(m Mem, r reg.VecPhysical) {
	VCVTPH2PS(m, r.AsX())
	VBROADCASTSS(r.AsX(), r)
}

// halves widens two that follow one another.
func (s isa) halves(m Mem, first, second reg.VecPhysical) {
	VCVTPH2PS(m, first.AsX())
	VMOVSHDUP(first.AsX(), second.AsX())
	VBROADCASTSS(first.AsX(), first)
	VBROADCASTSS(second.AsX(), second)
}

// tables says whether 16 values of a scale are kept in a vector, of which a code picks one.
func (s isa) tables() bool { return s.lanes == 16 }

// table32 unpacks 32 codes of 4 bits by a table of their values.
func (s isa) table32(codes int, numbers Mem, plus bool) {
	table, c, hi := s.v[0], s.v[1], s.v[2]
	VMULPS(numbers, s.d(), table)
	if plus {
		VADDPS(s.m(), table, table)
	}
	VPMOVZXBD(src(codes), c)
	VPSRLD(Imm(4), c, hi)
	VPERMPS(table, c, c) // which reads the low 4 bits of an index
	VPERMPS(table, hi, hi)
	VMOVUPS(c, dst(0))
	VMOVUPS(hi, dst(16))
}

// codeNumbers are the numbers from −zero on.
func codeNumbers(zero int) func(i int) uint32 {
	return func(i int) uint32 { return math.Float32bits(float32(i - zero)) }
}

// values turns the codes in r, one a lane, into d·(code − zero) + m, or parts of that, and stores them.
func (s isa) values(r reg.VecPhysical, less, plus bool, at Mem) {
	VCVTDQ2PS(r, r)
	if less {
		VSUBPS(s.zero(), r, r)
	}
	VMULPS(s.d(), r, r)
	if plus {
		VADDPS(s.m(), r, r)
	}
	VMOVUPS(r, at)
}

// kernel writes a function that runs body once for each block of the given size.
func (s isa) kernel(name string, values, bytes int, constants, body func()) {
	full := "unpack" + name + s.name
	TEXT(full, NOSPLIT, "func(n int, src *byte, dst *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s unpacks n blocks of %d values in %d bytes.", full, values, bytes))
	Load(Param("n"), rN)
	Load(Param("src"), rSrc)
	Load(Param("dst"), rDst)
	constants()
	Label("loop")
	body()
	ADDQ(U32(uint32(bytes)), rSrc)
	ADDQ(U32(uint32(4*values)), rDst)
	DECQ(rN)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func (s isa) common(zero float32) func() {
	return func() {
		s.load(same("low4", 15), s.low())
		if zero != 0 {
			s.load(same(fmt.Sprintf("zero%g", zero), math.Float32bits(zero)), s.zero())
		}
	}
}

func src(at int) Mem { return Mem{Base: rSrc, Disp: at} }
func dst(at int) Mem { return Mem{Base: rDst, Disp: 4 * at} }

// nibbles32 unpacks 32 codes of 4 bits: value i is in the low bits of byte i, value i+16 in the high ones. fifth, where not
// nil, is a vector with 32 bits to be added above.
func (s isa) nibbles32(codes int, fifth reg.VecPhysical, less, plus bool) {
	for i := 0; i < 16; i += s.lanes {
		lo, hi, bit := s.v[0], s.v[1], s.v[2]
		VPMOVZXBD(src(codes+i), hi)
		s.and(s.low(), hi, lo)
		VPSRLD(Imm(4), hi, hi)
		if fifth != nil {
			for h, r := range []reg.VecPhysical{lo, hi} {
				if at := 16*h + i; at == 0 {
					VPSRLVD(s.lane(), fifth, bit)
				} else {
					VPSRLD(Imm(uint64(at)), fifth, bit)
					VPSRLVD(s.lane(), bit, bit)
				}
				s.and(s.one(), bit, bit)
				VPSLLD(Imm(4), bit, bit)
				s.or(bit, r, r)
			}
		}
		s.values(lo, less, plus, dst(i))
		s.values(hi, less, plus, dst(i+16))
	}
}

func (s isa) simple() {
	s.kernel("Q40", 32, 18, s.common(8), func() {
		s.half(src(0), s.d())
		if s.tables() {
			s.table32(2, words("less8", codeNumbers(8)), false)
			return
		}
		s.nibbles32(2, nil, true, false)
	})
	s.kernel("Q41", 32, 20, s.common(0), func() {
		s.halves(src(0), s.d(), s.m())
		if s.tables() {
			s.table32(4, words("plain", codeNumbers(0)), true)
			return
		}
		s.nibbles32(4, nil, false, true)
	})
	bits := func(zero float32) func() {
		return func() {
			s.common(zero)()
			s.load(same("one", 1), s.one())
			s.load(words("lanes", func(i int) uint32 { return uint32(i) }), s.lane())
		}
	}
	s.kernel("Q50", 32, 22, bits(16), func() {
		s.half(src(0), s.d())
		VPBROADCASTD(src(2), s.v[3])
		s.nibbles32(6, s.v[3], true, false)
	})
	s.kernel("Q51", 32, 24, bits(0), func() {
		s.halves(src(0), s.d(), s.m())
		VPBROADCASTD(src(4), s.v[3])
		s.nibbles32(8, s.v[3], false, true)
	})
	s.kernel("Q80", 32, 34, func() {}, func() {
		s.half(src(0), s.d())
		for i := 0; i < 32; i += s.lanes {
			VPMOVSXBD(src(2+i), s.v[0])
			s.values(s.v[0], false, false, dst(i))
		}
	})
}

// scales unpacks the eight scales and minima of Q4_K and Q5_K, 6 bits each of the 12 bytes at src(4), to d·scale and −dmin·min
// at mem.
func (s isa) scales(mem Mem) {
	a, b, c := reg.R8L, reg.R9L, reg.R10L
	t, u := reg.R11L, reg.R12L
	MOVL(src(4), a)
	MOVL(src(8), b)
	MOVL(src(12), c)
	at := func(i int) Mem { m := mem; m.Disp += 4 * i; return m }
	join := func(dst Mem, lo, hi reg.GPPhysical, shift uint64) { // (lo>>shift & 15) | (hi>>6 & 3)<<4, byte by byte
		MOVL(lo, t)
		if shift > 0 {
			SHRL(Imm(shift), t)
		}
		ANDL(U32(0x0f0f0f0f), t)
		MOVL(hi, u)
		SHRL(Imm(2), u)
		ANDL(U32(0x30303030), u)
		ORL(u, t)
		MOVL(t, dst)
	}
	join(at(1), c, a, 0)
	join(at(3), c, b, 4)
	ANDL(U32(0x3f3f3f3f), a)
	MOVL(a, at(0))
	ANDL(U32(0x3f3f3f3f), b)
	MOVL(b, at(2))
	s8, m8 := reg.Y0, reg.Y1
	VPMOVZXBD(at(0), s8)
	VPMOVZXBD(at(2), m8)
	VCVTDQ2PS(s8, s8)
	VCVTDQ2PS(m8, m8)
	y := func(r reg.VecPhysical) reg.VecPhysical { return r.AsY().(reg.VecPhysical) }
	s.halves(src(0), y(s.d()), y(s.m()))
	VMULPS(y(s.d()), s8, s8)
	VMULPS(y(s.m()), m8, m8)
	VXORPS(y(s.v[13]), m8, m8) // negated
	VMOVUPS(s8, at(4))
	VMOVUPS(m8, at(12))
}

// group makes the scale and minimum of group g those in use.
func (s isa) group(mem Mem, g int) {
	d, m := mem, mem
	d.Disp += 16 + 4*g
	m.Disp += 48 + 4*g
	VBROADCASTSS(d, s.d())
	VBROADCASTSS(m, s.m())
}

func (s isa) k45(name string, bytes, codes, fifth int) {
	var mem Mem
	s.kernel(name, 256, bytes, func() {
		mem = AllocLocal(80)
		s.common(0)()
		s.load(same("signs", 1<<31), s.v[13])
		s.load(same("one", 1), s.one())
	}, func() {
		s.scales(mem)
		for g := 0; g < 8; g += 2 {
			for half := range 2 {
				s.group(mem, g+half)
				for i := 0; i < 32; i += s.lanes {
					r, bit := s.v[i/s.lanes%2], s.v[2+i/s.lanes%2]
					VPMOVZXBD(src(codes+16*g+i), r)
					if half == 0 {
						s.and(s.low(), r, r)
					} else {
						VPSRLD(Imm(4), r, r)
					}
					if fifth > 0 {
						VPMOVZXBD(src(fifth+i), bit)
						if g+half > 0 {
							VPSRLD(Imm(uint64(g+half)), bit, bit)
						}
						s.and(s.one(), bit, bit)
						VPSLLD(Imm(4), bit, bit)
						s.or(bit, r, r)
					}
					s.values(r, false, true, dst(32*(g+half)+i))
				}
			}
		}
	})
}

// q6k unpacks Q6_K: quarter q of each half has its low bits in byte 32·(q&1)+i, its high ones in bits 2q of byte i.
func (s isa) q6k() {
	s.kernel("Q6K", 256, 210, func() {
		s.common(32)()
		s.load(same("low2", 3), s.low2())
	}, func() {
		MOVWLZX(src(208), rTmp.As32()) // the block ends there
		VMOVD(rTmp.As32(), s.v[5].AsX())
		VCVTPH2PS(s.v[5].AsX(), s.v[5].AsX())
		VBROADCASTSS(s.v[5].AsX(), s.v[5])
		for h := range 2 {
			for q := range 4 {
				for i := 0; i < 32; i += s.lanes {
					lo, hi := s.v[0], s.v[1]
					if i%16 == 0 {
						MOVBLSX(src(192+8*h+2*q+i/16), rTmp.As32())
						VMOVD(rTmp.As32(), s.d().AsX())
						VBROADCASTSS(s.d().AsX(), s.d())
						VCVTDQ2PS(s.d(), s.d())
						VMULPS(s.v[5], s.d(), s.d())
					}
					VPMOVZXBD(src(64*h+32*(q&1)+i), lo)
					VPMOVZXBD(src(128+32*h+i), hi)
					if q < 2 {
						s.and(s.low(), lo, lo)
					} else {
						VPSRLD(Imm(4), lo, lo)
					}
					if q > 0 {
						VPSRLD(Imm(uint64(2*q)), hi, hi)
					}
					s.and(s.low2(), hi, hi)
					VPSLLD(Imm(4), hi, hi)
					s.or(hi, lo, lo)
					s.values(lo, true, false, dst(128*h+32*q+i))
				}
			}
		}
	})
}

func main() {
	for _, s := range []isa{avx512, avx2} {
		s.simple()
		s.k45("Q4K", 144, 16, 0)
		s.k45("Q5K", 176, 48, 16)
		s.q6k()
	}
	Generate()
}
