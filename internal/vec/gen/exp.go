package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The constants of exp: ln(2) in two parts, of which a whole number up to 2⁸ times the first is exact, and the
// polynomial of Cephes' expf (Moshier), exp(r) ≈ 1 + r + r²·poly(r) for |r| ≤ ln(2)/2.
const (
	ln2Hi  = 0.693359375
	ln2Lo  = -2.12194440e-4
	round  = 3 << 22 // adding it leaves a whole number in the low bits
	expMin = -87.33654
	expMax = 88.72283
)

var (
	expPoly = []float64{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
		5.0000001201e-1, 1, 1}
	expConstants = append([]float64{math.Log2E, ln2Hi, ln2Lo, round, expMin, expMax, math.Inf(1), math.Inf(-1), signBit},
		expPoly[:7]...)
)

// signBit stands for −0, which a map cannot tell from 0.
const signBit = -12345

// exp is what the exponentials need: constants and scratch registers.
type exp struct {
	k                    *kernel
	magic, min, max, inf Op
	log2e, hi, lo        Op
	poly                 []Op
	z, r, c              reg.VecPhysical
}

// exp takes registers. It must be the last thing a kernel asks for, because the constants get what is left.
func (k *kernel) exp(overflow bool) *exp {
	e := &exp{k: k, z: k.reg(), r: k.reg()}
	if k.lanes == 8 {
		e.c = k.reg()
	}
	e.magic = k.constant(round)
	e.log2e, e.hi = k.constant(math.Log2E), k.constant(ln2Hi)
	e.min = k.constant(expMin)
	for _, c := range expPoly {
		e.poly = append(e.poly, k.constant(c))
	}
	e.lo = k.constant(ln2Lo)
	if overflow {
		e.max, e.inf = k.constant(expMax), k.constant(math.Inf(1))
	}
	return e
}

// of writes y = exp(t) = 2ⁿ·exp(r); n is added to the exponent of exp(r). Outside of the normal numbers, y is 0 or
// +Inf. If overflow was asked for, y is NaN where t is NaN.
func (e *exp) of(t, y reg.VecPhysical) {
	z, r := e.z, e.r
	VMOVAPS(e.magic, z)
	VFMADD231PS(e.log2e, t, z)
	VSUBPS(e.magic, z, y)
	VMOVAPS(t, r)
	VFNMADD231PS(e.hi, y, r)
	VFNMADD231PS(e.lo, y, r)
	VMOVAPS(e.poly[0], y)
	for _, c := range e.poly[1:] {
		VFMADD213PS(c, r, y)
	}
	VPSLLD(Imm(23), z, z)
	const notLess, notLessEqual = 0x15, 0x16
	if e.k.lanes == 16 {
		VCMPPS(Imm(notLess), e.min, t, reg.K2)
		VPADDD_Z(z, y, reg.K2, y)
		if e.max != nil {
			VCMPPS(Imm(notLessEqual), e.max, t, reg.K3)
			VMULPS(e.inf, t, reg.K3, y)
		}
		return
	}
	VPADDD(z, y, y)
	VCMPPS(Imm(notLess), e.min, t, e.c)
	VANDPS(e.c, y, y)
	if e.max != nil {
		VCMPPS(Imm(notLessEqual), e.max, t, e.c)
		VMULPS(e.inf, t, z)
		VBLENDVPS(e.c, z, y, y)
	}
}

func (s isa) exponentials() {
	k := s.begin("expSum", "func(dst, x []float32, shift float32) float32", "writes exp(x−shift) and sums it.", "dst", "x")
	acc, shift, x, y, zero := k.reg(), k.param("shift"), k.reg(), k.reg(), k.reg()
	e := k.exp(true)
	k.zero(acc, zero)
	k.each(1, func(i int) {
		k.load("x", i, x)
		VSUBPS(shift, x, x)
		e.of(x, y)
		k.store(y, "dst", i)
		k.inTail(y, zero)
		VADDPS(y, acc, acc)
	})
	k.reduce32(addPS, acc)
	k.result(acc)

	k = s.begin("swiGLU", "func(dst, gate, up []float32)", "writes gate·sigmoid(gate)·up.", "dst", "gate", "up")
	g, u := k.reg(), k.reg()
	sig := k.sigmoid()
	k.each(1, func(i int) {
		k.load("gate", i, g)
		sig.of(g)
		k.load("up", i, u)
		VMULPS(sig.s, g, g)
		VMULPS(u, g, g)
		k.store(g, "dst", i)
	})
	end()

	k = s.begin("swiGLUGrad", "func(dgate, dup, dy, gate, up []float32)", "writes the gradients of swiGLU.",
		"dgate", "dup", "dy", "gate", "up")
	g, u, d := k.reg(), k.reg(), k.reg()
	sig = k.sigmoid()
	k.each(1, func(i int) {
		k.load("gate", i, g)
		sig.of(g)
		k.load("up", i, u)
		k.load("dy", i, d)
		VMULPS(sig.s, g, g)
		VFMADD231PS(sig.rest, g, sig.s)
		VMULPS(d, u, u)
		VMULPS(sig.s, u, u)
		VMULPS(d, g, g)
		k.store(u, "dgate", i)
		k.store(g, "dup", i)
	})
	end()
}

// sigmoid writes s = sigmoid(g) and rest = 1−s from e = exp(−|g|), which cannot overflow.
type sigmoid struct {
	e         *exp
	one, sign Op
	s, rest   reg.VecPhysical
	t, y      reg.VecPhysical
}

func (k *kernel) sigmoid() *sigmoid {
	m := &sigmoid{s: k.reg(), rest: k.reg(), t: k.reg(), y: k.reg()}
	m.sign = k.constant(signBit)
	m.e = k.exp(false)
	m.one = m.e.poly[len(m.e.poly)-1]
	return m
}

func (m *sigmoid) of(g reg.VecPhysical) {
	VORPS(m.sign, g, m.t)
	m.e.of(m.t, m.y)
	VADDPS(m.one, m.y, m.rest)
	VMOVAPS(m.one, m.t)
	VDIVPS(m.rest, m.t, m.t)
	VMULPS(m.t, m.y, m.y)
	if m.e.k.lanes == 16 {
		VPMOVD2M(g, reg.K2)
		VBLENDMPS(m.y, m.t, reg.K2, m.s)
		VBLENDMPS(m.t, m.y, reg.K2, m.rest)
		return
	}
	VBLENDVPS(g, m.y, m.t, m.s)
	VBLENDVPS(g, m.t, m.y, m.rest)
}
