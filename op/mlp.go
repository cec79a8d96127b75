package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// MLP is the feed-forward part of a transformer's layer (Vaswani et al. 2017, Eq. 2, with any activation):
// down(a(up(x))), [tokens, in] → [tokens, out].
func MLP(p *Pass, x mat.Tensor, a Activation, up, down Projection) mat.Tensor {
	return Linear(p, Activate(p, Linear(p, x, up), a), down)
}

// GatedMLP is the feed-forward part with a gate (Shazeer 2020, Eq. 6, with any activation): down(a(gate(x))∘up(x)),
// [tokens, in] → [tokens, out].
func GatedMLP(p *Pass, x mat.Tensor, a Activation, gate, up, down Projection) mat.Tensor {
	return Linear(p, Gate(p, Linear(p, x, gate, up), a), down)
}

// Gate is a(g)∘u: x is [tokens, 2n], with the gate's outputs g before the up projection's u; the result is [tokens, n]. With
// SiLU it is SwiGLU, with GELU GeGLU (Shazeer 2020, Eq. 6).
func Gate(p *Pass, x mat.Tensor, a Activation) mat.Tensor {
	rows, cols := dims(x)
	n, kind := cols/2, "gate"
	if a == SiLU {
		kind = "swiglu"
	}
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: n, Cheap: true, rounds: inF16,
		Forward: func(y tensor.Matrix) {
			defer p.Time(kind)()
			m, made := p.content(x)
			p.eachRow(inF16, m, func(i int, r []float32) { a.gate(y.Row(i), r[:n], r[n:]) })
			p.freeMade(made)
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time(kind)()
			m, made := p.content(x)
			dx := p.New(rows, cols)
			p.eachRow(inF16, m, func(i int, r []float32) {
				buf, scratch := memory.get(n)
				defer memory.put(buf)
				d := dx.m.Row(i)
				a.gateGrad(d[:n], d[n:], gy.m.Row(i), r[:n], r[n:], scratch)
			})
			p.freeMade(made)
			return []*Tensor{dx}
		},
	})
}

// gate computes y = a(g)∘u.
func (a Activation) gate(y, g, u []float32) {
	if a == SiLU {
		vec.SwiGLU(y, g, u)
		return
	}
	a.apply(y, g)
	vec.Mul(y, y, u)
}

// gateGrad computes dg = dy∘u∘a'(g) and du = dy∘a(g).
func (a Activation) gateGrad(dg, du, dy, g, u, scratch []float32) {
	if a == SiLU {
		vec.SwiGLUGrad(dg, du, dy, g, u)
		return
	}
	a.apply(du, g)
	vec.Mul(du, du, dy)
	vec.Mul(scratch, dy, u)
	a.gradient(dg, scratch, g)
}
