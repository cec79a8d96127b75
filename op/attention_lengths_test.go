package op

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

// TestAttentionLengths: tokens beyond a document's length change no other token, and gradients are right.
func TestAttentionLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	in := param(r, 7, 3*2*4)
	s := AttentionShape{Heads: 2, KVHeads: 2, HeadDim: 4, Bidirectional: true, AttentionLengths: []int{2, 3}, Scale: 0.5}
	bounds := []int{0, 4, 7}
	run := func() []float32 {
		p := &Pass{}
		defer p.Release()
		return slices.Clone(Matrix(Attention(p, identity(p, in), bounds, nil, s, nil)).Data)
	}
	before := run()
	for _, row := range []int{2, 3} {
		for j := range Data(in).Row(row) {
			Data(in).Row(row)[j]++
		}
	}
	after := run()
	for row := range 7 {
		same := slices.Equal(before[row*8:(row+1)*8], after[row*8:(row+1)*8])
		if hidden := row == 2 || row == 3; same == hidden {
			t.Errorf("row %d: same %v, hidden %v", row, same, hidden)
		}
	}
	checkGradients(t, []*nn.Param{in}, func(p *Pass, in []mat.Tensor) mat.Tensor {
		return Attention(p, in[0], bounds, nil, s, nil)
	})
}
