package op

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// Operator is a function of values: how its result is computed, and how a gradient goes back through it. Pass.Apply runs it.
type Operator struct {
	// Operands are what it reads; Params are the trainable parameters whose gradients Backward adds to.
	Operands []mat.Tensor
	Params   []*nn.Param
	// Rows and Cols are the shape of its value.
	Rows, Cols int
	// Forward writes the value to y. It may read the operands (Matrix), which have their content by then.
	Forward func(y tensor.Matrix)
	// Backward computes the gradients of the operands, in their order, from the gradient gy of the value; nil for an operand
	// that wants none. It may return gy itself, even for several operands. It may write to Pass.Exclusive(gy).
	Backward func(gy *Tensor) []*Tensor

	// Cheap says that Forward may be called again, if the value was dropped and is needed after all.
	Cheap bool
	// Saves says that Backward reads the value, so its buffer must not be reused.
	Saves bool
	// fetches says that Backward reads its first operand by Pass.content, so that a cheap one may be dropped.
	fetches bool
	// rounds says that Backward reads its first operand by Pass.content and, in a pass with BF16, in that precision; so does
	// Forward, but for backInF16.
	rounds precision
	// sums says that the value is the sum of the operands, which may be computed in the buffer of one of them.
	sums bool
	// pure says that Forward computes only the value, and that Backward does not need it.
	pure bool
	// keeps is the number of values that Forward keeps for Backward beside its own; inPlace says that Backward returns gy.
	keeps   int
	inPlace bool
}

// operation is an operator in a pass.
type operation struct {
	Operator
	pass   *Pass
	out    *Tensor
	values []*Tensor // the operands that are values of operators
	done   bool      // it has run, or need not run
}

// Apply runs an operator: at once, or within a Checkpoint after the Checkpoint's function has returned. By then the pass
// knows which operators read which values, and gives each buffer back after its last reader.
func (p *Pass) Apply(o Operator) mat.Tensor {
	run := &operation{Operator: o, pass: p, out: p.declare(o.Rows, o.Cols)}
	run.out.saved = o.Saves
	if o.Cheap {
		run.out.remake = o.Forward
	}
	for i, x := range o.Operands {
		v, ok := x.Value().(*Tensor)
		if !ok {
			continue
		}
		run.values = append(run.values, v)
		v.reads++
		v.readers++
		if o.fetches && i == 0 {
			v.fetched++
		}
		if i == 0 {
			v.rounded[o.rounds]++
			if o.Cheap {
				run.out.source = v
			}
		}
	}
	switch {
	case p.scope != nil:
		p.scope.add(run)
	case p.meter != nil:
	default:
		run.execute()
		run.read(func(*Tensor) {})
	}
	if !p.Grad || p.meter != nil {
		return run.out
	}
	return p.record(run)
}

// execute computes the value.
func (o *operation) execute() {
	o.done = true
	if from := o.reusable(); from != nil {
		o.out.take(from)
	} else {
		o.out.allocate()
	}
	o.Forward(o.out.m)
}

// reusable is an operand in whose buffer a sum can be computed: nothing else reads it, now or in the backward pass.
func (o *operation) reusable() *Tensor {
	if !o.sums || o.out.scope == nil {
		return nil
	}
	for _, v := range slices.Backward(o.values) {
		alone := v.reads == 1 && (!o.pass.Grad || v.readers == 1 && !v.saved)
		if alone && v.scope == o.out.scope && v.ready && !v.dropped {
			return v
		}
	}
	return nil
}

// read counts the operands as read, and calls last for those that have no further reader.
func (o *operation) read(last func(v *Tensor)) {
	for _, v := range o.values {
		if v.reads--; v.reads == 0 {
			last(v)
		}
	}
}

// node is an operation as Spago runs it.
type node struct {
	*operation
	number      int // in the order of declaration
	after, turn chan struct{}
}

// record makes an operation part of the graph. If no operand wants a gradient it returns the bare value.
func (p *Pass) record(o *operation) mat.Tensor {
	n := &node{operation: o}
	if !slices.ContainsFunc(n.Operands(), wants) {
		return o.out
	}
	y := ag.NewOperator(n).Run()
	if p.nodes == nil {
		p.nodes = map[mat.Tensor]*node{}
	}
	n.number = len(p.nodes)
	p.nodes[y] = n
	return y
}

// Forward implements Spago's AutoGradFunction.
func (n *node) Forward() (mat.Tensor, error) { return n.out, nil }

// Operands implements Spago's AutoGradFunction.
func (n *node) Operands() []mat.Tensor {
	all := slices.Clone(n.operation.Operands)
	for _, p := range n.Params {
		all = append(all, p)
	}
	return all
}

// order lets the nodes that y depends on take turns in the backward pass, the last one first.
func (p *Pass) order(y mat.Tensor) {
	var found []*node
	seen := map[*node]bool{}
	var visit func(x mat.Tensor)
	visit = func(x mat.Tensor) {
		n := p.nodes[x]
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		found = append(found, n)
		for _, in := range n.operation.Operands {
			visit(in)
		}
	}
	visit(y)
	slices.SortFunc(found, func(a, b *node) int { return cmp.Compare(b.number, a.number) })
	var before chan struct{}
	for _, n := range found {
		n.after, n.turn = before, make(chan struct{})
		before = n.turn
	}
}

// Backward hands out the operands' gradients. As soon as an operand has its gradient its producer may run, and free what this
// node read; so that comes last.
func (n *node) Backward(gy mat.Tensor) error {
	if n.after != nil {
		<-n.after
	}
	if n.turn != nil {
		defer close(n.turn)
	}
	g := gy.(*Tensor)
	n.out.mu.Lock()
	n.out.grad = nil
	n.out.mu.Unlock()
	grads := n.gradients(g)
	n.pass.Free(n.out)
	n.Operator.Forward, n.Operator.Backward = nil, nil
	hands := -1 // the holders of g, without this node
	for i, x := range n.operation.Operands {
		if grads[i] == g && x.RequiresGrad() {
			hands++
		}
	}
	if hands < 0 {
		n.pass.Free(g)
	} else {
		g.shared += hands
	}
	for i, x := range n.operation.Operands {
		if !x.RequiresGrad() {
			continue
		}
		if grads[i] == nil {
			rows, cols := dims(x)
			grads[i] = n.pass.Zeros(rows, cols)
		}
		x.AccGrad(grads[i])
	}
	return nil
}

func (n *node) gradients(g *Tensor) (grads []*Tensor) {
	defer func() {
		if e := recover(); e != nil {
			n.pass.fail(fmt.Errorf("op: backward: %v\n%s", e, debug.Stack()))
			grads = make([]*Tensor, len(n.operation.Operands))
		}
	}()
	return n.Operator.Backward(g)
}

// wants says whether x wants a gradient.
func wants(x mat.Tensor) bool { return x != nil && x.RequiresGrad() }
