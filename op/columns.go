package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// Columns rearranges runs of n columns of x, [tokens, cols]: run i of the result is that from column at[i] on, and each column
// is taken once.
func Columns(p *Pass, x mat.Tensor, at []int, n int) mat.Tensor {
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols,
		Forward: func(y tensor.Matrix) {
			m := Matrix(x)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					src, dst := m.Row(i), y.Row(i)
					for j, c := range at {
						copy(dst[j*n:(j+1)*n], src[c:c+n])
					}
				}
			})
		},
		Backward: func(gy *Tensor) []*Tensor {
			dx := p.New(rows, cols)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					src, dst := gy.m.Row(i), dx.m.Row(i)
					for j, c := range at {
						copy(dst[c:c+n], src[j*n:(j+1)*n])
					}
				}
			})
			return []*Tensor{dx}
		},
	})
}
