package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/tensor"
)

// TestPackedValues: in a pass with BF16 the values of which the backward pass needs bfloat16 alone are kept so. That changes no bit of
// attention, whose products round its factors anyway, and little of the others; a part that is run again has the same bits.
func TestPackedValues(t *testing.T) {
	const tokens, n = 70, 26
	r := rand.New(rand.NewPCG(9, 1))
	shape := AttentionShape{Heads: 3, KVHeads: 1, HeadDim: 8, Scale: 0.35}
	wide, narrow := passWeight{weight{param(r, 2*n, n)}}, passWeight{weight{param(r, 5*8, n)}}
	for _, test := range []struct {
		name  string
		w     passWeight
		exact bool
		f     func(p *Pass, x mat.Tensor) mat.Tensor
	}{
		{"gate", wide, false, func(p *Pass, x mat.Tensor) mat.Tensor { return Gate(p, x, SiLU) }},
		{"activation", wide, false, func(p *Pass, x mat.Tensor) mat.Tensor { return Activate(p, x, GELU) }},
		{"attention", narrow, true, func(p *Pass, x mat.Tensor) mat.Tensor {
			return Attention(p, x, []int{0, 20, tokens}, testRoPE(8), shape, nil)
		}},
	} {
		x, inside := param(r, tokens, n), []*nn.Param{test.w.p}
		part := func(p *Pass, x mat.Tensor) mat.Tensor { return Scale(p, test.f(p, Linear(p, x, test.w)), 1) }
		whole := func(p *Pass, in []mat.Tensor) mat.Tensor { return Checkpoint(p, in[0], inside, part) }
		inputs := []*nn.Param{x, test.w.p}
		apart := valueAndGradients(t, &Pass{Grad: true, BF16: true}, inputs, func(p *Pass, in []mat.Tensor) mat.Tensor { return part(p, in[0]) })
		packed := valueAndGradients(t, &Pass{Grad: true, BF16: true}, inputs, whole)
		again := valueAndGradients(t, &Pass{Grad: true, BF16: true, Checkpointing: true}, inputs, whole)
		for i := range apart {
			golden.Close(t, test.name, packed[i], apart[i], 2e-2, true)
			if exact := slices.Equal(packed[i], apart[i]); exact != (test.exact || i == 0) {
				t.Errorf("%s: value or gradient %d has the bits of values that are kept as they are: %t", test.name, i, exact)
			}
			if !slices.Equal(packed[i], again[i]) {
				t.Errorf("%s: value or gradient %d differs where the part is run again", test.name, i)
			}
		}
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
