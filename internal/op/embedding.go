package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/internal/vec"
)

// Embedding looks up rows of w [vocabulary, hidden]: ids → [tokens, hidden]. p is w's parameter, or nil where w is
// frozen.
func Embedding(t *Tape, ids []int32, w gemm.Source, p *nn.Param) mat.Tensor {
	defer t.Time("embedding")()
	_, hidden := w.Dims()
	y := t.New(len(ids), hidden)
	for i, id := range ids {
		w.Block(y.m.Row(i), hidden, int(id), 0, 1, hidden)
	}
	var params []*nn.Param
	if Trains(p) {
		params = append(params, p)
	}
	return t.run(y, nil, params, func(gy *Tensor) []*Tensor {
		defer t.Time("embedding")()
		dw := Grad(p)
		for i, id := range ids {
			r := dw.Row(int(id))
			vec.Add(r, r, gy.m.Row(i))
		}
		return nil
	})
}
