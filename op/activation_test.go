package op

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

// activationTests are the names of hidden_act and their definitions.
var activationTests = map[string]func(x float64) float64{
	"gelu":              func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) },
	"gelu_new":          tanhGELU,
	"gelu_pytorch_tanh": tanhGELU,
	"gelu_fast":         tanhGELU,
	"relu":              func(x float64) float64 { return max(x, 0) },
	"silu":              func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	"swish":             func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	"tanh":              math.Tanh,
}

func tanhGELU(x float64) float64 {
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func TestActivations(t *testing.T) {
	r := rand.New(rand.NewPCG(20, 21))
	for name, f := range activationTests {
		t.Run(name, func(t *testing.T) {
			a, err := ParseActivation(name)
			if err != nil {
				t.Fatal(err)
			}
			p := &Pass{}
			defer p.Release()
			x := p.New(70, 33)
			for i := range x.m.Data {
				x.m.Data[i] = float32(3 * r.NormFloat64())
			}
			want := make([]float64, len(x.m.Data))
			for i, v := range x.m.Data {
				want[i] = f(float64(v))
			}
			if w := worst(Matrix(Activate(p, x, a)).Data, want); w > 3e-6 {
				t.Errorf("differs from its definition by %.2g", w)
			}
			in := param(r, 40, 7)
			for i, v := range Data(in).Data { // away from ReLU's kink
				Data(in).Data[i] = v*2 + float32(math.Copysign(0.02, float64(v)))
			}
			checkGradients(t, []*nn.Param{in}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Activate(p, in[0], a) })
		})
	}
}

func TestUnknownActivation(t *testing.T) {
	_, err := ParseActivation("gelu_10")
	if err == nil || !strings.Contains(err.Error(), "gelu_10") || !strings.Contains(err.Error(), "gelu_pytorch_tanh, relu") {
		t.Errorf("got error %v, want one that names gelu_10 and what is known", err)
	}
}
