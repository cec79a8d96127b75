package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
)

// MeanPool is the mean of each document's rows: x is [tokens, n], document d rows bounds[d] to bounds[d+1], the result
// [documents, n].
func MeanPool(t *Pass, x mat.Tensor, bounds []int) mat.Tensor {
	m := Matrix(x)
	y := t.Zeros(len(bounds)-1, m.Cols)
	for d := range y.m.Rows {
		row := y.m.Row(d)
		for i := bounds[d]; i < bounds[d+1]; i++ {
			vec.Add(row, row, m.Row(i))
		}
		vec.Scale(row, 1/float32(max(1, bounds[d+1]-bounds[d])), row)
	}
	return t.run(y, []mat.Tensor{x}, nil, func(gy *Tensor) []*Tensor {
		dx := t.Zeros(m.Rows, m.Cols)
		for d := range gy.m.Rows {
			for i := bounds[d]; i < bounds[d+1]; i++ {
				vec.Scale(dx.m.Row(i), 1/float32(bounds[d+1]-bounds[d]), gy.m.Row(d))
			}
		}
		return []*Tensor{dx}
	})
}

// Normalize scales each row of x to length 1: y = x/max(‖x‖, 1e-12).
func Normalize(t *Pass, x mat.Tensor) mat.Tensor {
	m := Matrix(x)
	y := t.New(m.Rows, m.Cols)
	inv := make([]float32, m.Rows)
	for i := range inv {
		inv[i] = float32(1 / max(math.Sqrt(vec.SumSquares(m.Row(i))), 1e-12))
		vec.Scale(y.m.Row(i), inv[i], m.Row(i))
	}
	return t.run(y, []mat.Tensor{x}, nil, func(gy *Tensor) []*Tensor {
		for i := range inv { // dx = (gy − y·(gy·y))/‖x‖
			g, u := gy.m.Row(i), y.m.Row(i)
			vec.Axpy(g, -vec.Dot(g, u), u)
			vec.Scale(g, inv[i], g)
		}
		return []*Tensor{gy}
	})
}
