package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// SwiGLU is the gated activation of Shazeer 2020 (Eq. 6): x is [tokens, 2n], the gate's outputs before the up
// projection's; y = silu(gate)·up is [tokens, n].
func SwiGLU(t *Pass, x mat.Tensor) mat.Tensor {
	m := Matrix(x)
	n := m.Cols / 2
	y := t.New(m.Rows, n)
	y.again = func(dst tensor.Matrix) {
		defer t.Time("swiglu")()
		byRows(m.Rows, func(from, to int) {
			for i := from; i < to; i++ {
				r := m.Row(i)
				vec.SwiGLU(dst.Row(i), r[:n], r[n:])
			}
		})
	}
	y.again(y.m)
	return t.run(y, []mat.Tensor{x}, nil, func(gy *Tensor) []*Tensor {
		defer t.Time("swiglu")()
		dx := t.New(m.Rows, m.Cols)
		byRows(m.Rows, func(from, to int) {
			for i := from; i < to; i++ {
				r, d := m.Row(i), dx.m.Row(i)
				vec.SwiGLUGrad(d[:n], d[n:], gy.m.Row(i), r[:n], r[n:])
			}
		})
		return []*Tensor{dx}
	})
}
