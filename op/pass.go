package op

import (
	"fmt"
	"sync"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// Pass is a forward pass and the backward pass that may follow. It owns the buffers of both. The zero value is a pass of the
// base model without gradients.
type Pass struct {
	// Grad says that a backward pass follows, for which values are kept.
	Grad bool
	// Adapter names the adapter that the layers apply; "" is the base alone. Passes with different adapters may run at the
	// same time.
	Adapter string
	// Train turns the adapter's dropout on; Seed decides all masks and noise.
	Train bool
	Seed  uint64
	// Regularization is applied in training besides.
	Regularization
	// Checkpointing lets every Checkpoint drop its values and compute them again in the backward pass.
	Checkpointing bool
	// BF16 rounds the factors of matrix products to bfloat16: those of linear layers, of attention, of the head and of weights'
	// gradients. Sums, and all that is not a product, stay float32, and so do an adapter's own products; gates round their inputs to half
	// precision, and the backward pass of the norms of queries and keys theirs. It is PyTorch's autocast, without its rounding of results.
	BF16 bool
	// Profile, where not nil, collects the operators' times.
	Profile *Profile

	mu    sync.Mutex
	live  map[*Tensor]struct{}
	nodes map[mat.Tensor]*node
	err   error

	scope   *scope   // operators that were declared and have not run yet; nil outside of a Checkpoint
	balance *balance // what routers chose, where the auxiliary loss wants it; shared with passes within this one
	again   bool     // a Checkpoint is run again: its time counts as recomputation
	meter   *meter   // where not nil, nothing is computed; what it would hold is counted
}

// Regularization is what a training pass does against overfitting, beside the adapter's dropout. The zero value is nothing.
type Regularization struct {
	// ModelDropout applies the dropout that the model's config names.
	ModelDropout bool
	// LabelSmoothing is the part of each label that is spread evenly over all classes, 0 to 1 (Szegedy et al. 2016, section 7).
	LabelSmoothing float32
	// EmbeddingNoise is α of NEFTune (Jain et al. 2023): EmbeddingNoise adds noise of that size.
	EmbeddingNoise float32
}

// Inference runs f with a pass without gradients that applies the named adapter ("" is the base alone). Values of the pass
// must not be used after f has returned.
func Inference(adapter string, f func(p *Pass) error) error {
	p := &Pass{Adapter: adapter}
	defer p.Release()
	return f(p)
}

// New returns a rows×cols tensor with undefined content.
func (p *Pass) New(rows, cols int) *Tensor {
	x := p.declare(rows, cols)
	x.allocate()
	return x
}

// Zeros returns a rows×cols tensor of zeros.
func (p *Pass) Zeros(rows, cols int) *Tensor {
	x := p.New(rows, cols)
	clear(x.m.Data)
	return x
}

// Free gives a tensor's buffer back, if nothing else holds it. A second call does nothing.
func (p *Pass) Free(x *Tensor) {
	p.mu.Lock()
	if x.shared > 0 {
		x.shared--
		p.mu.Unlock()
		return
	}
	_, ok := p.live[x]
	delete(p.live, x)
	packed := x.packed
	x.packed = nil
	p.mu.Unlock()
	if ok {
		memory.put(x.span)
	}
	if packed != nil {
		p.Free(packed)
	}
}

// Release gives back every buffer of the pass. Values of the pass must not be used afterwards.
func (p *Pass) Release() {
	p.mu.Lock()
	live := p.live
	p.live, p.nodes = nil, nil
	p.mu.Unlock()
	for x := range live {
		memory.put(x.span)
	}
}

// Backward gives every value of y the gradient seed and propagates it. It adds to the gradients of the parameters. Afterwards
// the values of the pass are gone.
func (p *Pass) Backward(y mat.Tensor, seed float32) error {
	if !y.RequiresGrad() {
		return fmt.Errorf("op: backward: the loss depends on nothing that trains")
	}
	v := Matrix(y)
	g := p.New(v.Rows, v.Cols)
	for i := range g.m.Data {
		g.m.Data[i] = seed
	}
	return p.propagate(y, g)
}

// propagate gives y a gradient and runs the backward pass, one operator after the other, the last one first. So sums have a
// fixed order, and a value's gradient is complete before it is read.
func (p *Pass) propagate(y mat.Tensor, g *Tensor) error {
	p.order(y)
	y.AccGrad(g)
	if err := ag.Backward(y); err != nil {
		return err
	}
	return p.err
}

// fail keeps the first error of a backward pass.
func (p *Pass) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// nested starts a pass within this one.
func (p *Pass) nested(grad bool) *Pass {
	if p.balance == nil {
		p.balance = &balance{}
	}
	return &Pass{balance: p.balance, Grad: grad, Adapter: p.Adapter, Seed: p.Seed, Train: p.Train, Regularization: p.Regularization, BF16: p.BF16, Profile: p.Profile}
}

// adopt moves a tensor from its pass to this one.
func (p *Pass) adopt(x *Tensor) *Tensor {
	x.pass.mu.Lock()
	delete(x.pass.live, x)
	x.pass.mu.Unlock()
	p.hold(x)
	return x
}

// hold makes a tensor's buffer one of the pass's.
func (p *Pass) hold(x *Tensor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		p.live = map[*Tensor]struct{}{}
	}
	x.pass = p
	p.live[x] = struct{}{}
}

// view is a tensor over memory that does not belong to the pass.
func (p *Pass) view(m tensor.Matrix, grad bool) *Tensor {
	return &Tensor{
		Dense: mat.NewDense[float32](mat.WithShape(m.Rows, m.Cols), mat.WithBacking(m.Data)),
		m:     m, rows: m.Rows, cols: m.Cols, requiresGrad: grad, pass: p, ready: true,
	}
}
