package op

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// encoder is a step through the operators of an encoder, a decoder's cross-attention to it and a head. Values are dropped
// where they can be.
func encoder(t *testing.T) (losses, grad []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(32, 33))
	words, positions := param(r, 90, 48), param(r, 130, 48)
	qkv, up, down, kv := weight{param(r, 3*48, 48)}, weight{param(r, 300, 48)}, weight{param(r, 48, 300)}, weight{param(r, 2*48, 48)}
	w, b := param(r, 1, 48), param(r, 1, 48)
	p := &Pass{Grad: true}
	defer p.Release()
	ids, at, bounds := make([]int32, 200), make([]int32, 200), []int{0, 70, 75, 200}
	for d := range 3 {
		for i := bounds[d]; i < bounds[d+1]; i++ {
			ids[i], at[i] = int32(i*i%90), int32(i-bounds[d])
		}
	}
	s := AttentionShape{Heads: 4, KVHeads: 4, HeadDim: 12, Scale: 0.3, Bidirectional: true}
	x := EmbeddingSum(p, EmbeddingPart{IDs: ids, Table: Data(words), Param: words}, EmbeddingPart{IDs: at, Table: Data(positions), Param: positions})
	h := LayerNorm(p, x, Data(w).Data, Data(b).Data, w, b, 1e-12)
	a := Attention(p, Linear(p, h, qkv), bounds, nil, s, nil)
	u := Activate(p, Linear(p, a, up), GELU)
	z := Linear(p, u, down)
	c := CrossAttention(p, z, Linear(p, a, kv), bounds, bounds, s)
	y := InfoNCE(p, MeanPool(p, c, bounds), MeanPool(p, z, bounds), 20)
	losses = slices.Clone(Matrix(y).Data)
	if err := p.Backward(y, 1); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*nn.Param{words, positions, qkv.p, up.p, down.p, kv.p, w, b} {
		grad = append(grad, Grad(p).Data...)
	}
	return losses, grad
}

func TestEncoderOperatorsSameBitsForAnyNumberOfThreads(t *testing.T) {
	defer tensor.SetThreads(tensor.Threads())
	before := memory.used
	tensor.SetThreads(1)
	losses, grad := encoder(t)
	for _, n := range []int{2, 3} {
		tensor.SetThreads(n)
		l, g := encoder(t)
		if !slices.Equal(l, losses) || !slices.Equal(g, grad) {
			t.Errorf("%d threads give other bits than one", n)
		}
	}
	if memory.used != before {
		t.Errorf("%d values are out after the passes, %d before", memory.used, before)
	}
}
