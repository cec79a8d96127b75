package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// uniform returns n values in [-1, 1).
func uniform(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 2*r.Float32() - 1
	}
	return v
}

// checkGradients compares the gradients of Σ c·f(inputs…) with central differences, for fixed random c. Every input is a
// parameter [rows, cols], so that its gradient can be read after the pass.
func checkGradients(t *testing.T, inputs []*nn.Param, f func(p *Pass, in []mat.Tensor) mat.Tensor) {
	t.Helper()
	var c []float32
	// value is Σ c·y. It copies the inputs, since operators may work in place.
	value := func(grad bool) float64 {
		p := &Pass{Grad: grad, Train: true}
		defer p.Release()
		in := make([]mat.Tensor, len(inputs))
		for i, x := range inputs {
			in[i] = identity(p, x)
		}
		y := f(p, in)
		m := Matrix(y)
		if c == nil {
			c = uniform(rand.New(rand.NewPCG(7, 7)), len(m.Data))
		}
		sum := 0.0
		for i, v := range m.Data {
			sum += float64(c[i]) * float64(v)
		}
		if grad {
			g := p.New(m.Rows, m.Cols)
			copy(g.m.Data, c)
			if err := p.propagate(y, g); err != nil {
				t.Fatal(err)
			}
		}
		return sum
	}
	for _, p := range inputs {
		p.ZeroGrad()
	}
	value(true)
	for k, p := range inputs {
		compareDifferences(t, k, p, func() float64 { return value(false) })
	}
}

func compareDifferences(t *testing.T, k int, p *nn.Param, value func() float64) {
	t.Helper()
	const h = 1e-2
	w, g := Data(p).Data, append([]float32(nil), Grad(p).Data...)
	worst, scale := 0.0, 1e-3
	for i := range w {
		old := w[i]
		w[i] = old + h
		up := value()
		w[i] = old - h
		down := value()
		w[i] = old
		d := (up - down) / (2 * h)
		worst = max(worst, math.Abs(d-float64(g[i])))
		scale = max(scale, math.Abs(d))
	}
	if math.IsNaN(worst) || worst > 5e-3*scale {
		t.Errorf("input %d: gradients differ from central differences by %.2g of %.2g", k, worst, scale)
	}
}

// identity is an operator that copies a parameter.
func identity(p *Pass, w *nn.Param) mat.Tensor {
	m := Data(w)
	return p.Apply(Operator{
		Params: []*nn.Param{w}, Rows: m.Rows, Cols: m.Cols,
		Forward: func(y tensor.Matrix) { copy(y.Data, m.Data) },
		Backward: func(gy *Tensor) []*Tensor {
			for i, v := range gy.m.Data {
				Grad(w).Data[i] += v
			}
			return nil
		},
	})
}

func param(r *rand.Rand, rows, cols int) *nn.Param {
	return NewParam(uniform(r, rows*cols), rows, cols)
}

// weight is a plain trainable projection.
type weight struct{ p *nn.Param }

func (w weight) Dims() (out, in int)                       { m := Data(w.p); return m.Rows, m.Cols }
func (w weight) Params(*Pass) []*nn.Param                  { return []*nn.Param{w.p} }
func (w weight) ReadsOutput(*Pass) bool                    { return false }
func (w weight) Forward(_ *Pass, y, x tensor.Matrix)       { tensor.NT(y, x, Data(w.p), 0) }
func (w weight) ParamGrad(_ *Pass, x, _, gy tensor.Matrix) { tensor.TN(Grad(w.p), gy, x, 1) }
func (w weight) InputGrad(_ *Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix) {
	tensor.NN(dx, gy, Data(w.p), beta)
}

func TestGradients(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	norm, shift := param(r, 1, 6), param(r, 1, 6)
	head, bias := param(r, 11, 5), param(r, 1, 11)
	big := param(r, VocabTile+3, 2)
	a, b := weight{param(r, 4, 5)}, weight{param(r, 3, 5)}
	table, positions, types := param(r, 7, 3), param(r, 4, 3), param(r, 2, 3)
	tests := []struct {
		name   string
		inputs []*nn.Param
		f      func(p *Pass, in []mat.Tensor) mat.Tensor
	}{
		{"linear", []*nn.Param{param(r, 6, 5), a.p, b.p}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Linear(p, in[0], a, b) }},
		{"linear residual", []*nn.Param{param(r, 6, 5), param(r, 6, 4), a.p}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return Add(p, in[1], Linear(p, in[0], a))
		}},
		{"rmsnorm", []*nn.Param{param(r, 40, 6), norm}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return RMSNorm(p, in[0], Data(norm).Data, norm, 1e-5)
		}},
		{"rmsnorm frozen", []*nn.Param{param(r, 3, 6)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return RMSNorm(p, in[0], Data(norm).Data, nil, 1e-5)
		}},
		{"group rmsnorm", []*nn.Param{param(r, 3, 22), norm}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return GroupRMSNorm(p, in[0], []NormGroup{{Cols: 6, Heads: 2, Weight: Data(norm).Data, Param: norm}, {Cols: 5, Heads: 2}}, 1e-6)
		}},
		{"layernorm", []*nn.Param{param(r, 40, 6), norm, shift}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return LayerNorm(p, in[0], Data(norm).Data, Data(shift).Data, norm, shift, 1e-5)
		}},
		{"layernorm, weight frozen", []*nn.Param{param(r, 3, 6), shift}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return LayerNorm(p, in[0], Data(norm).Data, Data(shift).Data, nil, shift, 1e-12)
		}},
		{"layernorm frozen", []*nn.Param{param(r, 3, 6)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return LayerNorm(p, in[0], Data(norm).Data, Data(shift).Data, nil, nil, 1e-12)
		}},
		{"swiglu", []*nn.Param{param(r, 35, 8)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Gate(p, in[0], SiLU) }},
		{"rows", []*nn.Param{param(r, 5, 3)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Gather(p, in[0], []int{4, 1}) }},
		{"embedding", []*nn.Param{table}, func(p *Pass, _ []mat.Tensor) mat.Tensor {
			return EmbeddingSum(p, EmbeddingPart{IDs: []int32{6, 0, 6, 2}, Table: Data(table), Param: table})
		}},
		{"embedding sum", []*nn.Param{table, positions}, func(p *Pass, _ []mat.Tensor) mat.Tensor {
			return EmbeddingSum(p, EmbeddingPart{IDs: []int32{6, 0, 6, 2}, Table: Data(table), Param: table, Scale: 1.7},
				EmbeddingPart{IDs: []int32{0, 1, 2, 3}, Table: Data(positions), Param: positions},
				EmbeddingPart{IDs: []int32{0, 0, 1, 1}, Table: Data(types)})
		}},
		{"head loss", []*nn.Param{param(r, 5, 5), head, bias}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return FusedLinearCrossEntropy(p, in[0], []int{0, 2, 4}, []int32{10, 0, 3}, Data(head), head, Data(bias).Data, bias)
		}},
		{"head loss in tiles", []*nn.Param{param(r, 3, 2)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return FusedLinearCrossEntropy(p, in[0], []int{0, 2}, []int32{VocabTile + 1, 5}, Data(big), nil, nil, nil)
		}},
		{"cross-entropy", []*nn.Param{param(r, 3, 9)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return CrossEntropy(p, in[0], []int32{8, 0, 4}) }},
		{"weighted cross-entropy", []*nn.Param{param(r, 3, 9)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return WeightedCrossEntropy(p, in[0], []int32{8, 0, 4}, []float32{0.5, 3, 0})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkGradients(t, tt.inputs, tt.f) })
	}
}

func TestAttentionGradients(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rope := &RoPE{InvFreq: []float32{1, 0.1}}
	part := &RoPE{InvFreq: []float32{0.7}, Scale: 1.3, Original: 4, Long: func(n int) []float32 { return []float32{1 / float32(n)} }}
	for _, tt := range []struct {
		bounds     []int
		heads, kv  int
		window     int
		both       bool
		withoutPos bool
		partly     bool
	}{
		{[]int{0, 3, 4, 9}, 4, 2, 0, false, false, true}, {[]int{0, 6}, 2, 1, 0, true, false, true},
		{[]int{0, 7}, 2, 2, 0, false, false, false}, {[]int{0, 3, 4, 9}, 4, 2, 0, false, false, false}, {[]int{0, 9}, 3, 1, 4, false, false, false},
		{[]int{0, 6, 10}, 2, 1, 1, false, false, false}, {[]int{0, 5}, 2, 1, 0, false, true, false}, {[]int{0, queryTile + 5}, 1, 1, 3, false, false, false},
		{[]int{0, 7}, 2, 2, 0, true, true, false}, {[]int{0, 3, 4, 9}, 4, 2, 0, true, false, false}, {[]int{0, 2, 2*queryTile + 7}, 1, 1, 0, true, true, false},
	} {
		t.Run(fmt.Sprintf("%v h%d kv%d w%d both %t", tt.bounds, tt.heads, tt.kv, tt.window, tt.both), func(t *testing.T) {
			p := param(r, tt.bounds[len(tt.bounds)-1], (tt.heads+2*tt.kv)*4)
			s := AttentionShape{Heads: tt.heads, KVHeads: tt.kv, HeadDim: 4, Window: tt.window, Bidirectional: tt.both, Scale: 0.5}
			pos := rope
			if tt.partly {
				pos = part
			}
			if tt.withoutPos {
				pos = nil
			}
			checkGradients(t, []*nn.Param{p}, func(p *Pass, in []mat.Tensor) mat.Tensor {
				return Attention(p, in[0], tt.bounds, pos, s, nil)
			})
		})
	}
}

func TestCrossAttentionGradients(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, tt := range []struct {
		bounds, sources []int
		heads, kv       int
	}{
		{[]int{0, 3}, []int{0, 5}, 2, 2}, {[]int{0, 1, 5}, []int{0, 4, 5}, 4, 2}, {[]int{0, 2*queryTile + 2}, []int{0, 3}, 1, 1},
	} {
		t.Run(fmt.Sprintf("%v", tt), func(t *testing.T) {
			q, kv := param(r, tt.bounds[len(tt.bounds)-1], tt.heads*4), param(r, tt.sources[len(tt.sources)-1], 2*tt.kv*4)
			s := AttentionShape{Heads: tt.heads, KVHeads: tt.kv, HeadDim: 4, Scale: 0.5}
			checkGradients(t, []*nn.Param{q, kv}, func(p *Pass, in []mat.Tensor) mat.Tensor {
				return CrossAttention(p, in[0], in[1], tt.bounds, tt.sources, s)
			})
		})
	}
}
