package op

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// Activation is a function of single values, applied to each; the zero value is the exact GELU.
type Activation int

// The activations. GELU is x·Φ(x), GELUTanh its approximation ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) (Hendrycks and
// Gimpel 2016), SiLU x·sigmoid(x), ReLU2 max(x, 0)²
// (So et al. 2021, arXiv 2109.08668).
const (
	GELU Activation = iota
	GELUTanh
	ReLU
	SiLU
	Tanh
	ReLU2
)

var activationNames = map[string]Activation{
	"gelu": GELU, "gelu_new": GELUTanh, "gelu_pytorch_tanh": GELUTanh, "gelu_fast": GELUTanh,
	"relu": ReLU, "relu2": ReLU2, "silu": SiLU, "swish": SiLU, "tanh": Tanh,
}

// ParseActivation reads Hugging Face's names, those of hidden_act.
func ParseActivation(name string) (Activation, error) {
	a, ok := activationNames[name]
	if !ok {
		known := make([]string, 0, len(activationNames))
		for n := range activationNames {
			known = append(known, n)
		}
		slices.Sort(known)
		return 0, fmt.Errorf("op: activation %q is not known; known are %s", name, strings.Join(known, ", "))
	}
	return a, nil
}

// geluScale is the factor of x in the tanh form, written as a sigmoid: ½·(1 + tanh(u)) = sigmoid(2·u).
var geluScale = float32(math.Sqrt(8 / math.Pi))

func (a Activation) apply(dst, x []float32) {
	switch a {
	case GELU:
		vec.GELU(dst, x)
	case GELUTanh:
		vec.Gate(dst, x, geluScale, 0.044715*geluScale)
	case ReLU:
		vec.ReLU(dst, x)
	case SiLU:
		vec.Gate(dst, x, 1, 0)
	case Tanh:
		vec.Tanh(dst, x)
	case ReLU2:
		vec.ReLU(dst, x)
		vec.Mul(dst, dst, dst)
	}
}

func (a Activation) gradient(dx, dy, x []float32) {
	switch a {
	case GELU:
		vec.GELUGrad(dx, dy, x)
	case GELUTanh:
		vec.GateGrad(dx, dy, x, geluScale, 0.044715*geluScale)
	case ReLU:
		vec.ReLUGrad(dx, dy, x)
	case SiLU:
		vec.GateGrad(dx, dy, x, 1, 0)
	case Tanh:
		vec.TanhGrad(dx, dy, x)
	case ReLU2:
		for i, v := range x {
			dx[i] = dy[i] * 2 * max(v, 0)
		}
	}
}

// Activate applies a to every value of x.
func Activate(p *Pass, x mat.Tensor, a Activation) mat.Tensor {
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, Cheap: true, inPlace: true,
		Forward: func(y tensor.Matrix) {
			defer p.Time("activation")()
			m := Matrix(x)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					a.apply(y.Row(i), m.Row(i))
				}
			})
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("activation")()
			m := Matrix(x)
			gx := p.Exclusive(gy)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					g := gx.m.Row(i)
					a.gradient(g, g, m.Row(i))
				}
			})
			return []*Tensor{gx}
		},
	})
}
