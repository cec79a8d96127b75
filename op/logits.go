package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// Gather gathers rows of x: [tokens, n] → [len(rows), n]. Each row may occur once.
func Gather(p *Pass, x mat.Tensor, rows []int) mat.Tensor {
	tokens, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: len(rows), Cols: cols,
		Forward: func(y tensor.Matrix) {
			m := Matrix(x)
			for i, r := range rows {
				copy(y.Row(i), m.Row(r))
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			dx := p.Zeros(tokens, cols)
			for i, r := range rows {
				copy(dx.m.Row(r), gy.m.Row(i))
			}
			return []*Tensor{dx}
		},
	})
}

var _ tensor.Source = rowsOf{}
