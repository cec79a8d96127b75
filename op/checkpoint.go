package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// Checkpoint is f(x), where f is a part of a model such as a layer, params are its parameters that may train, and x is f's
// alone. On a tape with Checkpoint what f keeps for its backward pass is gone at once, and the backward pass runs f again
// (Chen et al. 2016, arXiv 1604.06174), to the same bits: f must depend on nothing but x, the parameters and the tape.
// Where neither x nor a parameter wants a gradient, f keeps nothing on any tape.
func Checkpoint(t *Pass, x mat.Tensor, params []*nn.Param, f func(t *Pass, x mat.Tensor) mat.Tensor) mat.Tensor {
	return CheckpointWith(t, x, nil, params, func(t *Pass, x, _ mat.Tensor) mat.Tensor { return f(t, x) })
}

// CheckpointWith is Block for a part that reads a second value, which others read too: f leaves its buffer alone. shared may
// be nil.
func CheckpointWith(t *Pass, x, shared mat.Tensor, params []*nn.Param, f func(t *Pass, x, shared mat.Tensor) mat.Tensor) mat.Tensor {
	trains := wants(x) || wants(shared) || slices.ContainsFunc(params, RequiresGrad)
	if !t.Grad || trains && !t.Checkpointing {
		return f(t, x, shared)
	}
	in := t.nested(false)
	defer in.Release()
	v := x.Value().(*Tensor)
	b := &block{t: t, x: v.m, wantsX: wants(x), f: f}
	operands := []mat.Tensor{x}
	var s mat.Tensor
	if shared != nil {
		b.shared, b.wantsShared = Matrix(shared), wants(shared)
		operands = append(operands, shared)
		s = in.view(b.shared, false)
	}
	if !trains {
		in.adopt(v)
		return t.adopt(f(in, v, s).(*Tensor))
	}
	b.y = t.adopt(f(in, v, s).(*Tensor))
	return t.run(b.y, operands, params, b.backward)
}

type block struct {
	t                   *Pass
	x, shared           tensor.Matrix
	y                   *Tensor
	wantsX, wantsShared bool
	f                   func(t *Pass, x, shared mat.Tensor) mat.Tensor
}

// backward builds f's graph from leaves with its operands' content, and runs its backward pass within this one.
func (b *block) backward(gy *Tensor) []*Tensor {
	in := b.t.nested(true)
	defer in.Release()
	leaves := []*Tensor{in.view(b.x, b.wantsX)}
	var shared mat.Tensor
	if b.shared.Data != nil {
		leaves = append(leaves, in.view(b.shared, b.wantsShared))
		shared = leaves[1]
	}
	in.known, in.again = b.y, true
	y := b.f(in, leaves[0], shared)
	in.known, in.again = nil, false
	y.AccGrad(in.adopt(gy))
	if err := backwardSeeded(in, y); err != nil {
		b.t.fail(err)
	}
	grads := make([]*Tensor, len(leaves))
	for i, l := range leaves {
		if l.HasGrad() {
			grads[i] = b.t.adopt(l.grad)
		}
	}
	return grads
}

// nested starts a pass within this one.
func (t *Pass) nested(grad bool) *Pass {
	in := NewPass(grad)
	in.Adapter, in.Seed, in.Train, in.Profile = t.Adapter, t.Seed, t.Train, t.Profile
	return in
}

// adopt moves a tensor from its tape to this one.
func (t *Pass) adopt(x *Tensor) *Tensor {
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
func (t *Pass) view(m tensor.Matrix, grad bool) *Tensor {
	return &Tensor{
		Dense: mat.NewDense[float32](mat.WithShape(m.Rows, m.Cols), mat.WithBacking(m.Data), mat.WithGrad(grad)),
		m:     m, tape: t,
	}
}

// Last says that the next operator makes the value of the Block that it is in. When the block is run again that value is
// known, and Linear does not compute it.
func (t *Pass) Last() { t.last = t.known != nil }

// value is a new rows×cols tensor, or the known one.
func (t *Pass) value(rows, cols int) (y *Tensor, known bool) {
	if !t.last {
		return t.New(rows, cols), false
	}
	t.last = false
	return t.view(t.known.m, false), true
}
