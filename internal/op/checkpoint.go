package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/gemm"
)

// Block is f(x), where f is a part of a model such as a layer, params are its parameters that may train, and x is f's
// alone. On a tape with Checkpoint what f keeps for its backward pass is gone at once, and the backward pass runs f again
// (Chen et al. 2016, arXiv 1604.06174), to the same bits: f must depend on nothing but x, the parameters and the tape.
// Where neither x nor a parameter wants a gradient, f keeps nothing on any tape.
func Block(t *Tape, x mat.Tensor, params []*nn.Param, f func(t *Tape, x mat.Tensor) mat.Tensor) mat.Tensor {
	trains := wants(x) || slices.ContainsFunc(params, Trains)
	if !t.Grad || trains && !t.Checkpoint {
		return f(t, x)
	}
	in := t.nested(false)
	defer in.Release()
	v := x.Value().(*Tensor)
	if !trains {
		in.adopt(v)
		return t.adopt(f(in, v).(*Tensor))
	}
	b := &block{t: t, x: v.m, y: t.adopt(f(in, v).(*Tensor)), wantsX: wants(x), f: f}
	return t.run(b.y, []mat.Tensor{x}, params, b.backward)
}

type block struct {
	t      *Tape
	x      gemm.Mat
	y      *Tensor
	wantsX bool
	f      func(t *Tape, x mat.Tensor) mat.Tensor
}

// backward builds f's graph from a leaf with x's content, and runs its backward pass within this one.
func (b *block) backward(gy *Tensor) []*Tensor {
	in := b.t.nested(true)
	defer in.Release()
	leaf := in.view(b.x, b.wantsX)
	in.known, in.again = b.y, true
	y := b.f(in, leaf)
	in.known, in.again = nil, false
	y.AccGrad(in.adopt(gy))
	if err := backwardSeeded(in, y); err != nil {
		b.t.fail(err)
	}
	if !leaf.HasGrad() {
		return []*Tensor{nil}
	}
	return []*Tensor{b.t.adopt(leaf.grad)}
}

// nested starts a pass within this one.
func (t *Tape) nested(grad bool) *Tape {
	in := NewTape(grad)
	in.Adapter, in.Seed, in.Train, in.Profile = t.Adapter, t.Seed, t.Train, t.Profile
	return in
}

// adopt moves a tensor from its tape to this one.
func (t *Tape) adopt(x *Tensor) *Tensor {
	x.tape.mu.Lock()
	delete(x.tape.live, x)
	x.tape.mu.Unlock()
	t.mu.Lock()
	x.tape = t
	t.live[x] = struct{}{}
	t.mu.Unlock()
	return x
}

// view is a tensor over memory that is not the tape's.
func (t *Tape) view(m gemm.Mat, grad bool) *Tensor {
	return &Tensor{
		Dense: mat.NewDense[float32](mat.WithShape(m.Rows, m.Cols), mat.WithBacking(m.Data), mat.WithGrad(grad)),
		m:     m, tape: t,
	}
}

// Last says that the next operator makes the value of the Block that it is in. When the block is run again that value is
// known, and Linear does not compute it.
func (t *Tape) Last() { t.last = t.known != nil }

// value is a new rows×cols tensor, or the known one.
func (t *Tape) value(rows, cols int) (y *Tensor, known bool) {
	if !t.last {
		return t.New(rows, cols), false
	}
	t.last = false
	return t.view(t.known.m, false), true
}
