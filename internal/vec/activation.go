package vec

import "github.com/spagotune/spagotune/internal/cpu"

// ReLU writes max(x, 0) to dst, which may be x.
func ReLU(dst, x []float32) {
	same("ReLU", len(dst), len(x))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		relu(cpu.Used, dst[i:j], x[i:j])
	}
}

// ReLUGrad writes to dx, which may be dy or x, dy where x is above 0, and 0 elsewhere.
func ReLUGrad(dx, dy, x []float32) {
	same("ReLUGrad", len(dx), len(dy))
	same("ReLUGrad", len(dx), len(x))
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		reluGrad(cpu.Used, dx[i:j], dy[i:j], x[i:j])
	}
}

// Gate writes x·sigmoid(x·(a + b·x²)) to dst, which may be x: SiLU with a = 1 and b = 0, and the tanh form of GELU
// (Hendrycks and Gimpel 2016) with a = √(8/π) and b = 0.044715·a.
func Gate(dst, x []float32, a, b float32) {
	same("Gate", len(dst), len(x))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		gate(cpu.Used, dst[i:j], x[i:j], a, b)
	}
}

// GateGrad writes to dx, which may be dy or x, the gradient of Gate, given dy of its result: with s the sigmoid,
// dy·(s + x·s·(1−s)·(a + 3·b·x²)).
func GateGrad(dx, dy, x []float32, a, b float32) {
	same("GateGrad", len(dx), len(dy))
	same("GateGrad", len(dx), len(x))
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		gateGrad(cpu.Used, dx[i:j], dy[i:j], x[i:j], a, b, 3*b)
	}
}

// Tanh writes tanh(x) to dst, which may be x.
func Tanh(dst, x []float32) {
	same("Tanh", len(dst), len(x))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		tanh(cpu.Used, dst[i:j], x[i:j])
	}
}

// TanhGrad writes to dx, which may be dy or x, dy·(1 − tanh²(x)).
func TanhGrad(dx, dy, x []float32) {
	same("TanhGrad", len(dx), len(dy))
	same("TanhGrad", len(dx), len(x))
	for i := 0; i < len(dx); i += block {
		j := min(i+block, len(dx))
		tanhGrad(cpu.Used, dx[i:j], dy[i:j], x[i:j])
	}
}

func reluGo(dst, x []float32) {
	x = x[:len(dst)]
	for i, v := range x {
		dst[i] = max(v, 0)
	}
}

func reluGradGo(dx, dy, x []float32) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	for i := range dx {
		if x[i] > 0 {
			dx[i] = dy[i]
		} else {
			dx[i] = 0
		}
	}
}

func gateGo(dst, x []float32, a, b float32) {
	x = x[:len(dst)]
	for i, v := range x {
		s, _ := sigmoid(v * (a + b*(v*v)))
		dst[i] = v * s
	}
}

func gateGradGo(dx, dy, x []float32, a, b, b3 float32) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	for i, v := range x {
		s, rest := sigmoid(v * (a + b*(v*v)))
		dx[i] = dy[i] * (s + v*s*rest*(a+b3*(v*v)))
	}
}

func tanhGo(dst, x []float32) {
	x = x[:len(dst)]
	for i, v := range x {
		dst[i] = tanhOf(v)
	}
}

func tanhGradGo(dx, dy, x []float32) {
	dy, x = dy[:len(dx)], x[:len(dx)]
	for i, v := range x {
		y := tanhOf(v)
		dx[i] = dy[i] * (1 - y*y)
	}
}

// tanhOf is (1−e)/(1+e) with e = exp(−2|x|); for small x, where that loses digits, the polynomial of Cephes' tanhf
// (Moshier).
func tanhOf(x float32) float32 {
	const small = 0.625
	size := max(x, -x)
	if !(size >= small) {
		z := x * x
		p := (((-5.70498872745e-3*z+2.06390887954e-2)*z-5.37397155531e-2)*z+1.33314422036e-1)*z - 3.33332819422e-1
		return x + x*z*p
	}
	e := exp(-2 * size)
	y := (1 - e) / (1 + e)
	if x < 0 {
		return -y
	}
	return y
}
