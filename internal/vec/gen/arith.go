package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// arith writes sums and products. Products are rounded before they are added, as in pure Go.
func (s isa) arith() {
	k := s.begin("axpy", "func(y []float32, a float32, x []float32)", "adds a·x to y.", "y", "x")
	a, x, y := k.param("a"), k.reg(), k.reg()
	k.each(4, func(i int) {
		k.load("x", i, x)
		k.load("y", i, y)
		VMULPS(x, a, x)
		VADDPS(x, y, y)
		k.store(y, "y", i)
	})
	end()

	k = s.begin("scale", "func(dst []float32, a float32, x []float32)", "writes a·x.", "dst", "x")
	a, x = k.param("a"), k.reg()
	k.each(4, func(i int) {
		k.load("x", i, x)
		VMULPS(x, a, x)
		k.store(x, "dst", i)
	})
	end()

	s.binary("add", "writes a+b.", addPS)
	s.binary("mul", "writes a·b.", func(a, b, dst Op) { VMULPS(a, b, dst) })

	k = s.begin("mulAdd", "func(dst, a, b []float32)", "adds a·b to dst.", "dst", "a", "b")
	x, y, d := k.reg(), k.reg(), k.reg()
	k.each(4, func(i int) {
		k.load("a", i, x)
		k.load("b", i, y)
		k.load("dst", i, d)
		VMULPS(x, y, x)
		VADDPS(x, d, d)
		k.store(d, "dst", i)
	})
	end()
}

func (s isa) binary(name, doc string, op func(a, b, dst Op)) {
	k := s.begin(name, "func(dst, a, b []float32)", doc, "dst", "a", "b")
	x, y := k.reg(), k.reg()
	k.each(4, func(i int) {
		k.load("a", i, x)
		k.load("b", i, y)
		op(y, x, x)
		k.store(x, "dst", i)
	})
	end()
}
