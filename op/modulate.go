package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// Modulate is x∘sigmoid(g), or with swish x∘g∘sigmoid(g); x and g are [tokens, n].
func Modulate(p *Pass, x, g mat.Tensor, swish bool) mat.Tensor {
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x, g}, Rows: rows, Cols: cols,
		Forward: func(y tensor.Matrix) {
			a, b := Matrix(x), Matrix(g)
			for i := range rows {
				u, v, out := a.Row(i), b.Row(i), y.Row(i)
				for j, z := range v {
					if out[j] = u[j] * logistic(z); swish {
						out[j] *= z
					}
				}
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			a, b, dx, dg := Matrix(x), Matrix(g), p.New(rows, cols), p.New(rows, cols)
			for i := range rows {
				u, v, d := a.Row(i), b.Row(i), gy.m.Row(i)
				for j, z := range v {
					l := logistic(z)
					value, slope := l, l*(1-l)
					if swish {
						value, slope = z*l, l*(1+z*(1-l))
					}
					dx.m.Row(i)[j], dg.m.Row(i)[j] = d[j]*value, d[j]*u[j]*slope
				}
			}
			return []*Tensor{dx, dg}
		},
	})
}

// Slice is n columns of x, [tokens, cols], from column c on.
func Slice(p *Pass, x mat.Tensor, c, n int) mat.Tensor {
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: n,
		Forward: func(y tensor.Matrix) {
			m := Matrix(x)
			for i := range rows {
				copy(y.Row(i), m.Row(i)[c:c+n])
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			dx := p.Zeros(rows, cols)
			for i := range rows {
				copy(dx.m.Row(i)[c:c+n], gy.m.Row(i))
			}
			return []*Tensor{dx}
		},
	})
}
