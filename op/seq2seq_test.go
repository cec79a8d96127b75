package op

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

// twoStacks runs an encoder and a decoder with one embedding; the decoder's layers read the encoder's output. It returns the
// losses and the gradients.
func twoStacks(t *testing.T, checkpoint bool) (losses []float32, grads [][]float32) {
	t.Helper()
	const hidden = 16
	r := rand.New(rand.NewPCG(4, 1))
	p := &Pass{Grad: true}
	defer p.Release()
	p.Checkpointing = checkpoint
	table := param(r, 9, hidden)
	params := []*nn.Param{table}
	words := EmbeddingPart{IDs: []int32{1, 2, 3, 4, 2, 2, 8}, Table: Data(table), Param: table, Padding: []int32{8}}
	layer := func() weight {
		w := weight{param(r, hidden, hidden)}
		params = append(params, w.p)
		return w
	}
	x := EmbeddingSum(p, words)
	for range 3 {
		w := layer()
		x = Checkpoint(p, x, []*nn.Param{w.p}, func(p *Pass, x mat.Tensor) mat.Tensor { return Add(p, x, Linear(p, Activate(p, x, Tanh), w)) })
	}
	memory := x
	y := EmbeddingSum(p, words)
	for range 3 {
		w, v := layer(), layer()
		y = CheckpointWith(p, y, memory, []*nn.Param{w.p, v.p}, func(p *Pass, y, memory mat.Tensor) mat.Tensor {
			return Add(p, y, Linear(p, Linear(p, memory, v), w))
		})
	}
	loss := CrossEntropy(p, y, make([]int32, 7))
	losses = slices.Clone(Matrix(loss).Data)
	if err := p.Backward(loss, 1); err != nil {
		t.Fatal(err)
	}
	for _, p := range params {
		grads = append(grads, slices.Clone(Grad(p).Data))
	}
	return losses, grads
}

func TestSharedCheckpointIsTheSameBits(t *testing.T) {
	losses, grads := twoStacks(t, false)
	for i := range 50 {
		l, g := twoStacks(t, i%2 == 0)
		if !slices.Equal(l, losses) {
			t.Fatalf("run %d: the losses differ", i)
		}
		for j := range grads {
			if !slices.Equal(g[j], grads[j]) {
				t.Fatalf("run %d: the gradient of parameter %d differs", i, j)
			}
		}
	}
	row := func(i int) []float32 { return grads[0][i*16 : (i+1)*16] }
	if slices.Max(row(8)) != 0 || slices.Min(row(8)) != 0 || slices.Max(row(2)) == 0 {
		t.Errorf("the padding's row has gradient %v, another %v; want none and some", row(8), row(2))
	}
}

func TestCopyOfKVIsIndependent(t *testing.T) {
	p := &Pass{}
	defer p.Release()
	s := AttentionShape{Heads: 1, KVHeads: 1, HeadDim: 2, Scale: 1}
	step := func(c *KV, v float32) {
		x := p.Zeros(1, 6)
		for i := range x.m.Data {
			x.m.Data[i] = v
		}
		Attention(p, x, []int{0, 1}, nil, s, []*KV{c})
	}
	a := &KV{}
	step(a, 1)
	b := a.Copy()
	step(a, 2)
	step(b, 3)
	if got := []float32{a.keys(0, 2).Row(1)[0], b.keys(0, 2).Row(1)[0], b.values(0, 2).Row(0)[1]}; !slices.Equal(got, []float32{2, 3, 1}) || b.Len != 2 {
		t.Errorf("got %v, want 2, 3 and the common beginning, 1", got)
	}
}
