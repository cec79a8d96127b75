package op

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// Pass is one forward pass and the backward pass that may follow. It owns the buffers of both.
type Pass struct {
	// Grad says that a backward pass follows: graphs are built and values kept for it.
	Grad bool
	// Adapter names the adapter that the layers apply; "" is the base alone. Passes with different adapters may run at
	// the same time.
	Adapter string
	// Seed makes the dropout masks of this pass; no dropout where Train is false.
	Seed  uint64
	Train bool
	// Checkpointing lets every Block forget its inside and compute it again in the backward pass.
	Checkpointing bool
	// Profile, where not nil, gathers the operators' times.
	Profile *Profile

	mu    sync.Mutex
	live  map[*Tensor]struct{}
	err   error
	again bool    // a Block is run again: its time is recomputation
	known *Tensor // the value of that Block
	last  bool    // the next operator makes it
}

// NewPass starts a pass; grad says whether a backward pass follows.
func NewPass(grad bool) *Pass {
	return &Pass{Grad: grad, live: map[*Tensor]struct{}{}}
}

// Tensor is the value of an operator: a float32 matrix with one token a row, in a buffer of the arena.
type Tensor struct {
	*mat.Dense[float32]
	m    tensor.Matrix
	tape *Pass
	span span

	again   func(dst tensor.Matrix) // makes the content again, or nil
	dropped bool                    // the buffer is gone

	mu   sync.Mutex
	grad *Tensor
}

// New returns a rows×cols tensor with undefined content.
func (t *Pass) New(rows, cols int) *Tensor {
	s, data := memory.get(rows * cols)
	x := &Tensor{
		Dense: mat.NewDense[float32](mat.WithShape(rows, cols), mat.WithBacking(data)),
		m:     tensor.View(data, rows, cols), tape: t, span: s,
	}
	t.mu.Lock()
	t.live[x] = struct{}{}
	t.mu.Unlock()
	return x
}

// Zeros returns a rows×cols tensor of zeros.
func (t *Pass) Zeros(rows, cols int) *Tensor {
	x := t.New(rows, cols)
	clear(x.m.Data)
	return x
}

// Free gives a tensor's buffer back; a second call does nothing.
func (t *Pass) Free(x *Tensor) {
	t.mu.Lock()
	_, ok := t.live[x]
	delete(t.live, x)
	t.mu.Unlock()
	if ok {
		memory.put(x.span)
	}
}

// Done says that the forward pass no longer needs x. Without a backward pass its buffer is free at once.
func (t *Pass) Done(x mat.Tensor) {
	if v, ok := x.(*Tensor); ok && !t.Grad {
		t.Free(v)
	}
}

// Drop is Done for a value that only Linears read: where a backward pass follows and the value is cheap to make, its
// buffer is free at once too, and they make it again. In a Block that is run again the backward pass is next: it stays.
func (t *Pass) Drop(x mat.Tensor) {
	t.Done(x)
	if v, ok := x.Value().(*Tensor); ok && t.Grad && !t.again && v.again != nil {
		v.dropped = true
		t.Free(v)
	}
}

// content returns what is in x, made again where it was dropped; the caller frees made, which may be nil.
func (t *Pass) content(x mat.Tensor) (m tensor.Matrix, made *Tensor) {
	v, ok := x.Value().(*Tensor)
	if !ok || !v.dropped {
		return Matrix(x), nil
	}
	made = t.New(v.m.Rows, v.m.Cols)
	v.again(made.m)
	return made.m, made
}

// Release gives back every buffer of the pass. Nothing of it may be used after.
func (t *Pass) Release() {
	t.mu.Lock()
	live := t.live
	t.live = map[*Tensor]struct{}{}
	t.mu.Unlock()
	for x := range live {
		memory.put(x.span)
	}
}

// Backward seeds every value of y with the gradient seed and propagates it. The gradients of parameters are added to;
// the values of the pass are gone after.
func (t *Pass) Backward(y mat.Tensor, seed float32) error {
	if !y.RequiresGrad() {
		return fmt.Errorf("op: backward: nothing that made the loss is trainable")
	}
	v := Matrix(y)
	g := t.New(v.Rows, v.Cols)
	for i := range g.m.Data {
		g.m.Data[i] = seed
	}
	y.AccGrad(g)
	return backwardSeeded(t, y)
}

// backwardSeeded propagates the gradient that y already has.
func backwardSeeded(t *Pass, y mat.Tensor) error {
	if err := ag.Backward(y); err != nil {
		return err
	}
	return t.err
}

// fail keeps the first error of a backward pass.
func (t *Pass) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// Matrix is the content of a value, without a copy.
func Matrix(x mat.Tensor) tensor.Matrix {
	if v, ok := x.Value().(*Tensor); ok {
		return v.m
	}
	s := x.Shape()
	return tensor.View(mat.Data[float32](x.Value().(mat.Matrix)), s[0], s[1])
}

// Value returns the tensor itself.
func (x *Tensor) Value() mat.Tensor { return x }

// Mat is the content of the tensor.
func (x *Tensor) Mat() tensor.Matrix { return x.m }

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
		x.tape.Free(g)
	}
}

// AccGrad adopts g if it is a Tensor (the caller must not use it again), and adds it where there is one already.
func (x *Tensor) AccGrad(g mat.Tensor) {
	gt, ok := g.(*Tensor)
	if !ok {
		gt = x.tape.New(x.m.Rows, x.m.Cols)
		copy(gt.m.Data, Matrix(g).Data)
	}
	x.mu.Lock()
	if x.grad == nil {
		x.grad = gt
		x.mu.Unlock()
		return
	}
	sum := x.grad.m
	byRows(sum.Rows, func(from, to int) {
		d := sum.Data[from*sum.Cols : to*sum.Cols]
		vec.Add(d, d, gt.m.Data[from*sum.Cols:to*sum.Cols])
	})
	x.mu.Unlock()
	x.tape.Free(gt)
}

// backward computes the gradients of a node's operands, in their order, from that of its value; nil for one that wants
// none. It may return gy itself as one of them. Gradients of parameters it adds itself.
type backward func(gy *Tensor) []*Tensor

// node is an operator as Spago runs it.
type node struct {
	tape   *Pass
	in     []mat.Tensor
	params []*nn.Param
	out    *Tensor
	back   backward
}

// run makes out the value of an operator over in and the trainable params. Where nothing wants a gradient it is the bare
// value.
func (t *Pass) run(out *Tensor, in []mat.Tensor, params []*nn.Param, back backward) mat.Tensor {
	if !t.Grad {
		return out
	}
	n := &node{tape: t, in: in, params: params, out: out, back: back}
	for _, x := range n.Operands() {
		if x.RequiresGrad() {
			return ag.NewOperator(n).Run()
		}
	}
	return out
}

func (n *node) Forward() (mat.Tensor, error) { return n.out, nil }

func (n *node) Operands() []mat.Tensor {
	all := append([]mat.Tensor(nil), n.in...)
	for _, p := range n.params {
		all = append(all, p)
	}
	return all
}

// Backward hands out the operands' gradients. After an operand has its gradient its producer may run and free what this
// node read, so that comes last.
func (n *node) Backward(gy mat.Tensor) error {
	g := gy.(*Tensor)
	grads := n.gradients(g)
	kept := false
	n.out.mu.Lock()
	n.out.grad = nil
	n.out.mu.Unlock()
	n.tape.Free(n.out)
	for i := range n.in {
		kept = kept || grads[i] == g
	}
	if !kept {
		n.tape.Free(g)
	}
	for i, x := range n.in {
		if !x.RequiresGrad() {
			continue
		}
		if grads[i] == nil {
			s := x.Shape()
			grads[i] = n.tape.Zeros(s[0], s[1])
		}
		x.AccGrad(grads[i])
	}
	n.back = nil
	return nil
}

func (n *node) gradients(g *Tensor) (grads []*Tensor) {
	defer func() {
		if e := recover(); e != nil {
			n.tape.fail(fmt.Errorf("op: backward: %v\n%s", e, debug.Stack()))
			grads = make([]*Tensor, len(n.in))
		}
	}()
	return n.back(g)
}

// wants says whether x is to be given a gradient.
func wants(x mat.Tensor) bool { return x != nil && x.RequiresGrad() }
