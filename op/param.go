package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// leaf is a parameter's matrix, with a gradient buffer that it keeps from step to step. What the buffer holds says nothing unless
// has is set: it is cleared when the gradient begins, just before it is added to, while it comes to the cache anyway.
type leaf struct {
	*mat.Dense[float32]
	m    tensor.Matrix
	grad *mat.Dense[float32]
	g    tensor.Matrix
	has  bool
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

func (l *leaf) ZeroGrad() { l.has = false }

func (l *leaf) AccGrad(g mat.Tensor) {
	vec.Add(l.buffer().Data, l.g.Data, Matrix(g).Data)
}

func (l *leaf) buffer() tensor.Matrix {
	if l.grad == nil {
		data := make([]float32, len(l.m.Data))
		l.grad = mat.NewDense[float32](mat.WithShape(l.m.Rows, l.m.Cols), mat.WithBacking(data))
		l.g = tensor.View(data, l.m.Rows, l.m.Cols)
	}
	if !l.has { // workers that share a gradient, which exists by then, only read
		tensor.ParallelRanges(len(l.g.Data), clearChunk, func(a, b int) { clear(l.g.Data[a:b]) })
		l.has = true
	}
	return l.g
}

// clearChunk is the number of values that one parallel job clears.
const clearChunk = 1 << 18

// Data is the matrix of a parameter made by NewParam, for reading and writing.
func Data(p *nn.Param) tensor.Matrix { return p.Matrix.(*leaf).m }

// Grad is the gradient of a parameter made by NewParam: zero at first, and summed over passes until ZeroGrad.
func Grad(p *nn.Param) tensor.Matrix { return p.Matrix.(*leaf).buffer() }

// SwapGrad gives a parameter made by NewParam another gradient, which it does not copy, and returns the one that it had. A
// gradient without values is none; one with has false is a buffer, whose values say nothing.
func SwapGrad(p *nn.Param, g []float32, has bool) (old []float32, had bool) {
	l := p.Matrix.(*leaf)
	old, had = l.g.Data, l.has
	l.grad, l.g, l.has = nil, tensor.Matrix{}, has && g != nil
	if g != nil {
		l.grad = mat.NewDense[float32](mat.WithShape(l.m.Rows, l.m.Cols), mat.WithBacking(g))
		l.g = tensor.View(g, l.m.Rows, l.m.Cols)
	}
	return old, had
}

// RequiresGrad says whether p is not nil and wants a gradient.
func RequiresGrad(p *nn.Param) bool { return p != nil && p.RequiresGrad() }
