package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// GELU writes x·Φ(x) to dst, which may be x, where Φ(x) = ½·(1 + erf(x/√2)) is the normal distribution (Hendrycks and
// Gimpel 2016). Φ is right to 1e-7; -Inf gives NaN as in PyTorch.
func GELU(dst, x []float32) {
	same("GELU", len(dst), len(x))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		gelu(cpu.Used, dst[i:j], x[i:j])
	}
}

// GELUGrad writes to dx, which may be dy or x, the gradient of GELU, given dy of its result: dy·(Φ(x) + x·φ(x)) with φ
// the normal density.
func GELUGrad(dx, dy, x []float32) {
	same("GELUGrad", len(dx), len(dy))
	same("GELUGrad", len(dx), len(x))
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		geluGrad(cpu.Used, dx[i:j], dy[i:j], x[i:j])
	}
}

func geluGo(dst, x []float32) {
	x = x[:len(dst)]
	for i, v := range x {
		cdf, _ := normal(v)
		dst[i] = v * cdf
	}
}

func geluGradGo(dx, dy, x []float32) {
	const density = 0.3989422804014327 // 1/√(2π)
	dy, x = dy[:len(dx)], x[:len(dx)]
	for i, v := range x {
		cdf, bell := normal(v)
		dx[i] = dy[i] * (cdf + density*(v*bell))
	}
}

// normal returns Φ(x) and exp(−x²/2): for t ≥ 0, Φ(−t) = exp(−t²/2)·(½ + u·poly(u)) with u = t/(t+2.5), where poly was
// fitted to 9e-10.
func normal(x float32) (cdf, bell float32) {
	t := math.Min(math.Abs(float64(x)), 20)
	bell = exp(float32(-0.5 * t * t))
	u := t / (t + 2.5)
	p := (((0.0248405842*u+0.00884229712)*u-0.0478980835)*u-0.101267343)*u + 0.0497231046
	tail := float32(float64(bell) * (((p*u+0.565150544)*u-0.997355832)*u + 0.5))
	if x < 0 {
		return tail, bell
	}
	return 1 - tail, bell
}
