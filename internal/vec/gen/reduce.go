package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reductions writes the sums, each over four vectors of partial sums, and the maximum.
func (s isa) reductions() {
	s.sum("dot", "func(a, b []float32) float32", "sums a·b.", []string{"a", "b"},
		func(v []reg.VecPhysical, acc reg.VecPhysical) { VFMADD231PS(v[0], v[1], acc) })
	s.sum("dot3", "func(dy, w, x []float32) float32", "sums dy·w·x.", []string{"dy", "w", "x"},
		func(v []reg.VecPhysical, acc reg.VecPhysical) {
			VMULPS(v[0], v[1], v[1])
			VFMADD231PS(v[1], v[2], acc)
		})
	s.sum("sumOf", "func(x []float32) float32", "sums x.", []string{"x"},
		func(v []reg.VecPhysical, acc reg.VecPhysical) { VADDPS(v[0], acc, acc) })

	s.sumSquares()
	s.maxOf()
	s.nonFinite()
}

func (s isa) sum(name, sig, doc string, slices []string, add func(v []reg.VecPhysical, acc reg.VecPhysical)) {
	k := s.begin(name, sig, doc, slices...)
	acc, v := k.regs(4), k.regs(len(slices))
	k.zero(acc...)
	k.each(4, func(i int) {
		for j, p := range slices {
			k.load(p, i, v[j])
		}
		add(v, acc[i])
	})
	k.reduce32(addPS, acc...)
	k.result(acc[0])
}

func (s isa) sumSquares() {
	k := s.begin("sumSquares", "func(x []float32) float64", "sums x² in float64.", "x")
	acc, x, lo, hi := k.regs(4), k.reg(), k.reg(), k.reg()
	k.zero(acc...)
	k.each(2, func(i int) {
		k.load("x", i, x)
		if k.lanes == 16 {
			VCVTPS2PD(x.AsY(), lo)
			VEXTRACTF64X4(Imm(1), x, x.AsY())
			VCVTPS2PD(x.AsY(), hi)
		} else {
			VCVTPS2PD(x.AsX(), lo)
			VEXTRACTF128(Imm(1), x, x.AsX())
			VCVTPS2PD(x.AsX(), hi)
		}
		VFMADD231PD(lo, lo, acc[2*i])
		VFMADD231PD(hi, hi, acc[2*i+1])
	})
	k.reduce(addPD, acc...)
	VMOVSD(acc[0].AsX(), k.addr(ReturnIndex(0)))
	end()
}

// maxOf leaves NaNs out: where there is one, the instruction returns its last operand, the maximum so far.
func (s isa) maxOf() {
	k := s.begin("maxOf", "func(x []float32) float32", "is the greatest of x.", "x")
	acc, x := k.regs(4), k.reg()
	low := k.constant(math.Inf(-1))
	for _, r := range acc {
		VMOVAPS(low, r)
	}
	k.each(4, func(i int) {
		k.load("x", i, x)
		k.inTail(x, acc[i])
		VMAXPS(acc[i], x, acc[i])
	})
	k.reduce32(maxPS, acc...)
	k.result(acc[0])
}

// nonFinite sums 0·x, which is 0 unless a value is infinite or NaN.
func (s isa) nonFinite() {
	k := s.begin("nonFinite", "func(x []float32) int", "is not 0 where x holds a NaN or an infinity.", "x")
	acc, x, zero := k.regs(4), k.reg(), k.reg()
	k.zero(zero)
	k.zero(acc...)
	k.each(4, func(i int) {
		k.load("x", i, x)
		VFMADD231PS(x, zero, acc[i])
	})
	k.reduce32(addPS, acc...)
	r := acc[0].AsX()
	VUCOMISS(r, r)
	SETPS(reg.AL)
	MOVBLZX(reg.AL, reg.EAX)
	MOVQ(reg.RAX, k.addr(ReturnIndex(0)))
	end()
}
