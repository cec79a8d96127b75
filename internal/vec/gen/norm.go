package main

import (
	. "github.com/mmcloughlin/avo/build"
)

// norm writes the second passes of RMSNorm and its gradient.
func (s isa) norm() {
	k := s.begin("normScale", "func(dst, x, w []float32, inv float32)", "writes w·(x·inv).", "dst", "x", "w")
	inv, x, w := k.param("inv"), k.reg(), k.reg()
	k.each(4, func(i int) {
		k.load("x", i, x)
		k.load("w", i, w)
		VMULPS(inv, x, x)
		VMULPS(w, x, x)
		k.store(x, "dst", i)
	})
	end()

	k = s.begin("normGrad", "func(dx, dy, x, w []float32, inv, c float32)", "adds inv·(dy·w − x·c) to dx.",
		"dx", "dy", "x", "w")
	inv, c := k.param("inv"), k.param("c")
	x, w, dy, dx := k.reg(), k.reg(), k.reg(), k.reg()
	k.each(2, func(i int) {
		k.load("dy", i, dy)
		k.load("w", i, w)
		k.load("x", i, x)
		k.load("dx", i, dx)
		VMULPS(w, dy, dy)
		VMULPS(c, x, x)
		VSUBPS(x, dy, dy)
		VMULPS(inv, dy, dy)
		VADDPS(dy, dx, dx)
		k.store(dx, "dx", i)
	})
	end()
}

// rotations writes the rotation of pairs (lo, hi) and its inverse.
func (s isa) rotations() {
	for _, name := range []string{"rotate", "unrotate"} {
		k := s.begin(name, "func(lo, hi, cos, sin []float32)", "turns the pairs of lo and hi.", "lo", "hi", "cos", "sin")
		a, b, c, sn, t, u := k.reg(), k.reg(), k.reg(), k.reg(), k.reg(), k.reg()
		k.each(2, func(i int) {
			k.load("lo", i, a)
			k.load("hi", i, b)
			k.load("cos", i, c)
			k.load("sin", i, sn)
			VMULPS(c, a, t)
			VMULPS(c, b, u)
			VMULPS(sn, a, a)
			VMULPS(sn, b, b)
			first, second := t, u
			if name == "rotate" {
				VSUBPS(b, first, first)
				VADDPS(a, second, second)
			} else {
				VADDPS(b, first, first)
				VSUBPS(a, second, second)
			}
			k.store(first, "lo", i)
			k.store(second, "hi", i)
		})
		end()
	}
}
