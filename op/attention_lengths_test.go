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

// TestSharedKeys: heads that share keys and values give these the sum of the gradients that they give keys and values of their own, and so
// does a query that sees no key.
func TestSharedKeys(t *testing.T) {
	const heads, dim, rows = 4, 4, 7
	r := rand.New(rand.NewPCG(5, 7))
	shared, own := param(r, rows, (heads+2)*dim), NewParam(make([]float32, rows*3*heads*dim), rows, 3*heads*dim)
	for i := range rows {
		x, y := Data(shared).Row(i), Data(own).Row(i)
		copy(y, x[:heads*dim])
		for h := range heads {
			copy(y[(heads+h)*dim:], x[heads*dim:][:dim])
			copy(y[(2*heads+h)*dim:], x[(heads+1)*dim:])
		}
	}
	c := uniform(r, rows*heads*dim)
	for _, lengths := range [][]int{nil, {2, 3}} {
		s := AttentionShape{Heads: heads, HeadDim: dim, Bidirectional: true, AttentionLengths: lengths, Window: 1, Scale: 0.5}
		for kv, x := range map[int]*nn.Param{1: shared, heads: own} {
			s.KVHeads = kv
			x.ZeroGrad()
			p := &Pass{Grad: true, Train: true}
			y := Attention(p, identity(p, x), []int{0, 4, 7}, nil, s, nil)
			g := p.New(rows, heads*dim)
			copy(g.m.Data, c)
			if err := p.propagate(y, g); err != nil {
				t.Fatal(err)
			}
			p.Release()
		}
		for i := range rows {
			got, all := Grad(shared).Row(i), Grad(own).Row(i)
			want := slices.Clone(all[:(heads+2)*dim])
			clear(want[heads*dim:])
			for h := range heads {
				for j := range dim {
					want[heads*dim+j] += all[(heads+h)*dim+j]
					want[(heads+1)*dim+j] += all[(2*heads+h)*dim+j]
				}
			}
			for j := range want {
				if diff := got[j] - want[j]; diff > 1e-6 || diff < -1e-6 {
					t.Errorf("lengths %v, row %d, column %d: %g, want %g", lengths, i, j, got[j], want[j])
				}
			}
		}
	}
}
