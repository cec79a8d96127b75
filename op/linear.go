package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// Projection is a linear layer as Linear runs it: y = x·Wᵀ + b, with whatever adapter sits on it.
type Projection interface {
	// Dims returns the number of outputs and of inputs.
	Dims() (out, in int)
	// Params are the parameters that may train.
	Params(t *Pass) []*nn.Param
	// Forward adds the layer's output to beta·y, one token a row.
	Forward(t *Pass, y, x tensor.Matrix, beta float32)
	// ParamGrad adds to the gradients of the trainable parameters, given the gradient gy of the output. y is what Apply
	// made, plus base (where base has data). It must not keep its arguments; that of another projection may run at the
	// same time.
	ParamGrad(t *Pass, x, y, base, gy tensor.Matrix)
	// InputGrad writes the gradient of the input plus beta·dx to dx.
	InputGrad(t *Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix)
}

// Linear runs projections of one input side by side: [tokens, in] → [tokens, Σ out]. Where residual is not nil, which
// takes a single projection, the output is added to it.
func Linear(t *Pass, x, residual mat.Tensor, projections ...Projection) mat.Tensor {
	width := 0
	var params []*nn.Param
	for _, p := range projections {
		out, _ := p.Dims()
		width += out
		params = append(params, p.Params(t)...)
	}
	l := &linear{t: t, projections: projections, x: x, wantsX: wants(x)}
	in := []mat.Tensor{x}
	if residual != nil {
		l.base = Matrix(residual)
		in = append(in, residual)
	}
	y, known := t.value(Matrix(x).Rows, width)
	l.y = y.m
	if !known {
		l.forward()
	}
	return t.run(y, in, params, l.backward)
}

type linear struct {
	t           *Pass
	projections []Projection
	x           mat.Tensor
	y, base     tensor.Matrix
	wantsX      bool
}

func (l *linear) forward() {
	defer l.t.Time("linear forward")()
	x, beta := Matrix(l.x), float32(0)
	if l.base.Data != nil {
		byRows(x.Rows, func(from, to int) {
			at, end := from*l.y.Cols, to*l.y.Cols
			copy(l.y.Data[at:end], l.base.Data[at:end])
		})
		beta = 1
	}
	l.each(func(p Projection, c, n int) { p.Forward(l.t, l.y.Slice(0, c, x.Rows, n), x, beta) })
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
	l.paramGrads(gy.m)
	var dx *Tensor
	if l.wantsX {
		defer l.t.Time("linear dX")()
		rows, cols := gy.m.Rows, Matrix(l.x).Cols
		dx = l.t.New(rows, cols)
		beta := float32(0)
		l.each(func(p Projection, c, n int) {
			p.InputGrad(l.t, dx.m, beta, gy.m.Slice(0, c, rows, n))
			beta = 1
		})
	}
	if l.base.Data == nil {
		return []*Tensor{dx}
	}
	return []*Tensor{dx, gy}
}

// paramGrads adds to the gradients of the projections that train, several at a time: an adapter's products are small.
func (l *linear) paramGrads(gy tensor.Matrix) {
	var jobs []func(x tensor.Matrix)
	l.each(func(p Projection, c, n int) {
		if len(p.Params(l.t)) > 0 {
			jobs = append(jobs, func(x tensor.Matrix) {
				p.ParamGrad(l.t, x, l.y.Slice(0, c, x.Rows, n), l.base, gy.Slice(0, c, x.Rows, n))
			})
		}
	})
	if jobs == nil {
		return
	}
	x, made := l.t.content(l.x)
	stop := l.t.Time("parameter gradient")
	tensor.Parallel(len(jobs), func(i int) { jobs[i](x) })
	stop()
	if made != nil {
		l.t.Free(made)
	}
}
