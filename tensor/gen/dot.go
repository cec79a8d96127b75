package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dot writes the products of m rows of x with four rows of w, k in whole vectors: out[4·i+j] = x[i]·w[j].
func (s isa) dot(k kind, m int) {
	name := label("dot%d%s%s", m, k.name, s.name)
	sig := "func(k int, x *float32, w *" + k.typ + ", ldw int, out *float32)"
	regs := map[string]reg.Register{"k": rK, "x": rA, "w": rB, "ldw": rLDC, "out": rC}
	if m == 2 {
		sig = "func(k int, x *float32, ldx int, w *" + k.typ + ", ldw int, out *float32)"
		regs["ldx"] = rRows
	}
	begin(name, sig, label("%s multiplies rows of x, %d of them, with four of w; k counts values, in whole vectors.", name, m), regs)
	if m == 2 {
		SHLQ(Imm(2), rRows)
	}
	if k.bytes == 4 {
		SHLQ(Imm(2), rLDC)
	} else {
		SHLQ(Imm(1), rLDC)
	}
	LEAQ(Mem{Base: rLDC, Index: rLDC, Scale: 2}, rTmp)
	LEAQ(Mem{Base: rB, Index: rLDC, Scale: 4}, rRow)
	acc, wv, xv := s.v[:4*m], s.v[8:12], s.v[12:14]
	for _, r := range acc {
		s.zero(r)
	}
	Label("loop")
	for i := range m {
		x := Mem{Base: rA}
		if i == 1 {
			x.Index, x.Scale = rRows, 1
		}
		VMOVUPS(x, xv[i])
	}
	for j := range 4 {
		w := Mem{Base: rB, Index: rLDC, Scale: 1}
		switch j {
		case 0:
			w = Mem{Base: rB}
		case 2:
			w.Scale = 2
		case 3:
			w.Index = rTmp
		}
		next := w // the same place in the next four rows
		next.Base = rRow
		PREFETCHT1(next)
		s.load(k, w, wv[j])
		for i := range m {
			VFMADD231PS(wv[j], xv[i], acc[4*i+j])
		}
	}
	ADDQ(U32(s.lanes*4), rA)
	ADDQ(U32(s.lanes*k.bytes), rB)
	ADDQ(U32(s.lanes*k.bytes), rRow)
	SUBQ(U32(s.lanes), rK)
	JG(LabelRef("loop"))
	for i := range m {
		s.sumFour(acc[4*i:4*i+4], Mem{Base: rC, Disp: 16 * i})
	}
	end()
}

// sumFour writes the sums of four registers.
func (s isa) sumFour(v []reg.VecPhysical, m Mem) {
	x := make([]reg.VecPhysical, 4)
	for i, r := range v {
		y := r
		if s.lanes == 16 {
			y = r.AsY().(reg.VecPhysical)
			VEXTRACTF64X4(Imm(1), r, reg.Y15)
			VADDPS(reg.Y15, y, y)
		}
		x[i] = y.AsX().(reg.VecPhysical)
		VEXTRACTF128(Imm(1), y, reg.X15)
		VADDPS(reg.X15, x[i], x[i])
	}
	VHADDPS(x[1], x[0], x[0])
	VHADDPS(x[3], x[2], x[2])
	VHADDPS(x[2], x[0], x[0])
	VMOVUPS(x[0], m)
}

// peak is a loop of independent multiply-adds on registers only.
func (s isa) peak() {
	acc := s.v[:len(s.v)-4]
	begin("peak"+s.name, "func(n int)",
		label("peak%s runs n rounds of %d multiply-adds of %d values%s.", s.name, len(acc), s.lanes, map[bool]string{true: ", or pairs"}[s.pairs]),
		map[string]reg.Register{"n": rK})
	for _, r := range s.v {
		s.zero(r)
	}
	Label("loop")
	for _, r := range acc {
		if s.pairs {
			dpbf16(s.v[len(s.v)-1], s.v[len(s.v)-2], r)
		} else {
			VFMADD231PS(s.v[len(s.v)-1], s.v[len(s.v)-2], r)
		}
	}
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}
