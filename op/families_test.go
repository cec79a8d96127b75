package op

import (
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

// TestGradientsOfFamilies compares the gradients of operators that single families of models have with differences.
func TestGradientsOfFamilies(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	bounds := []int{0, 3, 7}
	bias, sinks := param(r, 7, 2), param(r, 1, 2)
	near := func(d int) int { return min(max(d+3, 0), 6) }
	norm, shift := param(r, 1, 4), param(r, 1, 4)
	conv, decay, timeBias := param(r, 22, 3), param(r, 1, 2), param(r, 1, 2)
	up, down := param(r, 8, 6), param(r, 6, 4)
	up2, down2 := param(r, 8, 6), param(r, 6, 4)
	shape := func(change func(s *AttentionShape)) func(p *Pass, in []mat.Tensor) mat.Tensor {
		s := AttentionShape{Heads: 2, KVHeads: 1, HeadDim: 4, Scale: 0.7}
		change(&s)
		return func(p *Pass, in []mat.Tensor) mat.Tensor { return Attention(p, in[0], bounds, nil, s, nil) }
	}
	qkv := func() []*nn.Param { return []*nn.Param{param(r, 7, 16)} }
	interleaved := testRoPE(4)
	interleaved.Interleaved = true
	for _, tt := range []struct {
		name   string
		inputs []*nn.Param
		f      func(p *Pass, in []mat.Tensor) mat.Tensor
	}{
		{"scale", []*nn.Param{param(r, 3, 4)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Scale(p, in[0], -1.5) }},
		{"soft cap", []*nn.Param{param(r, 3, 4)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return SoftCap(p, in[0], 0.8) }},
		{"columns", []*nn.Param{param(r, 3, 6)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Columns(p, in[0], []int{4, 0, 2}, 2) }},
		{"slice", []*nn.Param{param(r, 3, 6)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Slice(p, in[0], 1, 3) }},
		{"sigmoid", []*nn.Param{param(r, 3, 4), param(r, 3, 4)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Modulate(p, in[0], in[1], false) }},
		{"swish", []*nn.Param{param(r, 3, 4), param(r, 3, 4)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Modulate(p, in[0], in[1], true) }},
		{"sigmoid of rows", []*nn.Param{param(r, 3, 4), param(r, 3, 1)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return SigmoidGate(p, in[0], in[1]) }},
		{"norms of groups", []*nn.Param{param(r, 3, 12), norm, shift}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return GroupLayerNorm(p, in[0], []NormGroup{{Cols: 4, Heads: 2, Weight: Data(norm).Data, Param: norm, Bias: Data(shift).Data, BiasParam: shift},
				{Cols: 4, Heads: 1}}, 1e-5)
		}},
		{"capped scores", qkv(), shape(func(s *AttentionShape) { s.SoftCap = 0.5 })},
		{"scaled queries", qkv(), shape(func(s *AttentionShape) { s.QueryScale = func(i int) float32 { return 1 + float32(i)/4 } })},
		{"windows on both sides", qkv(), shape(func(s *AttentionShape) { s.Bidirectional, s.Window = true, 1 })},
		{"windows and padding", qkv(), shape(func(s *AttentionShape) { s.Bidirectional, s.Window, s.AttentionLengths = true, 1, []int{2, 3} })},
		{"biases", append(qkv(), bias), shape(func(s *AttentionShape) { s.Bias = &RelativeBias{Table: Data(bias).Data, Param: bias, Bucket: near} })},
		{"sinks", append(qkv(), sinks), shape(func(s *AttentionShape) { s.Sinks = &Sinks{Scores: Data(sinks).Data, Param: sinks} })},
		{"neighbouring pairs", qkv(), func(p *Pass, in []mat.Tensor) mat.Tensor {
			return Attention(p, in[0], bounds, interleaved, AttentionShape{Heads: 2, KVHeads: 1, HeadDim: 4, Scale: 0.7}, nil)
		}},
		{"disentangled", []*nn.Param{param(r, 7, 24), param(r, 7, 16)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return DisentangledAttention(p, in[0], in[1], bounds, near, AttentionShape{Heads: 2, KVHeads: 2, HeadDim: 4, Scale: 0.4})
		}},
		{"router", []*nn.Param{param(r, 4, 3)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return TopK(p, in[0], 2, true, false) }},
		{"router, not normalized", []*nn.Param{param(r, 4, 3)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return TopK(p, in[0], 2, false, false) }},
		{"experts", []*nn.Param{param(r, 5, 6), param(r, 5, 2), up, down, up2, down2}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return Experts(p, in[0], in[1], 2, []Expert{{weight{up}, weight{down}}, {weight{up2}, weight{down2}}}, GateOf(SiLU))
		}},
		{"gated delta rule", []*nn.Param{param(r, 7, 22), param(r, 7, 4), conv, decay, timeBias}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return GatedDelta(p, in[0], in[1], bounds, DeltaWeights{Conv: Data(conv).Data, PConv: conv, Decay: Data(decay).Data, PDecay: decay,
				TimeBias: Data(timeBias).Data, PTimeBias: timeBias}, DeltaShape{KeyHeads: 1, ValueHeads: 2, KeyDim: 6, ValueDim: 5, Kernel: 3}, nil)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { checkGradients(t, tt.inputs, tt.f) })
	}
}

// TestBalance compares the auxiliary loss of two routers' choices and its gradient with differences.
func TestBalance(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	a, b := param(r, 5, 3), param(r, 5, 3)
	checkGradients(t, []*nn.Param{a, b}, func(p *Pass, in []mat.Tensor) mat.Tensor {
		x := Add(p, TopK(p, in[0], 2, true, true), TopK(p, in[1], 2, true, true))
		return AddBalance(p, Slice(p, x, 0, 1), 0.7)
	})
}
