package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// leaf is a parameter's matrix, with a gradient buffer that it keeps from step to step.
type leaf struct {
	*mat.Dense[float32]
	m    tensor.Matrix
	grad *mat.Dense[float32]
	g    tensor.Matrix
	has  bool
	lent bool // the next buffer, or that which there is, lies in the memory of passes, at span
	span span
}

// NewParam makes a trainable rows×cols parameter over data, which it does not copy.
func NewParam(data []float32, rows, cols int) *nn.Param {
	l := &leaf{
		Dense: mat.NewDense[float32](mat.WithShape(rows, cols), mat.WithBacking(data), mat.WithGrad(true)),
		m:     tensor.View(data, rows, cols),
	}
	return &nn.Param{Matrix: l}
}

func (l *leaf) Value() mat.Tensor { return l }

func (l *leaf) Grad() mat.Tensor {
	if !l.has {
		return (*mat.Dense[float32])(nil)
	}
	return l.grad
}

func (l *leaf) HasGrad() bool { return l.has }

func (l *leaf) ZeroGrad() {
	if l.has {
		clear(l.g.Data)
		l.has = false
	}
}

func (l *leaf) AccGrad(g mat.Tensor) {
	vec.Add(l.buffer().Data, l.g.Data, Matrix(g).Data)
}

func (l *leaf) buffer() tensor.Matrix {
	if l.grad == nil {
		data := l.values()
		l.grad = mat.NewDense[float32](mat.WithShape(l.m.Rows, l.m.Cols), mat.WithBacking(data))
		l.g = tensor.View(data, l.m.Rows, l.m.Cols)
	}
	if !l.has { // workers that share a gradient, which exists by then, only read
		l.has = true
	}
	return l.g
}

// values is memory for a gradient, with zeros.
func (l *leaf) values() []float32 {
	n := len(l.m.Data)
	if !l.lent {
		return make([]float32, n)
	}
	var data []float32
	l.span, data = memory.get(n)
	clear(data)
	return data
}

// Data is the matrix of a parameter made by NewParam, for reading and writing.
func Data(p *nn.Param) tensor.Matrix { return p.Matrix.(*leaf).m }

// Grad is the gradient of a parameter made by NewParam: zero at first, and summed over passes until ZeroGrad.
func Grad(p *nn.Param) tensor.Matrix { return p.Matrix.(*leaf).buffer() }

// LendGrad lets the gradient of a parameter made by NewParam, which must have no buffer, lie in the memory of passes, where a backward
// pass frees values while it makes gradients. SwapGrad ends that.
func LendGrad(p *nn.Param) { p.Matrix.(*leaf).lent = true }

// SwapGrad gives a parameter made by NewParam another gradient, which it does not copy, and returns the one that it had, unless that was
// lent. A gradient without values is none; one with has false is a buffer of zeros.
func SwapGrad(p *nn.Param, g []float32, has bool) (old []float32, had bool) {
	l := p.Matrix.(*leaf)
	old, had = l.g.Data, l.has
	if l.lent {
		if l.grad != nil {
			memory.put(l.span)
		}
		l.lent, old = false, nil
	}
	l.grad, l.g, l.has = nil, tensor.Matrix{}, has && g != nil
	if g != nil {
		l.grad = mat.NewDense[float32](mat.WithShape(l.m.Rows, l.m.Cols), mat.WithBacking(g))
		l.g = tensor.View(g, l.m.Rows, l.m.Cols)
	}
	return old, had
}

// RequiresGrad says whether p is not nil and wants a gradient.
func RequiresGrad(p *nn.Param) bool { return p != nil && p.RequiresGrad() }
