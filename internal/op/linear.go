package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/gemm"
)

// Projection is a linear layer as Linear runs it: y = x·Wᵀ + b, with whatever adapter sits on it.
type Projection interface {
	// Dims returns the number of outputs and of inputs.
	Dims() (out, in int)
	// Params are the parameters that may train.
	Params(t *Tape) []*nn.Param
	// Apply adds the layer's output to beta·y, one token a row.
	Apply(t *Tape, y, x gemm.Mat, beta float32)
	// Grad adds to the gradients of the trainable parameters, given the gradient gy of the output, and writes the
	// gradient of the input, plus beta·dx, to dx where dx has data. y is what Apply made, plus base (where base has
	// data). It must not keep its arguments.
	Grad(t *Tape, dx gemm.Mat, beta float32, x, y, base, gy gemm.Mat)
}

// Linear runs projections of one input side by side: [tokens, in] → [tokens, Σ out]. Where residual is not nil, which
// takes a single projection, the output is added to it.
func Linear(t *Tape, x, residual mat.Tensor, projections ...Projection) mat.Tensor {
	width := 0
	var params []*nn.Param
	for _, p := range projections {
		out, _ := p.Dims()
		width += out
		params = append(params, p.Params(t)...)
	}
	l := &linear{t: t, projections: projections, x: Mat(x)}
	y := t.New(l.x.Rows, width)
	l.y = y.m
	beta := float32(0)
	in := []mat.Tensor{x}
	if residual != nil {
		l.base = Mat(residual)
		copy(y.m.Data, l.base.Data)
		beta = 1
		in = append(in, residual)
	}
	l.each(func(p Projection, c, n int) { p.Apply(t, y.m.Slice(0, c, l.x.Rows, n), l.x, beta) })
	l.wantsX = wants(x)
	return t.run(y, in, params, l.backward)
}

type linear struct {
	t           *Tape
	projections []Projection
	x, y, base  gemm.Mat
	wantsX      bool
}

// each calls f with the columns of every projection's output.
func (l *linear) each(f func(p Projection, col, n int)) {
	c := 0
	for _, p := range l.projections {
		n, _ := p.Dims()
		f(p, c, n)
		c += n
	}
}

func (l *linear) backward(gy *Tensor) []*Tensor {
	var dx *Tensor
	var d gemm.Mat
	if l.wantsX {
		dx = l.t.New(l.x.Rows, l.x.Cols)
		d = dx.m
	}
	beta := float32(0)
	l.each(func(p Projection, c, n int) {
		p.Grad(l.t, d, beta, l.x, l.y.Slice(0, c, l.x.Rows, n), l.base, gy.m.Slice(0, c, l.x.Rows, n))
		beta = 1
	})
	if l.base.Data == nil {
		return []*Tensor{dx}
	}
	return []*Tensor{dx, gy}
}
