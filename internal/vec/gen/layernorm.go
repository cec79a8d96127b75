package main

import (
	. "github.com/mmcloughlin/avo/build"
)

// layerNorm writes the passes of LayerNorm and its gradients. Values are centred before anything is multiplied.
func (s isa) layerNorm() {
	s.centredSums()

	k := s.begin("layerScale", "func(dst, x, w, b []float32, mean, inv float32)", "writes w·((x−mean)·inv) + b.",
		"dst", "x", "w", "b")
	mean, inv, x, w := k.param("mean"), k.param("inv"), k.reg(), k.reg()
	k.each(4, func(i int) {
		k.load("x", i, x)
		k.load("w", i, w)
		VSUBPS(mean, x, x)
		VMULPS(inv, x, x)
		VMULPS(w, x, x)
		k.load("b", i, w)
		VADDPS(w, x, x)
		k.store(x, "dst", i)
	})
	end()

	k = s.begin("layerGrad", "func(dx, dy, x, w []float32, mean, inv, m, c float32)",
		"writes inv·((dy·w − m) − (x−mean)·c) to dx.", "dx", "dy", "x", "w")
	mean, inv, m, c := k.param("mean"), k.param("inv"), k.param("m"), k.param("c")
	x, w, dy := k.reg(), k.reg(), k.reg()
	k.each(4, func(i int) {
		k.load("dy", i, dy)
		k.load("w", i, w)
		k.load("x", i, x)
		VMULPS(w, dy, dy)
		VSUBPS(m, dy, dy)
		VSUBPS(mean, x, x)
		VMULPS(c, x, x)
		VSUBPS(x, dy, dy)
		VMULPS(inv, dy, dy)
		k.store(dy, "dx", i)
	})
	end()

	k = s.begin("layerWeights", "func(dw, db, dy, x []float32, mean, inv float32)",
		"adds dy·((x−mean)·inv) to dw and dy to db.", "dw", "db", "dy", "x")
	mean, inv, x, dy, d := k.param("mean"), k.param("inv"), k.reg(), k.reg(), k.reg()
	k.each(2, func(i int) {
		k.load("x", i, x)
		k.load("dy", i, dy)
		k.load("db", i, d)
		VADDPS(dy, d, d)
		k.store(d, "db", i)
		k.load("dw", i, d)
		VSUBPS(mean, x, x)
		VMULPS(inv, x, x)
		VMULPS(dy, x, x)
		VADDPS(x, d, d)
		k.store(d, "dw", i)
	})
	end()
}

// centredSums writes the sums of (x−mean)² and of dy·w·(x−mean).
func (s isa) centredSums() {
	k := s.begin("centredSquares", "func(x []float32, mean float32) float32", "sums (x−mean)².", "x")
	acc, mean, x := k.regs(4), k.param("mean"), k.reg()
	k.zero(acc...)
	k.each(4, func(i int) {
		k.load("x", i, x)
		k.inTail(x, mean)
		VSUBPS(mean, x, x)
		VFMADD231PS(x, x, acc[i])
	})
	k.reduce32(addPS, acc...)
	k.result(acc[0])

	k = s.begin("centredDot3", "func(dy, w, x []float32, mean float32) float32", "sums dy·w·(x−mean).", "dy", "w", "x")
	acc, mean, x = k.regs(4), k.param("mean"), k.reg()
	w, dy := k.reg(), k.reg()
	k.zero(acc...)
	k.each(4, func(i int) {
		k.load("dy", i, dy)
		k.load("w", i, w)
		k.load("x", i, x)
		VSUBPS(mean, x, x)
		VMULPS(w, dy, dy)
		VFMADD231PS(x, dy, acc[i])
	})
	k.reduce32(addPS, acc...)
	k.result(acc[0])
}
