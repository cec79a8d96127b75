package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// Projection is a linear layer that Linear runs: y = x·Wᵀ + b, with whatever adapter the pass names.
type Projection interface {
	// Dims returns the number of outputs and of inputs.
	Dims() (out, in int)
	// Params are the parameters that train in the pass.
	Params(p *Pass) []*nn.Param
	// ReadsOutput says whether ParamGrad reads y in the pass.
	ReadsOutput(p *Pass) bool
	// Forward writes the layer's output for x, one token a row, to y.
	Forward(p *Pass, y, x tensor.Matrix)
	// ParamGrad adds to the gradients of the parameters that train, given the gradient gy of the output; y is the output of
	// Forward if ReadsOutput asks for it. It must not keep its arguments. Other projections' may run at the same time.
	ParamGrad(p *Pass, x, y, gy tensor.Matrix)
	// InputGrad writes the gradient of the input plus beta·dx to dx.
	InputGrad(p *Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix)
}

// Linear runs projections of one input side by side: [tokens, in] → [tokens, Σ out].
func Linear(p *Pass, x mat.Tensor, projections ...Projection) mat.Tensor {
	l := &linear{pass: p, projections: projections, x: x}
	rows, _ := dims(x)
	o := Operator{Operands: []mat.Tensor{x}, Rows: rows, Forward: l.forward, Backward: l.backward, fetches: true, pure: true}
	for _, proj := range projections {
		out, _ := proj.Dims()
		o.Cols += out
		o.Params = append(o.Params, proj.Params(p)...)
		o.Saves = o.Saves || proj.ReadsOutput(p)
	}
	return p.Apply(o)
}

type linear struct {
	pass        *Pass
	projections []Projection
	x           mat.Tensor
	y           tensor.Matrix
}

func (l *linear) forward(y tensor.Matrix) {
	defer l.pass.Time("linear forward")()
	l.y = y
	x := Matrix(l.x)
	l.each(func(p Projection, c, n int) { p.Forward(l.pass, y.Slice(0, c, x.Rows, n), x) })
}

// each calls f for every projection, with the columns of its output.
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
	if !wants(l.x) {
		return []*Tensor{nil}
	}
	defer l.pass.Time("linear dX")()
	_, cols := dims(l.x)
	dx := l.pass.New(gy.rows, cols)
	beta := float32(0)
	l.each(func(p Projection, c, n int) {
		p.InputGrad(l.pass, dx.m, beta, gy.m.Slice(0, c, gy.rows, n))
		beta = 1
	})
	return []*Tensor{dx}
}

// paramGrads adds to the gradients of the projections that train, several at a time, since an adapter's products are small.
func (l *linear) paramGrads(gy tensor.Matrix) {
	var jobs []func(x tensor.Matrix)
	l.each(func(p Projection, c, n int) {
		if len(p.Params(l.pass)) == 0 {
			return
		}
		var y tensor.Matrix
		if p.ReadsOutput(l.pass) {
			y = l.y.Slice(0, c, gy.Rows, n)
		}
		jobs = append(jobs, func(x tensor.Matrix) { p.ParamGrad(l.pass, x, y, gy.Slice(0, c, gy.Rows, n)) })
	})
	if jobs == nil {
		return
	}
	x, made := l.pass.content(l.x)
	stop := l.pass.Time("parameter gradient")
	tensor.Parallel(len(jobs), func(i int) { jobs[i](x) })
	stop()
	l.pass.freeMade(made)
}
