package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// RMSNorm writes w·(x·inv) to dst, which may be x, and returns inv = 1/√(mean(x²)+eps).
func RMSNorm(dst, x, w []float32, eps float32) (inv float32) {
	same("RMSNorm", len(dst), len(x))
	same("RMSNorm", len(dst), len(w))
	if len(dst) == 0 {
		return 0
	}
	mean := float64(Dot(x, x)) / float64(len(x))
	inv = float32(1 / math.Sqrt(mean+float64(eps)))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		normScale(cpu.Used, dst[i:j], x[i:j], w[i:j], inv)
	}
	return inv
}

// RMSNormGrad adds to dx the gradient of RMSNorm with respect to x, given dy of its result: with g = dy·w and
// c = inv²·mean(g·x), dx += inv·(g − x·c).
func RMSNormGrad(dx, dy, x, w []float32, inv float32) {
	same("RMSNormGrad", len(dx), len(dy))
	same("RMSNormGrad", len(dx), len(x))
	same("RMSNormGrad", len(dx), len(w))
	sum := 0.0
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		sum += float64(dot3(cpu.Used, dy[i:j], w[i:j], x[i:j]))
	}
	c := float32(float64(inv) * float64(inv) * sum / float64(len(dx)))
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		normGrad(cpu.Used, dx[i:j], dy[i:j], x[i:j], w[i:j], inv, c)
	}
}

// normScaleGo writes w·(x·inv).
func normScaleGo(dst, x, w []float32, inv float32) {
	x, w = x[:len(dst)], w[:len(dst)]
	for i := range dst {
		dst[i] = w[i] * (x[i] * inv)
	}
}

// dot3Go is the sum of dy·w·x.
func dot3Go(dy, w, x []float32) float32 {
	var s0, s1 float32
	w, x = w[:len(dy)], x[:len(dy)]
	for ; len(dy) >= 2 && len(w) >= 2 && len(x) >= 2; dy, w, x = dy[2:], w[2:], x[2:] {
		s0 += dy[0] * w[0] * x[0]
		s1 += dy[1] * w[1] * x[1]
	}
	for i, d := range dy {
		s0 += d * w[i] * x[i]
	}
	return s0 + s1
}

// normGradGo adds inv·(dy·w − x·c) to dx.
func normGradGo(dx, dy, x, w []float32, inv, c float32) {
	dy, x, w = dy[:len(dx)], x[:len(dx)], w[:len(dx)]
	for i := range dx {
		dx[i] += float32(inv * (float32(dy[i]*w[i]) - float32(x[i]*c)))
	}
}
