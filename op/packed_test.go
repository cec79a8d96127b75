package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// TestPackedValues: in a pass with BF16 attention's queries, keys and values are kept in bfloat16, and the inputs of their norms and of gates in
// half precision. They are rounded to that anyway, so it changes no bit, also where the part is run again.
func TestPackedValues(t *testing.T) {
	const tokens, n = 90, 26 // the last tile of the second document has 6 queries
	r := rand.New(rand.NewPCG(9, 1))
	shape := AttentionShape{Heads: 3, KVHeads: 1, HeadDim: 8, Scale: 0.35}
	norm, bias := param(r, 1, 8), param(r, 1, 8)
	norms := []NormGroup{
		{Cols: 8, Heads: 3, Weight: Data(norm).Data, Param: norm, Bias: Data(bias).Data, BiasParam: bias},
		{Cols: 8, Heads: 1, Weight: Data(norm).Data, Param: norm, Bias: Data(bias).Data, BiasParam: bias}, {Cols: 8, Heads: 1},
	}
	x, up, down := param(r, tokens, n), passWeight{weight{param(r, 5*8, n)}}, passWeight{weight{param(r, n, 24)}}
	wide, narrow := passWeight{weight{param(r, 2*12, n)}}, passWeight{weight{param(r, n, 12)}}
	packs := 0
	part := func(p *Pass, x mat.Tensor) mat.Tensor {
		qkv := Linear(p, x, up)
		scaled := GroupRMSNorm(p, qkv, norms, 1e-5)
		normed := GroupLayerNorm(p, scaled, norms, 1e-5)
		y := Linear(p, Attention(p, normed, []int{0, 20, tokens}, testRoPE(8), shape, nil), down)
		gates := Linear(p, GroupRMSNorm(p, y, []NormGroup{{Cols: 8, Heads: 2, Weight: Data(norm).Data, Param: norm}, {Cols: 10, Heads: 1}}, 1e-5), wide)
		z := Linear(p, Gate(p, gates, SiLU), narrow)
		for _, v := range []mat.Tensor{qkv, scaled, normed, y, gates} {
			if v.Value().(*Tensor).packable() {
				packs++
			}
		}
		return Scale(p, z, 1)
	}
	whole := func(p *Pass, in []mat.Tensor) mat.Tensor {
		return Checkpoint(p, in[0], []*nn.Param{norm, bias, up.p, down.p, wide.p, narrow.p}, part)
	}
	inputs := []*nn.Param{x, norm, bias, up.p, down.p, wide.p, narrow.p}
	apart := valueAndGradients(t, &Pass{Grad: true, BF16: true}, inputs, func(p *Pass, in []mat.Tensor) mat.Tensor { return part(p, in[0]) })
	packed := valueAndGradients(t, &Pass{Grad: true, BF16: true}, inputs, whole)
	again := valueAndGradients(t, &Pass{Grad: true, BF16: true, Checkpointing: true}, inputs, whole)
	for i := range apart {
		if !slices.Equal(packed[i], apart[i]) || !slices.Equal(again[i], apart[i]) {
			t.Errorf("value or gradient %d differs where the values are packed, or the part is run again", i)
		}
	}
	if packs < 15 {
		t.Errorf("%d of the passes could pack", packs)
	}
	packs = 0
	valueAndGradients(t, &Pass{Grad: true}, inputs, whole)
	if packs != 0 {
		t.Error("a pass in float32 packs")
	}
}

// TestNarrowBF16 rounds as products do.
func TestNarrowBF16(t *testing.T) {
	src := uniform(rand.New(rand.NewPCG(3, 3)), 3*32+7)
	copy(src, []float32{0, float32(math.Copysign(0, -1)), 1e-40, -1e-40, 1 + 1.0/256, 1 + 3.0/256, float32(math.Inf(1)), 3e38})
	got := make([]uint16, len(src))
	tensor.NarrowBF16(got, src)
	for i, v := range src {
		want := tensor.ToBF16(v)
		if v < 0x1p-126 && v > -0x1p-126 {
			want &= 0x8000
		}
		if got[i] != want {
			t.Errorf("%g is rounded to %#x, want %#x", v, got[i], want)
		}
	}
}
