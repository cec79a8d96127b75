
package vec

import "github.com/spagotune/spagotune/internal/cpu"

func axpy(_ cpu.Level, y []float32, a float32, x []float32)       { axpyGo(y, a, x) }
func add(_ cpu.Level, dst, a, b []float32)                        { addGo(dst, a, b) }
func scale(_ cpu.Level, dst []float32, a float32, x []float32)    { scaleGo(dst, a, x) }
func mul(_ cpu.Level, dst, a, b []float32)                        { mulGo(dst, a, b) }
func mulAdd(_ cpu.Level, dst, a, b []float32)                     { mulAddGo(dst, a, b) }
func dot(_ cpu.Level, a, b []float32) float32                     { return dotGo(a, b) }
func sumOf(_ cpu.Level, x []float32) float32                      { return sumGo(x) }
func sumSquares(_ cpu.Level, x []float32) float64                 { return sumSquaresGo(x) }
func maxOf(_ cpu.Level, x []float32) float32                      { return maxGo(x) }
func nonFinite(_ cpu.Level, x []float32) int                      { return nonFiniteGo(x) }
func expSum(_ cpu.Level, dst, x []float32, shift float32) float32 { return expSumGo(dst, x, shift) }
func swiGLU(_ cpu.Level, dst, gate, up []float32)                 { swiGLUGo(dst, gate, up) }
func swiGLUGrad(_ cpu.Level, dgate, dup, dy, gate, up []float32) {
	swiGLUGradGo(dgate, dup, dy, gate, up)
}
func normScale(_ cpu.Level, dst, x, w []float32, inv float32)      { normScaleGo(dst, x, w, inv) }
func dot3(_ cpu.Level, dy, w, x []float32) float32                 { return dot3Go(dy, w, x) }
func normGrad(_ cpu.Level, dx, dy, x, w []float32, inv, c float32) { normGradGo(dx, dy, x, w, inv, c) }
func rotate(_ cpu.Level, lo, hi, cos, sin []float32)               { rotateGo(lo, hi, cos, sin) }
func unrotate(_ cpu.Level, lo, hi, cos, sin []float32)             { unrotateGo(lo, hi, cos, sin) }
func adamWStep(_ cpu.Level, p, g, m, v []float32, c *adamW)        { adamWGo(p, g, m, v, c) }
