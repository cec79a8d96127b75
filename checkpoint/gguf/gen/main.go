// Command gen writes the amd64 kernels of package gguf, which unpack blocks, or multiply rows of them with a vector: go generate in its
// folder.
package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set: its name, the floats in a vector, its vector registers, and the sums of dot products.
type isa struct {
	name  string
	lanes int
	v     []reg.VecPhysical
	sums  []reg.VecPhysical
}

var (
	avx512 = isa{"AVX512", 16, []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9,
		reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15}, []reg.VecPhysical{reg.Z16, reg.Z17, reg.Z18, reg.Z19}}
	avx2 = isa{"AVX2", 8, []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9,
		reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}, []reg.VecPhysical{reg.Y14, reg.Y15}}
)

// The registers of all kernels: the blocks left, the next block, and where its values go, or the vector that they are multiplied with.
var rN, rSrc, rDst, rTmp = reg.RCX, reg.RSI, reg.RDI, reg.RAX

// rows are the next blocks of the rows whose dot products are computed at once.
var rows = []reg.GPPhysical{reg.RSI, reg.RBX, reg.RDX, reg.R13}

// rLD is the distance of rows.
var rLD = reg.R15

// sum is the vector to which the values' products go. Where it is nil, values are stored.
var sum reg.VecPhysical

// vectors with a meaning in all kernels; 0 to 5 are for the values in work.
func (s isa) d() reg.VecPhysical    { return s.v[6] }  // scale
func (s isa) m() reg.VecPhysical    { return s.v[7] }  // what is added
func (s isa) low() reg.VecPhysical  { return s.v[8] }  // 15 in each lane
func (s isa) zero() reg.VecPhysical { return s.v[9] }  // what is subtracted from codes
func (s isa) one() reg.VecPhysical  { return s.v[10] } // a bit in each lane
func (s isa) lane() reg.VecPhysical { return s.v[11] } // the lanes' numbers

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

// table makes r the values of 16 codes from −zero on: d·(code − zero), plus m where it is added.
func (s isa) table(zero int, plus bool, r reg.VecPhysical) {
	VMULPS(words(fmt.Sprintf("numbers%d", zero+16), codeNumbers(zero)), s.d(), r)
	if plus {
		VADDPS(s.m(), r, r)
	}
}

// table32 unpacks 32 codes of 4 bits by a table of their values.
func (s isa) table32(codes, zero int, plus bool) {
	table, c, hi := s.v[0], s.v[1], s.v[2]
	s.table(zero, plus, table)
	VPMOVZXBD(src(codes), c)
	VPSRLD(Imm(4), c, hi)
	VPERMPS(table, c, c) // which reads the low 4 bits of an index
	VPERMPS(table, hi, hi)
	put(c, 0)
	put(hi, 16)
}

// tables32 unpacks 32 codes of 4 bits, to which fifth, 32 bits, adds one above, by two tables of their values.
func (s isa) tables32(codes, fifth, zero int, plus bool) {
	low, high, c := s.v[0], s.v[1], s.v[2]
	s.table(zero, plus, low)
	s.table(zero-16, plus, high)
	VPMOVZXBD(src(codes), c)
	for h := range 2 {
		out := s.v[4+h]
		KMOVW(src(fifth+2*h), reg.K1)
		if h == 1 {
			VPSRLD(Imm(4), c, c)
		}
		VPERMPS(low, c, out)
		VPERMPS(high, c, reg.K1, out)
		put(out, 16*h)
	}
}

// codeNumbers are the numbers from −zero on.
func codeNumbers(zero int) func(i int) uint32 {
	return func(i int) uint32 { return math.Float32bits(float32(i - zero)) }
}

// put stores the values in r, of which the first is value at of a block, or adds their products.
func put(r reg.VecPhysical, at int) {
	m := Mem{Base: rDst, Disp: 4 * at}
	if sum == nil {
		VMOVUPS(r, m)
		return
	}
	VFMADD231PS(m, r, sum)
}

// values turns the codes in r, one a lane, into d·(code − zero) + m, or parts of that, and puts them.
func (s isa) values(r reg.VecPhysical, less, plus bool, at int) {
	VCVTDQ2PS(r, r)
	if less {
		VSUBPS(s.zero(), r, r)
	}
	VMULPS(s.d(), r, r)
	if plus {
		VADDPS(s.m(), r, r)
	}
	put(r, at)
}

// kernel writes the functions of a type: unpack runs body once for each block of the given size, dot for each block of some rows.
func (s isa) kernel(name string, values, bytes int, constants, body func()) {
	s.unpack(name, values, bytes, constants, body)
	s.dot(name, values, bytes, constants, body)
}

func (s isa) unpack(name string, values, bytes int, constants, body func()) {
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

// dot adds in the order of package tensor's products, so that the sums are those of the unpacked values.
func (s isa) dot(name string, values, bytes int, constants, body func()) {
	full := "dot" + name + s.name
	TEXT(full, NOSPLIT, "func(n int, src *byte, ld int, x *float32, out *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s multiplies n blocks of each of %d rows with x: blocks of %d values in %d bytes, ld bytes from row to row.", full, len(s.sums), values, bytes))
	Load(Param("n"), rN)
	Load(Param("src"), rSrc)
	Load(Param("ld"), rLD)
	Load(Param("x"), rDst)
	for i, r := range s.sums {
		s.clear(r)
		if i > 0 {
			LEAQ(Mem{Base: rows[i-1], Index: rLD, Scale: 1}, rows[i])
		}
	}
	constants()
	Label("loop")
	for i, r := range s.sums {
		rSrc, sum = rows[i], r
		for line := 0; line < bytes; line += 64 {
			PREFETCHT1(Mem{Base: rSrc, Index: rLD, Scale: uint8(len(s.sums)), Disp: line}) // of the rows that follow
		}
		body()
	}
	rSrc, sum = rows[0], nil
	for i := range s.sums {
		ADDQ(U32(uint32(bytes)), rows[i])
	}
	ADDQ(U32(uint32(4*values)), rDst)
	DECQ(rN)
	JNZ(LabelRef("loop"))
	Load(Param("out"), rDst)
	s.storeSums()
	VZEROUPPER()
	RET()
}

func (s isa) clear(r reg.VecPhysical) {
	if s.lanes == 16 {
		VPXORD(r, r, r)
		return
	}
	VXORPS(r, r, r)
}

// storeSums writes the sum of each row's lanes.
func (s isa) storeSums() {
	x := make([]reg.VecPhysical, len(s.sums))
	for i, r := range s.sums {
		y := s.v[i].AsY().(reg.VecPhysical)
		if s.lanes == 16 {
			VMOVAPS(r, s.v[i])
			VEXTRACTF64X4(Imm(1), r, reg.Y6)
			VADDPS(reg.Y6, y, y)
		} else {
			VMOVAPS(r, y)
		}
		x[i] = y.AsX().(reg.VecPhysical)
		VEXTRACTF128(Imm(1), y, reg.X6)
		VADDPS(reg.X6, x[i], x[i])
	}
	for i := 0; i < len(x); i += 2 {
		VHADDPS(x[i+1], x[i], x[i])
		VHADDPS(x[i], x[i], x[i])
		VMOVLPS(x[i], Mem{Base: rDst, Disp: 4 * i})
	}
}

func src(at int) Mem { return Mem{Base: rSrc, Disp: at} }

// nibbles32 unpacks 32 codes of 4 bits: value i is in the low bits of byte i, value i+16 in the high ones. fifth, where not
// nil, is a vector with 32 bits to be added above.
func (s isa) nibbles32(codes int, fifth reg.VecPhysical, less, plus bool) {
	bit := s.v[2]
	low, high := []reg.VecPhysical{s.v[0], s.v[4]}, []reg.VecPhysical{s.v[1], s.v[5]}
	for i := 0; i < 16; i += s.lanes {
		lo, hi := low[i/s.lanes], high[i/s.lanes]
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
	}
	for h, registers := range [][]reg.VecPhysical{low, high} {
		for i := 0; i < 16; i += s.lanes {
			s.values(registers[i/s.lanes], less, plus, 16*h+i)
		}
	}
}

func (s isa) simple() {
	s.kernel("Q40", 32, 18, s.common(8), func() {
		s.half(src(0), s.d())
		if s.tables() {
			s.table32(2, 8, false)
			return
		}
		s.nibbles32(2, nil, true, false)
	})
	s.kernel("Q41", 32, 20, s.common(0), func() {
		s.halves(src(0), s.d(), s.m())
		if s.tables() {
			s.table32(4, 0, true)
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
		if s.tables() {
			s.tables32(6, 2, 16, false)
			return
		}
		VPBROADCASTD(src(2), s.v[3])
		s.nibbles32(6, s.v[3], true, false)
	})
	s.kernel("Q51", 32, 24, bits(0), func() {
		s.halves(src(0), s.d(), s.m())
		if s.tables() {
			s.tables32(8, 4, 0, true)
			return
		}
		VPBROADCASTD(src(4), s.v[3])
		s.nibbles32(8, s.v[3], false, true)
	})
	s.kernel("Q80", 32, 34, func() {}, func() {
		s.half(src(0), s.d())
		for i := 0; i < 32; i += s.lanes {
			VPMOVSXBD(src(2+i), s.v[0])
			s.values(s.v[0], false, false, i)
		}
	})
}

// scales unpacks the eight scales and minima of Q4_K and Q5_K, 6 bits each of the 12 bytes at src(4), to d·scale and −dmin·min
// at mem.
func (s isa) scales(mem Mem) {
	a, b, c := reg.R8, reg.R9, reg.R10
	t, u := reg.R11, reg.R12
	MOVL(src(4), a.As32())
	MOVL(src(8), b.As32())
	MOVL(src(12), c.As32())
	join := func(shift uint64, hi, dst reg.GPPhysical) { // hi & 63, and above it (c>>shift & 15) | (hi>>6 & 3)<<4, byte by byte
		MOVL(c.As32(), t.As32())
		if shift > 0 {
			SHRL(Imm(shift), t.As32())
		}
		ANDL(U32(0x0f0f0f0f), t.As32())
		MOVL(hi.As32(), u.As32())
		SHRL(Imm(2), u.As32())
		ANDL(U32(0x30303030), u.As32())
		ORL(u.As32(), t.As32())
		SHLQ(Imm(32), t)
		ANDL(U32(0x3f3f3f3f), hi.As32())
		ORQ(t, dst)
	}
	join(0, a, a)
	join(4, b, b)
	s8, m8 := reg.Y0, reg.Y1
	VMOVQ(a, s8.AsX())
	VMOVQ(b, m8.AsX())
	VPMOVZXBD(s8.AsX(), s8)
	VPMOVZXBD(m8.AsX(), m8)
	VCVTDQ2PS(s8, s8)
	VCVTDQ2PS(m8, m8)
	y := func(r reg.VecPhysical) reg.VecPhysical { return r.AsY().(reg.VecPhysical) }
	s.halves(src(0), y(s.d()), y(s.m()))
	VMULPS(y(s.d()), s8, s8)
	VMULPS(y(s.m()), m8, m8)
	VXORPS(y(s.v[13]), m8, m8) // negated
	VMOVUPS(s8, mem)
	VMOVUPS(m8, mem.Offset(32))
}

// group makes the scale and minimum of group g those in use.
func (s isa) group(mem Mem, g int) {
	VBROADCASTSS(mem.Offset(4*g), s.d())
	VBROADCASTSS(mem.Offset(32+4*g), s.m())
}

func (s isa) k45(name string, bytes, codes, fifth int) {
	var mem Mem
	s.kernel(name, 256, bytes, func() {
		mem = AllocLocal(64)
		s.common(0)()
		s.load(same("signs", 1<<31), s.v[13])
		s.load(same("one", 1), s.one())
	}, func() {
		s.scales(mem)
		if s.tables() {
			s.tables64(mem, codes, fifth)
			return
		}
		for g := range 8 {
			s.group(mem, g)
			for i := 0; i < 32; i += s.lanes {
				r, bit := s.v[i/s.lanes%2], s.v[2+i/s.lanes%2]
				VPMOVZXBD(src(codes+16*(g&^1)+i), r)
				if g%2 == 0 {
					s.and(s.low(), r, r)
				} else {
					VPSRLD(Imm(4), r, r)
				}
				if fifth > 0 {
					VPMOVZXBD(src(fifth+i), bit)
					if g > 0 {
						VPSRLD(Imm(uint64(g)), bit, bit)
					}
					s.and(s.one(), bit, bit)
					VPSLLD(Imm(4), bit, bit)
					s.or(bit, r, r)
				}
				s.values(r, false, true, 32*g+i)
			}
		}
	})
}

// tables64 unpacks the codes of Q4_K and Q5_K by tables of each group's values. Two groups share 32 bytes, and bit g of byte i from
// fifth on is the fifth of code i of group g.
func (s isa) tables64(mem Mem, codes, fifth int) {
	c, bits := s.v[0:2], s.v[4:6]
	low, high, out := s.v[2], s.v[3], s.v[9]
	for i := range bits {
		if fifth > 0 {
			VPMOVZXBD(src(fifth+16*i), bits[i])
		}
	}
	for g := range 8 {
		s.group(mem, g)
		s.table(0, true, low)
		if fifth > 0 {
			s.table(-16, true, high)
		}
		for i := range c {
			if g%2 == 0 {
				VPMOVZXBD(src(codes+16*g+16*i), c[i])
			} else {
				VPSRLD(Imm(4), c[i], c[i])
			}
			VPERMPS(low, c[i], out)
			if fifth > 0 {
				VPTESTMD(same(fmt.Sprintf("bit%d", g), 1<<g), bits[i], reg.K1)
				VPERMPS(high, c[i], reg.K1, out)
			}
			put(out, 32*g+16*i)
		}
	}
}

// q6k unpacks Q6_K: quarter q of each half has its low bits in byte 32·(q&1)+i, its high ones in bits 2q of byte i. 16 values share
// a scale.
func (s isa) q6k() {
	var mem Mem
	low4, high2, zero, high := reg.Y8, reg.Y9, reg.Y10, reg.Y11
	s.kernel("Q6K", 256, 210, func() {
		mem = AllocLocal(96)
		s.load(every("nibbles", 15), low4)
		s.load(every("pairs", 0x30), high2)
		s.load(every("bytes32", 32), zero)
	}, func() {
		MOVWLZX(src(208), rTmp.As32()) // the block ends there
		VMOVD(rTmp.As32(), s.v[5].AsX())
		VCVTPH2PS(s.v[5].AsX(), s.v[5].AsX())
		VBROADCASTSS(s.v[5].AsX(), s.v[5])
		for i := 0; i < 16; i += s.lanes {
			VPMOVSXBD(src(192+i), s.v[0])
			VCVTDQ2PS(s.v[0], s.v[0])
			VMULPS(s.v[5], s.v[0], s.v[0])
			VMOVUPS(s.v[0], mem.Offset(4*i))
		}
		codes := mem.Offset(64)
		for h := range 2 {
			VMOVDQU(src(128+32*h), high)
			for q := range 4 {
				lo, hi := reg.Y0, reg.Y1
				VMOVDQU(src(64*h+32*(q&1)), lo)
				if q >= 2 {
					VPSRLW(Imm(4), lo, lo)
				}
				VPAND(low4, lo, lo)
				switch shift := 2*q - 4; {
				case shift < 0:
					VPSLLW(Imm(uint64(-shift)), high, hi)
					VPAND(high2, hi, hi)
				case shift > 0:
					VPSRLW(Imm(uint64(shift)), high, hi)
					VPAND(high2, hi, hi)
				default:
					VPAND(high2, high, hi)
				}
				VPOR(hi, lo, lo)
				VPSUBB(zero, lo, lo)
				VMOVDQU(lo, codes)
				for i := 0; i < 32; i += s.lanes {
					if i%16 == 0 {
						VBROADCASTSS(mem.Offset(4*(8*h+2*q+i/16)), s.d())
					}
					r := s.v[i/s.lanes]
					VPMOVSXBD(codes.Offset(i), r)
					s.values(r, false, false, 128*h+32*q+i)
				}
			}
		}
	})
}

func main() {
	for _, s := range []isa{avx512, avx2} {
		s.simple()
		s.looked()
		s.iq4xs()
		s.q2k()
		s.q3k()
		s.k45("Q4K", 144, 16, 0)
		s.k45("Q5K", 176, 48, 16)
		s.q6k()
	}
	Generate()
}
