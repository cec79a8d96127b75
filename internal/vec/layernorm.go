package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// LayerNorm writes w·((x−mean)·inv) + b to dst, which may be x, and returns x's mean and inv = 1/√(mean((x−mean)²)+eps).
// The variance is taken in a second pass, around the mean.
func LayerNorm(dst, x, w, b []float32, eps float32) (mean, inv float32) {
	same("LayerNorm", len(dst), len(x))
	same("LayerNorm", len(dst), len(w))
	same("LayerNorm", len(dst), len(b))
	if len(dst) == 0 {
		return 0, 0
	}
	mean = float32(float64(Sum(x)) / float64(len(x)))
	squares := 0.0
	for i := 0; i < len(x); i += block {
		squares += float64(centredSquares(cpu.Used, x[i:min(i+block, len(x))], mean))
	}
	inv = float32(1 / math.Sqrt(squares/float64(len(x))+float64(eps)))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		layerScale(cpu.Used, dst[i:j], x[i:j], w[i:j], b[i:j], mean, inv)
	}
	return mean, inv
}

// LayerNormGrad writes to dx, which may be dy or x, the gradient of LayerNorm with respect to x, given dy of its result:
// with g = dy·w and c = inv²·mean(g·(x−mean)), dx = inv·((g − mean(g)) − (x−mean)·c).
func LayerNormGrad(dx, dy, x, w []float32, mean, inv float32) {
	same("LayerNormGrad", len(dx), len(dy))
	same("LayerNormGrad", len(dx), len(x))
	same("LayerNormGrad", len(dx), len(w))
	sum := 0.0
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		sum += float64(centredDot3(cpu.Used, dy[i:j], w[i:j], x[i:j], mean))
	}
	n := float64(len(dx))
	c := float32(float64(inv) * float64(inv) * sum / n)
	m := float32(float64(Dot(dy, w)) / n)
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		layerGrad(cpu.Used, dx[i:j], dy[i:j], x[i:j], w[i:j], mean, inv, m, c)
	}
}

// LayerNormWeightGrad adds the gradients of LayerNorm's weight and bias: dw += dy·((x−mean)·inv), db += dy.
func LayerNormWeightGrad(dw, db, dy, x []float32, mean, inv float32) {
	same("LayerNormWeightGrad", len(dw), len(db))
	same("LayerNormWeightGrad", len(dw), len(dy))
	same("LayerNormWeightGrad", len(dw), len(x))
	for i := 0; i < len(dw); i += block {
		j := min(i+block, len(dw))
		layerWeights(cpu.Used, dw[i:j], db[i:j], dy[i:j], x[i:j], mean, inv)
	}
}

// centredSquaresGo is the sum of (x−mean)².
func centredSquaresGo(x []float32, mean float32) float32 {
	var s0, s1 float32
	for ; len(x) >= 2; x = x[2:] {
		a, b := x[0]-mean, x[1]-mean
		s0 += a * a
		s1 += b * b
	}
	for _, v := range x {
		s0 += (v - mean) * (v - mean)
	}
	return s0 + s1
}

// centredDot3Go is the sum of dy·w·(x−mean).
func centredDot3Go(dy, w, x []float32, mean float32) float32 {
	var s0, s1 float32
	w, x = w[:len(dy)], x[:len(dy)]
	for ; len(dy) >= 2 && len(w) >= 2 && len(x) >= 2; dy, w, x = dy[2:], w[2:], x[2:] {
		s0 += dy[0] * w[0] * (x[0] - mean)
		s1 += dy[1] * w[1] * (x[1] - mean)
	}
	for i, d := range dy {
		s0 += d * w[i] * (x[i] - mean)
	}
	return s0 + s1
}

// layerScaleGo writes w·((x−mean)·inv) + b.
func layerScaleGo(dst, x, w, b []float32, mean, inv float32) {
	x, w, b = x[:len(dst)], w[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = float32(w[i]*(float32(x[i]-mean)*inv)) + b[i]
	}
}

// layerGradGo writes inv·((dy·w − m) − (x−mean)·c) to dx.
func layerGradGo(dx, dy, x, w []float32, mean, inv, m, c float32) {
	dy, x, w = dy[:len(dx)], x[:len(dx)], w[:len(dx)]
	for i := range dx {
		dx[i] = inv * (float32(float32(dy[i]*w[i])-m) - float32(float32(x[i]-mean)*c))
	}
}

// layerWeightsGo adds dy·((x−mean)·inv) to dw and dy to db.
func layerWeightsGo(dw, db, dy, x []float32, mean, inv float32) {
	db, dy, x = db[:len(dw)], dy[:len(dw)], x[:len(dw)]
	for i := range dw {
		db[i] += dy[i]
		dw[i] += float32(dy[i] * float32(float32(x[i]-mean)*inv))
	}
}
