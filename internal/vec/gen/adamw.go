package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// adamW writes one step of AdamW; c holds the factors of Go's struct adamW in its order.
func (s isa) adamW() {
	k := s.begin("adamW", "func(p, g, m, v []float32, c *[7]float32)", "is adamWGo where lerp < 0.5.", "p", "g", "m", "v")
	Load(Param("c"), reg.R10)
	c := k.regs(7)
	for i, r := range c {
		VBROADCASTSS(Mem{Base: reg.R10, Disp: 4 * i}, r)
	}
	decay, lerp, keep, add, root, eps, step := c[0], c[1], c[2], c[3], c[4], c[5], c[6]
	p, g, m, v, t := k.reg(), k.reg(), k.reg(), k.reg(), k.reg()
	k.each(1, func(i int) {
		k.load("g", i, g)
		k.load("m", i, m)
		VSUBPS(m, g, t)
		VMULPS(lerp, t, t)
		VADDPS(t, m, m)
		k.store(m, "m", i)
		k.load("v", i, v)
		VMULPS(keep, v, v)
		VMULPS(add, g, t)
		VMULPS(g, t, t)
		VADDPS(t, v, v)
		k.store(v, "v", i)
		VSQRTPS(v, v)
		VDIVPS(root, v, v)
		VADDPS(eps, v, v)
		k.load("p", i, p)
		VMULPS(decay, p, p)
		VMULPS(step, m, m)
		VDIVPS(v, m, m)
		VADDPS(m, p, p)
		k.store(p, "p", i)
	})
	end()
}
