package op

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/tensor"
)

// passWeight is weight in the pass's arithmetic.
type passWeight struct{ weight }

func (w passWeight) Forward(p *Pass, y, x tensor.Matrix)       { NT(p, y, x, Data(w.p), 0) }
func (w passWeight) ParamGrad(p *Pass, x, _, gy tensor.Matrix) { TN(p, Grad(w.p), gy, x, 1) }
func (w passWeight) InputGrad(p *Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix) {
	NN(p, dx, gy, Data(w.p), beta)
}

// TestBF16Operators: with BF16 every operator that multiplies matrices gives nearly the values and gradients of float32, but
// not the same; those that do not multiply give the same bits.
func TestBF16Operators(t *testing.T) {
	const tokens, n = 70, 24
	r := rand.New(rand.NewPCG(8, 1))
	w, head, norm := passWeight{weight{param(r, 32, n)}}, param(r, VocabTile+30, n), param(r, 1, n)
	rows, targets := make([]int, tokens/2), make([]int32, tokens/2)
	for i := range rows {
		rows[i], targets[i] = 2*i, int32(29*i)
	}
	shape := AttentionShape{Heads: 3, KVHeads: 1, HeadDim: 8, Scale: 0.35}
	for _, test := range []struct {
		name   string
		inputs []*nn.Param
		exact  bool
		f      func(p *Pass, in []mat.Tensor) mat.Tensor
	}{
		{"linear", []*nn.Param{param(r, tokens, n), w.p}, false, func(p *Pass, in []mat.Tensor) mat.Tensor { return Linear(p, in[0], w) }},
		{"attention", []*nn.Param{param(r, tokens, 5*8)}, false, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return Attention(p, in[0], []int{0, 20, tokens}, testRoPE(8), shape, nil)
		}},
		{"cross attention", []*nn.Param{param(r, tokens, 3*8), param(r, 40, 2*8)}, false, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return CrossAttention(p, in[0], in[1], []int{0, 30, tokens}, []int{0, 15, 40}, shape)
		}},
		{"head loss", []*nn.Param{param(r, tokens, n), head}, false, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return FusedLinearCrossEntropy(p, in[0], rows, targets, Data(head), head, nil, nil)
		}},
		{"cross-entropy", []*nn.Param{param(r, tokens, n)}, true, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return CrossEntropy(p, in[0], make([]int32, tokens))
		}},
		{"rmsnorm", []*nn.Param{param(r, tokens, n), norm}, true, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return RMSNorm(p, in[0], Data(norm).Data, norm, 1e-5)
		}},
		{"InfoNCE", []*nn.Param{param(r, tokens, n), param(r, tokens, n)}, true, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return InfoNCE(p, in[0], in[1], 2)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, got := valueAndGradients(t, &Pass{Grad: true}, test.inputs, test.f), valueAndGradients(t, &Pass{Grad: true, BF16: true}, test.inputs, test.f)
			for i := range want {
				golden.Close(t, "value or gradient", got[i], want[i], 2e-2, true)
				if slices.Equal(got[i], want[i]) != test.exact {
					t.Errorf("value or gradient %d: the same bits as in float32 is %t", i, !test.exact)
				}
			}
		})
	}
}

// valueAndGradients runs f in a pass and returns its value and the gradients of the inputs, for fixed gradients of the value.
func valueAndGradients(t *testing.T, p *Pass, inputs []*nn.Param, f func(p *Pass, in []mat.Tensor) mat.Tensor) [][]float32 {
	t.Helper()
	defer p.Release()
	in := make([]mat.Tensor, len(inputs))
	for i, x := range inputs {
		x.ZeroGrad()
		in[i] = identity(p, x)
	}
	y := f(p, in)
	m := Matrix(y)
	all := [][]float32{slices.Clone(m.Data)}
	g := p.New(m.Rows, m.Cols)
	copy(g.m.Data, uniform(rand.New(rand.NewPCG(7, 8)), len(m.Data)))
	if err := p.propagate(y, g); err != nil {
		t.Fatal(err)
	}
	for _, x := range inputs {
		all = append(all, slices.Clone(Grad(x).Data))
	}
	return all
}

// TestBF16CheckpointIsTheSameBits: a part that is run again computes as it did.
func TestBF16CheckpointIsTheSameBits(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 2))
	x, w := param(r, 70, 24), passWeight{weight{param(r, 24, 24)}}
	f := func(p *Pass, in []mat.Tensor) mat.Tensor {
		return Checkpoint(p, in[0], []*nn.Param{w.p}, func(p *Pass, x mat.Tensor) mat.Tensor { return Linear(p, Linear(p, x, w), w) })
	}
	var all [3][][]float32
	for i, p := range []*Pass{{Grad: true, BF16: true}, {Grad: true, BF16: true, Checkpointing: true}, {Grad: true, Checkpointing: true}} {
		all[i] = valueAndGradients(t, p, []*nn.Param{x, w.p}, f)
	}
	for i := range all[0] {
		if !slices.Equal(all[0][i], all[1][i]) {
			t.Errorf("with checkpoints value or gradient %d differs", i)
		}
		if slices.Equal(all[0][i], all[2][i]) {
			t.Errorf("value or gradient %d is float32's", i)
		}
	}
}
