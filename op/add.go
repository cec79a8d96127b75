package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// Add is x + y, both [tokens, n]: the residual connection. It needs no new buffer if nothing else reads x or y.
func Add(p *Pass, x, y mat.Tensor) mat.Tensor {
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x, y}, Rows: rows, Cols: cols, sums: true, pure: true,
		Forward: func(z tensor.Matrix) {
			defer p.Time("add")()
			addInto(z, Matrix(x), Matrix(y))
		},
		Backward: func(gz *Tensor) []*Tensor { return []*Tensor{gz, gz} },
	})
}
