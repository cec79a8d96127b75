package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The constants of the normal distribution: for t ≥ 0, Φ(−t) = exp(−t²/2)·(½ + u·poly(u)) with u = t/(t+normalShift),
// where poly was fitted (weighted least squares towards the least greatest error) to 9e-10.
const (
	normalShift = 2.5
	normalMin   = -20
	density     = 0.3989422804014327 // 1/√(2π)
)

var normalPoly = []float64{0.0248405842, 0.00884229712, -0.0478980835, -0.101267343, 0.0497231046, 0.565150544,
	-0.997355832, 0.5}

// The constants of tanh: below tanhSmall in size it is x + x³·poly(x²), of Cephes' tanhf (Moshier).
const tanhSmall = 0.625

var tanhPoly = []float64{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1}

var activationConstants = append(append([]float64{normalShift, normalMin, density, -0.5, -tanhSmall}, normalPoly...), tanhPoly...)

func (s isa) activations() {
	s.relu()
	s.gelu()
	s.gate()
	s.tanh()
}

// relu passes NaNs on: where there is one, the instruction returns its last operand, x.
func (s isa) relu() {
	k := s.begin("relu", "func(dst, x []float32)", "writes max(x, 0).", "dst", "x")
	x, zero := k.reg(), k.reg()
	k.zero(zero)
	k.each(4, func(i int) {
		k.load("x", i, x)
		VMAXPS(x, zero, x)
		k.store(x, "dst", i)
	})
	end()

	k = s.begin("reluGrad", "func(dx, dy, x []float32)", "writes dy where x > 0, else 0.", "dx", "dy", "x")
	x, zero, dy := k.reg(), k.reg(), k.reg()
	k.zero(zero)
	const less = 0x11
	k.each(2, func(i int) {
		k.load("x", i, x)
		k.load("dy", i, dy)
		if k.lanes == 16 {
			VCMPPS(Imm(less), x, zero, reg.K2)
			VMOVAPS_Z(dy, reg.K2, dy)
		} else {
			VCMPPS(Imm(less), x, zero, x)
			VANDPS(x, dy, dy)
		}
		k.store(dy, "dx", i)
	})
	end()
}

// normal writes cdf = Φ(x) and bell = exp(−x²/2).
type normal struct {
	e          *exp
	sign, half Op
	min, shift Op
	poly       []Op
	one        Op
	cdf, bell  reg.VecPhysical
	t          reg.VecPhysical
}

func (k *kernel) normal() *normal {
	m := &normal{cdf: k.reg(), bell: k.reg(), t: k.reg()}
	m.e = k.exp(false)
	m.one = m.e.poly[len(m.e.poly)-1]
	m.sign, m.half, m.min, m.shift = k.constant(signBit), k.constant(-0.5), k.constant(normalMin), k.constant(normalShift)
	for _, c := range normalPoly {
		m.poly = append(m.poly, k.constant(c))
	}
	return m
}

func (m *normal) of(x reg.VecPhysical) {
	t, u, bell := m.t, m.cdf, m.bell
	VORPS(m.sign, x, t) // −|x|
	VMAXPS(m.min, t, t)
	VMULPS(t, t, u)
	VMULPS(m.half, u, u)
	m.e.of(u, bell)
	VSUBPS(m.shift, t, u)
	VDIVPS(u, t, u)
	VMOVAPS(m.poly[0], t)
	for _, c := range m.poly[1:] {
		VFMADD213PS(c, u, t)
	}
	VMULPS(bell, t, t)
	VMOVAPS(m.one, u)
	VSUBPS(t, u, u)
	if m.e.k.lanes == 16 {
		VPMOVD2M(x, reg.K2)
		VBLENDMPS(t, u, reg.K2, u)
		return
	}
	VBLENDVPS(x, t, u, u)
}

func (s isa) gelu() {
	k := s.begin("gelu", "func(dst, x []float32)", "writes x·Φ(x).", "dst", "x")
	x := k.reg()
	m := k.normal()
	k.each(1, func(i int) {
		k.load("x", i, x)
		m.of(x)
		VMULPS(m.cdf, x, x)
		k.store(x, "dst", i)
	})
	end()

	k = s.begin("geluGrad", "func(dx, dy, x []float32)", "writes dy·(Φ(x) + x·φ(x)).", "dx", "dy", "x")
	x = k.reg()
	m = k.normal()
	c := k.constant(density)
	k.each(1, func(i int) {
		k.load("x", i, x)
		m.of(x)
		VMULPS(m.bell, x, x)
		VMULPS(c, x, x)
		VADDPS(x, m.cdf, x)
		k.load("dy", i, m.t)
		VMULPS(m.t, x, x)
		k.store(x, "dx", i)
	})
	end()
}

// gate writes x·sigmoid(x·(a + b·x²)), which is SiLU and the tanh form of GELU, and its gradient
// dy·(s + x·s·(1−s)·(a + 3b·x²)).
func (s isa) gate() {
	k := s.begin("gate", "func(dst, x []float32, a, b float32)", "writes x·sigmoid(x·(a + b·x²)).", "dst", "x")
	a, b, x, u := k.param("a"), k.param("b"), k.reg(), k.reg()
	m := k.sigmoid()
	k.each(1, func(i int) {
		k.load("x", i, x)
		VMULPS(x, x, u)
		VFMADD213PS(a, b, u)
		VMULPS(x, u, u)
		m.of(u)
		VMULPS(m.s, x, x)
		k.store(x, "dst", i)
	})
	end()

	k = s.begin("gateGrad", "func(dx, dy, x []float32, a, b, b3 float32)", "writes gate's gradient; b3 is 3·b.", "dx", "dy", "x")
	a, b, b3, x, u := k.param("a"), k.param("b"), k.param("b3"), k.reg(), k.reg()
	m = k.sigmoid()
	k.each(1, func(i int) {
		k.load("x", i, x)
		VMULPS(x, x, u)
		VFMADD213PS(a, b, u)
		VMULPS(x, u, u)
		m.of(u)
		VMULPS(x, x, u)
		VFMADD213PS(a, b3, u)
		VMULPS(m.s, x, x)
		VMULPS(m.rest, x, x)
		VFMADD231PS(x, u, m.s)
		k.load("dy", i, u)
		VMULPS(m.s, u, u)
		k.store(u, "dx", i)
	})
	end()
}
