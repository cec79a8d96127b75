package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// Checkpoint is f(x), where f is a part of a model such as a layer. params are its parameters that may train; nothing else
// reads x. The pass sees f as a whole: it gives each buffer back after its last reader, and computes cheap values again in
// the backward pass instead of keeping them.
//
// In a pass with Checkpointing f's values are not kept at all: the backward pass runs f again (Chen et al. 2016, arXiv
// 1604.06174), to the same bits. So f must depend on nothing but x, the parameters and the pass. If neither x nor a parameter
// wants a gradient, f keeps nothing in any pass.
func Checkpoint(p *Pass, x mat.Tensor, params []*nn.Param, f func(p *Pass, x mat.Tensor) mat.Tensor) mat.Tensor {
	return CheckpointWith(p, x, nil, params, func(p *Pass, x, _ mat.Tensor) mat.Tensor { return f(p, x) })
}

// CheckpointWith is Checkpoint for a part that reads a second value, shared, which others may read too. It may be nil.
func CheckpointWith(p *Pass, x, shared mat.Tensor, params []*nn.Param, f func(p *Pass, x, shared mat.Tensor) mat.Tensor) mat.Tensor {
	if p.scope != nil { // a part of a part
		return f(p, x, shared)
	}
	trains := wants(x) || wants(shared) || slices.ContainsFunc(params, RequiresGrad)
	own, _ := x.Value().(*Tensor)
	if !p.Grad || trains && !p.Checkpointing || p.meter != nil {
		return p.whole(own, nil, func() mat.Tensor { return f(p, x, shared) })
	}
	in := p.nested(false)
	defer in.Release()
	c := &checkpoint{pass: p, x: Matrix(x), wantsX: wants(x), f: f}
	operands := []mat.Tensor{x}
	var s mat.Tensor
	if shared != nil {
		c.shared, c.wantsShared = Matrix(shared), wants(shared)
		operands = append(operands, shared)
		s = in.view(c.shared, false)
	}
	var v *Tensor // x, in the pass within this one
	if trains {
		v = in.view(c.x, false)
	} else {
		v = in.adopt(own)
	}
	c.y = p.adopt(in.whole(v, nil, func() mat.Tensor { return f(in, v, s) }).Value().(*Tensor))
	if !trains {
		return c.y
	}
	return p.record(&operation{Operator: Operator{Operands: operands, Params: params, Backward: c.backward}, pass: p, out: c.y})
}

// whole runs the operators of f together (see scope).
func (p *Pass) whole(own, known *Tensor, f func() mat.Tensor) mat.Tensor {
	s := &scope{pass: p}
	p.scope = s
	defer func() { p.scope = nil }()
	y := f()
	if result := y.Value().(*Tensor); p.meter != nil {
		s.measure(result, own)
	} else {
		s.run(result, own, known)
	}
	return y
}

// checkpoint is a part of a model that is run again in the backward pass.
type checkpoint struct {
	pass                *Pass
	x, shared           tensor.Matrix
	y                   *Tensor
	wantsX, wantsShared bool
	f                   func(p *Pass, x, shared mat.Tensor) mat.Tensor
}

// backward builds f's graph from leaves with its operands' content, and runs its backward pass within this one.
func (c *checkpoint) backward(gy *Tensor) []*Tensor {
	in := c.pass.nested(true)
	defer in.Release()
	leaves := []*Tensor{in.view(c.x, c.wantsX)}
	var shared mat.Tensor
	if c.shared.Data != nil {
		leaves = append(leaves, in.view(c.shared, c.wantsShared))
		shared = leaves[1]
	}
	in.again = true
	y := in.whole(nil, c.y, func() mat.Tensor { return c.f(in, leaves[0], shared) })
	in.again = false
	if err := in.propagate(y, in.adopt(c.pass.Exclusive(gy))); err != nil {
		c.pass.fail(err)
	}
	grads := make([]*Tensor, len(leaves))
	for i, l := range leaves {
		if l.HasGrad() {
			grads[i] = c.pass.adopt(in.Exclusive(l.grad))
		}
	}
	return grads
}
