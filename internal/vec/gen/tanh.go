package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tanh is (1−e)/(1+e) with e = exp(−2|x|), and a polynomial for small x.
type tanh struct {
	e                *exp
	one, sign, small Op
	poly             []Op
	y, t, u          reg.VecPhysical
}

func (k *kernel) newTanh() *tanh {
	m := &tanh{y: k.reg(), t: k.reg(), u: k.reg()}
	m.e = k.exp(false)
	m.one = m.e.poly[len(m.e.poly)-1]
	m.sign, m.small = k.constant(signBit), k.constant(-tanhSmall)
	for _, c := range tanhPoly {
		m.poly = append(m.poly, k.constant(c))
	}
	return m
}

// of writes y = tanh(x). A NaN takes the polynomial.
func (m *tanh) of(x reg.VecPhysical) {
	y, t, u := m.y, m.t, m.u
	VORPS(m.sign, x, t)
	VADDPS(t, t, u)
	m.e.of(u, y)
	VMOVAPS(m.one, u)
	VSUBPS(y, u, u)
	VADDPS(m.one, y, y)
	VDIVPS(y, u, u) // tanh|x|
	const lessEqual = 0x12
	if m.e.k.lanes == 16 {
		VCMPPS(Imm(lessEqual), m.small, t, reg.K2)
	} else {
		VCMPPS(Imm(lessEqual), m.small, t, m.e.c)
	}
	VANDPS(m.sign, x, y)
	VORPS(y, u, u)
	VMULPS(x, x, t)
	VMOVAPS(m.poly[0], y)
	for _, c := range m.poly[1:] {
		VFMADD213PS(c, t, y)
	}
	VMULPS(x, t, t)
	VFMADD213PS(x, t, y)
	if m.e.k.lanes == 16 {
		VBLENDMPS(u, y, reg.K2, y)
		return
	}
	VBLENDVPS(m.e.c, u, y, y)
}

func (s isa) tanh() {
	k := s.begin("tanh", "func(dst, x []float32)", "writes tanh(x).", "dst", "x")
	x := k.reg()
	m := k.newTanh()
	k.each(1, func(i int) {
		k.load("x", i, x)
		m.of(x)
		k.store(m.y, "dst", i)
	})
	end()

	k = s.begin("tanhGrad", "func(dx, dy, x []float32)", "writes dy·(1−tanh²(x)).", "dx", "dy", "x")
	x = k.reg()
	m = k.newTanh()
	k.each(1, func(i int) {
		k.load("x", i, x)
		m.of(x)
		k.load("dy", i, m.u)
		VMOVAPS(m.one, m.t)
		VFNMADD231PS(m.y, m.y, m.t)
		VMULPS(m.t, m.u, m.u)
		k.store(m.u, "dx", i)
	})
	end()
}
