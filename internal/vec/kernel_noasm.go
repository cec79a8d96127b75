//go:build !amd64

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
func normScale(_ cpu.Level, dst, x, w []float32, inv float32)       { normScaleGo(dst, x, w, inv) }
func dot3(_ cpu.Level, dy, w, x []float32) float32                  { return dot3Go(dy, w, x) }
func normGrad(_ cpu.Level, dx, dy, x, w []float32, inv, c float32)  { normGradGo(dx, dy, x, w, inv, c) }
func rotate(_ cpu.Level, lo, hi, cos, sin []float32)                { rotateGo(lo, hi, cos, sin) }
func unrotate(_ cpu.Level, lo, hi, cos, sin []float32)              { unrotateGo(lo, hi, cos, sin) }
func adamWStep(_ cpu.Level, p, g, m, v []float32, c *adamW)         { adamWGo(p, g, m, v, c) }
func relu(_ cpu.Level, dst, x []float32)                            { reluGo(dst, x) }
func reluGrad(_ cpu.Level, dx, dy, x []float32)                     { reluGradGo(dx, dy, x) }
func gate(_ cpu.Level, dst, x []float32, a, b float32)              { gateGo(dst, x, a, b) }
func gateGrad(_ cpu.Level, dx, dy, x []float32, a, b, b3 float32)   { gateGradGo(dx, dy, x, a, b, b3) }
func tanh(_ cpu.Level, dst, x []float32)                            { tanhGo(dst, x) }
func tanhGrad(_ cpu.Level, dx, dy, x []float32)                     { tanhGradGo(dx, dy, x) }
func gelu(_ cpu.Level, dst, x []float32)                            { geluGo(dst, x) }
func geluGrad(_ cpu.Level, dx, dy, x []float32)                     { geluGradGo(dx, dy, x) }
func centredSquares(_ cpu.Level, x []float32, mean float32) float32 { return centredSquaresGo(x, mean) }
func centredDot3(_ cpu.Level, dy, w, x []float32, mean float32) float32 {
	return centredDot3Go(dy, w, x, mean)
}
func layerScale(_ cpu.Level, dst, x, w, b []float32, mean, inv float32) {
	layerScaleGo(dst, x, w, b, mean, inv)
}
func layerGrad(_ cpu.Level, dx, dy, x, w []float32, mean, inv, m, c float32) {
	layerGradGo(dx, dy, x, w, mean, inv, m, c)
}
func layerWeights(_ cpu.Level, dw, db, dy, x []float32, mean, inv float32) {
	layerWeightsGo(dw, db, dy, x, mean, inv)
}
