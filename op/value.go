package op

import (
	"sync"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// Tensor is the value of an operator: a float32 matrix with a token in each row, in a buffer of the arena.
type Tensor struct {
	*mat.Dense[float32] // nil until the value has a buffer
	m                   tensor.Matrix
	rows, cols          int
	requiresGrad        bool
	pass                *Pass
	span                span
	ready               bool // it has content

	// What the pass knows of the value's use.
	scope   *scope                  // where it was declared, or nil
	reads   int                     // operators that read it and have not run yet
	readers int                     // operators that read it, in all
	fetched int                     // those that can fetch it in the backward pass
	remake  func(dst tensor.Matrix) // computes the content again, or nil
	rounded [precisions]int         // those that read it in a precision
	packed  *Tensor                 // the content in 16 bits, or nil
	source  *Tensor                 // the first operand of a Cheap operator, if it is a value
	saved   bool                    // the operator that computed it reads it in its backward pass
	dropped bool                    // the buffer is gone; remake computes the content again
	shared  int                     // further operands to which a gradient was handed

	mu   sync.Mutex
	grad *Tensor
}

// declare returns a tensor without a buffer.
func (p *Pass) declare(rows, cols int) *Tensor {
	return &Tensor{rows: rows, cols: cols, pass: p}
}

// allocate gives a declared tensor a buffer with undefined content.
func (x *Tensor) allocate() {
	s, data := memory.get(x.rows * x.cols)
	x.own(s, tensor.View(data, x.rows, x.cols))
	x.pass.hold(x)
}

// own gives the tensor a buffer.
func (x *Tensor) own(s span, m tensor.Matrix) {
	x.span, x.m, x.ready = s, m, true
	x.Dense = mat.NewDense[float32](mat.WithShape(m.Rows, m.Cols), mat.WithBacking(m.Data))
}

// take gives x the buffer of from, which does not need it any more.
func (x *Tensor) take(from *Tensor) {
	from.pass.mu.Lock()
	delete(from.pass.live, from)
	from.pass.mu.Unlock()
	x.own(from.span, from.m)
	x.pass.hold(x)
}

// droppable says whether the value is cheap to compute, to the same bits, and all its readers can fetch it.
func (x *Tensor) droppable() bool {
	if x.source != nil && x.source.packs() == backInF16 {
		return false
	}
	return x.remake != nil && x.readers > 0 && x.fetched == x.readers && !x.saved
}

// Matrix is the content of a value, without a copy.
func Matrix(x mat.Tensor) tensor.Matrix {
	if v, ok := x.Value().(*Tensor); ok {
		if !v.ready && v.scope != nil {
			v.scope.flush()
		}
		return v.m
	}
	rows, cols := dims(x)
	return tensor.View(mat.Data[float32](x.Value().(mat.Matrix)), rows, cols)
}

// dims are a value's rows and columns.
func dims(x mat.Tensor) (rows, cols int) {
	s := x.Value().Shape()
	return s[0], s[1]
}

// content returns the content of x, computed again if it was dropped, or unpacked. The caller frees made, which may be nil.
func (p *Pass) content(x mat.Tensor) (m tensor.Matrix, made *Tensor) {
	v, ok := x.Value().(*Tensor)
	if !ok || !v.dropped {
		return Matrix(x), nil
	}
	made = p.New(v.rows, v.cols)
	v.remake(made.m)
	return made.m, made
}

// freeMade frees what content has made.
func (p *Pass) freeMade(made *Tensor) {
	if made != nil {
		p.Free(made)
	}
}

// Value returns the tensor itself.
func (x *Tensor) Value() mat.Tensor { return x }

// Matrix is the content of the tensor.
func (x *Tensor) Matrix() tensor.Matrix { return Matrix(x) }

// Shape returns the number of rows and of columns.
func (x *Tensor) Shape() []int { return []int{x.rows, x.cols} }

// Size returns the number of values.
func (x *Tensor) Size() int { return x.rows * x.cols }

// Dims returns the number of dimensions, 2.
func (x *Tensor) Dims() int { return 2 }

// RequiresGrad says whether the value wants a gradient.
func (x *Tensor) RequiresGrad() bool { return x.requiresGrad }

// SetRequiresGrad says whether the value wants a gradient.
func (x *Tensor) SetRequiresGrad(grad bool) { x.requiresGrad = grad }

// Grad returns the gradient; HasGrad says whether there is one.
func (x *Tensor) Grad() mat.Tensor {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.grad == nil {
		return (*Tensor)(nil)
	}
	return x.grad
}

// HasGrad reports whether a gradient has been given.
func (x *Tensor) HasGrad() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.grad != nil
}

// ZeroGrad drops the gradient.
func (x *Tensor) ZeroGrad() {
	x.mu.Lock()
	g := x.grad
	x.grad = nil
	x.mu.Unlock()
	if g != nil {
		x.pass.Free(g)
	}
}

// AccGrad takes g over if it is a Tensor (the caller must not use it again), or adds it to the gradient that there is.
func (x *Tensor) AccGrad(g mat.Tensor) {
	gt, ok := g.(*Tensor)
	if !ok {
		gt = x.pass.New(x.rows, x.cols)
		copy(gt.m.Data, Matrix(g).Data)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.grad == nil {
		x.grad = gt
		return
	}
	x.grad = x.pass.sum(x.grad, gt)
}

// sum is a+b, in the buffer of one of them if nothing else holds it; both are given up.
func (p *Pass) sum(a, b *Tensor) *Tensor {
	dst := a
	switch {
	case a.shared == 0:
	case b.shared == 0:
		dst = b
	default:
		dst = p.New(a.rows, a.cols)
	}
	addInto(dst.m, a.m, b.m)
	for _, x := range []*Tensor{a, b} {
		if x != dst {
			p.Free(x)
		}
	}
	return dst
}

// Exclusive is the gradient g, in a buffer that nothing else reads: an operator's Backward may write to it.
func (p *Pass) Exclusive(g *Tensor) *Tensor {
	if g.shared == 0 {
		return g
	}
	own := p.New(g.rows, g.cols)
	copy(own.m.Data, g.m.Data)
	return own
}

// addInto computes dst = a+b; dst may be either.
func addInto(dst, a, b tensor.Matrix) {
	byRows(dst.Rows, func(from, to int) {
		from, to = from*dst.Cols, to*dst.Cols
		vec.Add(dst.Data[from:to], a.Data[from:to], b.Data[from:to])
	})
}
