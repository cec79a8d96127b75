package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// Scale is s·x, x being [tokens, n].
func Scale(p *Pass, x mat.Tensor, s float32) mat.Tensor {
	if s == 1 {
		return x
	}
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, Cheap: true, pure: true, inPlace: true,
		Forward: func(y tensor.Matrix) {
			defer p.Time("scale")()
			m := Matrix(x)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					vec.Scale(y.Row(i), s, m.Row(i))
				}
			})
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("scale")()
			g := p.Exclusive(gy)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					vec.Scale(g.m.Row(i), s, g.m.Row(i))
				}
			})
			return []*Tensor{g}
		},
	})
}

// SoftCap keeps the values of x, [tokens, n], between -c and c: c·tanh(x/c) (Gemma Team 2024, arXiv 2408.00118, section 2).
// With c 0 it is x.
func SoftCap(p *Pass, x mat.Tensor, c float32) mat.Tensor {
	if c == 0 {
		return x
	}
	rows, cols := dims(x)
	var out tensor.Matrix
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, Saves: true, inPlace: true,
		Forward: func(y tensor.Matrix) {
			defer p.Time("soft cap")()
			out = y
			m := Matrix(x)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					vec.Scale(y.Row(i), 1/c, m.Row(i))
					vec.Tanh(y.Row(i), y.Row(i))
					vec.Scale(y.Row(i), c, y.Row(i))
				}
			})
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("soft cap")()
			g := p.Exclusive(gy)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					d := g.m.Row(i)
					for j, v := range out.Row(i) {
						d[j] *= 1 - v/c*(v/c)
					}
				}
			})
			return []*Tensor{g}
		},
	})
}
