package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// MeanPool is the mean of each document's rows: x is [tokens, n], document d is rows bounds[d] to bounds[d+1], and the result
// is [documents, n].
func MeanPool(p *Pass, x mat.Tensor, bounds []int) mat.Tensor {
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: len(bounds) - 1, Cols: cols,
		Forward: func(y tensor.Matrix) {
			m := Matrix(x)
			clear(y.Data)
			for d := range y.Rows {
				row := y.Row(d)
				for i := bounds[d]; i < bounds[d+1]; i++ {
					vec.Add(row, row, m.Row(i))
				}
				vec.Scale(row, 1/float32(max(1, bounds[d+1]-bounds[d])), row)
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			dx := p.Zeros(rows, cols)
			for d := range gy.rows {
				for i := bounds[d]; i < bounds[d+1]; i++ {
					vec.Scale(dx.m.Row(i), 1/float32(bounds[d+1]-bounds[d]), gy.m.Row(d))
				}
			}
			return []*Tensor{dx}
		},
	})
}

// Normalize scales each row of x to length 1: y = x/max(‖x‖, 1e-12).
func Normalize(p *Pass, x mat.Tensor) mat.Tensor {
	rows, cols := dims(x)
	inv := make([]float32, rows)
	var unit tensor.Matrix
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, Saves: true,
		Forward: func(y tensor.Matrix) {
			m := Matrix(x)
			unit = y
			for i := range inv {
				inv[i] = float32(1 / max(math.Sqrt(vec.SumSquares(m.Row(i))), 1e-12))
				vec.Scale(y.Row(i), inv[i], m.Row(i))
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			gx := p.Exclusive(gy)
			for i := range inv { // dx = (gy − y·(gy·y))/‖x‖
				g, u := gx.m.Row(i), unit.Row(i)
				vec.Axpy(g, -vec.Dot(g, u), u)
				vec.Scale(g, inv[i], g)
			}
			return []*Tensor{gx}
		},
	})
}
