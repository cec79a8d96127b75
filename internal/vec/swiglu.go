package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// SwiGLU writes gate·sigmoid(gate)·up to dst, which may be gate or up.
// A gate below -87.3 gives 0, and -Inf NaN as in PyTorch.
func SwiGLU(dst, gate, up []float32) {
	same("SwiGLU", len(dst), len(gate))
	same("SwiGLU", len(dst), len(up))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		swiGLU(cpu.Used, dst[i:j], gate[i:j], up[i:j])
	}
}

// SwiGLUGrad writes the gradients of SwiGLU with respect to its inputs, given dy of its result: with s = sigmoid(gate),
//
//	dgate = dy·up·(s + gate·s·(1−s))
//	dup = dy·gate·s
//
// dgate may be gate, dup may be up, and either may be dy.
func SwiGLUGrad(dgate, dup, dy, gate, up []float32) {
	same("SwiGLUGrad", len(dgate), len(dup))
	same("SwiGLUGrad", len(dgate), len(dy))
	same("SwiGLUGrad", len(dgate), len(gate))
	same("SwiGLUGrad", len(dgate), len(up))
	for i := 0; i < len(dgate); i += block {
		j := min(i+block, len(dgate))
		swiGLUGrad(cpu.Used, dgate[i:j], dup[i:j], dy[i:j], gate[i:j], up[i:j])
	}
}

func swiGLUGo(dst, gate, up []float32) {
	gate, up = gate[:len(dst)], up[:len(dst)]
	for i := range dst {
		s, _ := sigmoid(gate[i])
		dst[i] = gate[i] * s * up[i]
	}
}

func swiGLUGradGo(dgate, dup, dy, gate, up []float32) {
	dup, dy, gate, up = dup[:len(dgate)], dy[:len(dgate)], gate[:len(dgate)], up[:len(dgate)]
	for i := range dgate {
		s, rest := sigmoid(gate[i])
		silu, d := gate[i]*s, dy[i]
		dgate[i], dup[i] = d*up[i]*(s+silu*rest), d*silu
	}
}

// sigmoid returns s = 1/(1+exp(−x)) and 1−s. Neither is a difference of nearly equal numbers.
func sigmoid(x float32) (s, rest float32) {
	if math.Signbit(float64(x)) {
		e := exp(x)
		r := 1 / (1 + e)
		return e * r, r
	}
	e := exp(-x)
	r := 1 / (1 + e)
	return r, e * r
}
