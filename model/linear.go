package model

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Param is a trained matrix with the name under which it is saved, such as "lora_A.weight".
type Param struct {
	Name string
	*nn.Param
	// LRScale multiplies the learning rate of this parameter; 0 counts as 1.
	LRScale float64
	// Idle says that its gradient may be zero in a step: that of rows which no token of a batch reads, or of the bias of keys,
	// which adds the same to all scores of a query.
	Idle bool
}

// Adapter changes a frozen linear layer from W to W' = W + ΔW.
type Adapter interface {
	nn.Model
	// Params are the matrices that training moves.
	Params() []Param
	// MergeInto turns w, the block of W from row i and column j on, into that block of W'. It is called from several
	// goroutines at once, while a kernel packs the weight.
	MergeInto(w tensor.Matrix, i, j int)
	// Grad adds to the gradients of Params, given the layer's input x [tokens, in] and the gradient gy [tokens, out]
	// of x·W'ᵀ. Those of other layers' adapters may run at the same time.
	Grad(x, gy tensor.Matrix)
}

// DeltaForwarder is implemented by an adapter that can be applied without W at less cost than a product of W's size. It serves
// passes with few rows, and dropout on the adapter's input.
type DeltaForwarder interface {
	// Forward adds x·ΔWᵀ to y [tokens, out].
	Forward(y, x tensor.Matrix)
	// Backward adds gy·ΔW to dx [tokens, in].
	Backward(dx, gy tensor.Matrix)
}

// OutputTransformer is implemented by an adapter that has no such form, but whose output comes cheaply from that of W. It serves
// forward passes with few rows.
type OutputTransformer interface {
	// TransformOutput makes x·W'ᵀ of y = x·Wᵀ [tokens, out].
	TransformOutput(y, x tensor.Matrix)
}

// OutputGradder is implemented by an adapter whose gradients need the layer's output; GradOutput replaces Grad.
type OutputGradder interface {
	// GradOutput has Grad's arguments and y = x·W'ᵀ. Where the adapter's input has dropout, x is that input and y is
	// x·W'ᵀ all the same.
	GradOutput(x, y, gy tensor.Matrix)
}

// BiasMerger is implemented by an adapter that scales the layer's outputs, and so its bias: y = x·W'ᵀ + b'.
type BiasMerger interface {
	// MergeBias turns b into b', or the gradient of b' into that of b.
	MergeBias(b []float32)
	// BiasGrad adds to the gradients of Params what comes through the bias b; gy is [tokens, out].
	BiasGrad(b []float32, gy tensor.Matrix)
}

// BiasAdder is implemented by an adapter that adds a vector to the layer's output, whether the layer has a bias or not:
// y = x·W'ᵀ + b + v. Adapter.Grad adds to the vector's gradient, too.
type BiasAdder interface {
	// AddBias adds the vector to b [out]; it returns false where there is none.
	AddBias(b []float32) bool
}

// ParamsObserver is implemented by an adapter that keeps values that follow from its parameters or from the layer's weight,
// such as DoRA's norms.
type ParamsObserver interface {
	// ParamsChanged is called after parameters or the weight have changed, before the next pass.
	ParamsChanged()
}

// Linear is a fully connected layer, y = x·Wᵀ + b, and the one place where an adapter can sit.
type Linear struct {
	nn.Module
	Weight *Weight `hf:"weight"` // [out, in]
	Bias   *Weight `hf:"bias"`   // [out], or nil

	path     string
	adapters map[string]attached
}

type attached struct {
	Adapter
	dropout float32
}

// NewLinear declares a layer.
func NewLinear(out, in int, bias bool) *Linear {
	l := &Linear{Weight: NewWeight(out, in)}
	if bias {
		l.Bias = NewWeight(out)
	}
	return l
}

var _ op.Projection = (*Linear)(nil)

// Path is the layer's Hugging Face path, such as model.layers.0.self_attn.q_proj.
func (l *Linear) Path() string { return l.path }

// Dims returns the number of outputs and of inputs.
func (l *Linear) Dims() (out, in int) { return l.Weight.rowsCols() }

// Attach puts a on the layer under a name; dropout is the probability with which values of the adapter's input are
// zeroed in training. nil takes the adapter of that name away.
func (l *Linear) Attach(name string, a Adapter, dropout float32) {
	if a == nil {
		delete(l.adapters, name)
		return
	}
	if l.adapters == nil {
		l.adapters = map[string]attached{}
	}
	l.adapters[name] = attached{a, dropout}
}

// Adapter returns the adapter of that name, or nil.
func (l *Linear) Adapter(name string) Adapter { return l.adapters[name].Adapter }

// ParamsChanged tells every adapter on the layer that the layer's weight has changed, those that have a Refresh method.
func (l *Linear) ParamsChanged() {
	for _, a := range l.adapters {
		if r, ok := a.Adapter.(ParamsObserver); ok {
			r.ParamsChanged()
		}
	}
}

// Source is the layer's matrix with the named adapter folded in.
func (l *Linear) Source(adapter string) tensor.Source {
	w := l.Weight.Source(adapter)
	if a, ok := l.adapters[adapter]; ok {
		return folded{w, a}
	}
	return w
}

// BiasOf is the layer's bias with the named adapter folded in, or nil where neither has one.
func (l *Linear) BiasOf(adapter string) []float32 {
	b, a := l.Bias.Vector(adapter), l.adapters[adapter].Adapter
	switch a := a.(type) {
	case BiasMerger:
		if b != nil {
			b = slices.Clone(b)
			a.MergeBias(b)
		}
	case BiasAdder:
		out, _ := l.Dims()
		sum := make([]float32, out)
		copy(sum, b)
		if a.AddBias(sum) {
			return sum
		}
	}
	return b
}

// AddsBias says whether the named adapter adds a bias to the layer's output.
func (l *Linear) AddsBias(adapter string) bool {
	a, ok := l.adapters[adapter].Adapter.(BiasAdder)
	out, _ := l.Dims()
	return ok && a.AddBias(make([]float32, out))
}

// folded is W' of an adapter: blocks of W with the update added.
type folded struct {
	tensor.Source
	a merger
}

// foldedBias is b' of an adapter.
type foldedBias struct{ tensor.Matrix }

func (f folded) Block(dst []float32, ld, i, j, m, n int) {
	f.Source.Block(dst, ld, i, j, m, n)
	f.a.MergeInto(tensor.Matrix{Data: dst, Rows: m, Cols: n, Stride: ld}, i, j)
}

// update is ΔW of an adapter that has no cheaper form: W' − W.
type update struct{ folded }

func (u update) Block(dst []float32, ld, i, j, m, n int) {
	u.folded.Block(dst, ld, i, j, m, n)
	base := make([]float32, m*n)
	u.Source.Block(base, n, i, j, m, n)
	for r := range m {
		d := dst[r*ld : r*ld+n]
		vec.Axpy(d, -1, base[r*n:(r+1)*n])
	}
}

// fewRows is up to how many tokens an adapter is applied on its own: folding it into the whole weight costs more there.
// By CPU time at r 8 the two are equal at 32 to 64 tokens for MoRA of type 6, at 128 to 256 for LoRA, DoRA and type 1;
// at 1 token folding costs 2.4 to 9 times as much.
const fewRows = 64

// apart says whether the adapter is applied on its own in a pass over rows tokens, and whether with dropout.
func (l *Linear) apart(t *op.Pass, a attached, rows int) (apart, dropout bool) {
	_, cheap := a.Adapter.(DeltaForwarder)
	dropout = t.Train && a.dropout > 0
	return dropout || cheap && rows <= fewRows, dropout
}

// Params are the layer's parameters that train in the pass.
func (l *Linear) Params(t *op.Pass) []*nn.Param {
	var ps []*nn.Param
	if p := l.Weight.Param(t.Adapter); op.RequiresGrad(p) {
		ps = append(ps, p)
	}
	if l.Bias != nil {
		if p := l.Bias.Param(t.Adapter); op.RequiresGrad(p) {
			ps = append(ps, p)
		}
	}
	if a, ok := l.adapters[t.Adapter]; ok {
		for _, p := range a.Params() {
			if p.RequiresGrad() {
				ps = append(ps, p.Param)
			}
		}
	}
	return ps
}

// ReadsOutput implements op.Projection: an OutputGradder that trains does.
func (l *Linear) ReadsOutput(p *op.Pass) bool {
	a, ok := l.adapters[p.Adapter]
	if !ok || !p.Grad {
		return false
	}
	_, reads := a.Adapter.(OutputGradder)
	return reads && slices.ContainsFunc(a.Params(), Param.RequiresGrad)
}

// RunLayer runs f, a part of a backbone such as a layer, on x, which nobody else reads; part holds its weights. See op.Checkpoint.
func RunLayer(p *op.Pass, part any, x mat.Tensor, f func(p *op.Pass, x mat.Tensor) mat.Tensor) mat.Tensor {
	return op.Checkpoint(p, x, trained(p, part), f)
}

// trained lists the parameters of a part of a host that train in the pass.
func trained(t *op.Pass, part any) []*nn.Param {
	if !t.Grad {
		return nil
	}
	var ps []*nn.Param
	walk(part, func(_ string, l *Linear) { ps = append(ps, l.Params(t)...) }, func(_ string, w *Weight) {
		if p := w.Param(t.Adapter); op.RequiresGrad(p) {
			ps = append(ps, p)
		}
	})
	return ps
}

// Forward computes y = x·W'ᵀ + b.
func (l *Linear) Forward(p *op.Pass, y, x tensor.Matrix) {
	w := l.Weight.Source(p.Adapter)
	if a, ok := l.adapters[p.Adapter]; !ok {
		tensor.NT(y, x, w, 0)
	} else if apart, dropout := l.apart(p, a, x.Rows); apart {
		tensor.NT(y, x, w, 0)
		l.addUpdate(p, a, w, y, x, dropout)
	} else if t, ok := a.Adapter.(OutputTransformer); ok && x.Rows <= fewRows {
		tensor.NT(y, x, w, 0)
		t.TransformOutput(y, x)
	} else {
		tensor.NT(y, x, folded{w, a}, 0)
	}
	if b := l.BiasOf(p.Adapter); b != nil {
		for i := range y.Rows {
			vec.Add(y.Row(i), y.Row(i), b)
		}
	}
}

// addUpdate adds x·ΔWᵀ to y, x through the mask where the adapter's input has dropout.
func (l *Linear) addUpdate(t *op.Pass, a attached, w tensor.Source, y, x tensor.Matrix, dropout bool) {
	if dropout {
		d := t.New(x.Rows, x.Cols)
		defer t.Free(d)
		t.Dropout(d.Matrix(), x, a.dropout, l.path)
		x = d.Matrix()
	}
	if s, ok := a.Adapter.(DeltaForwarder); ok {
		s.Forward(y, x)
	} else {
		tensor.NT(y, x, update{folded{w, a}}, 1)
	}
}

// ParamGrad adds to the gradients of the layer's parameters and of its adapter's.
func (l *Linear) ParamGrad(t *op.Pass, x, y, gy tensor.Matrix) {
	l.baseGrad(t, x, gy)
	if a, ok := l.adapters[t.Adapter]; ok {
		l.adapterGrad(t, a, x, y, gy)
	}
}

// InputGrad computes dx = gy·W' + beta·dx.
func (l *Linear) InputGrad(t *op.Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix) {
	w := l.Weight.Source(t.Adapter)
	if a, ok := l.adapters[t.Adapter]; !ok {
		tensor.NN(dx, gy, w, beta)
	} else if apart, dropout := l.apart(t, a, gy.Rows); !apart {
		tensor.NN(dx, gy, folded{w, a}, beta)
	} else {
		tensor.NN(dx, gy, w, beta)
		l.updateGrad(t, a, w, dx, gy, dropout)
	}
}

// baseGrad adds dW = gyᵀ·x and db = Σ gy where the layer itself trains.
func (l *Linear) baseGrad(t *op.Pass, x, gy tensor.Matrix) {
	if p := l.Weight.Param(t.Adapter); op.RequiresGrad(p) {
		tensor.TN(op.Grad(p), gy, x, 1)
	}
	if l.Bias == nil {
		return
	}
	if p := l.Bias.Param(t.Adapter); op.RequiresGrad(p) {
		sum := t.Zeros(1, gy.Cols)
		defer t.Free(sum)
		s, g := sum.Matrix().Data, op.Grad(p).Data
		for i := range gy.Rows {
			vec.Add(s, s, gy.Row(i))
		}
		if a, ok := l.adapters[t.Adapter].Adapter.(BiasMerger); ok {
			a.MergeBias(s)
		}
		vec.Add(g, g, s)
	}
}

// adapterGrad adds to the gradients of the adapter, if it trains.
func (l *Linear) adapterGrad(p *op.Pass, a attached, x, y, gy tensor.Matrix) {
	if !slices.ContainsFunc(a.Params(), Param.RequiresGrad) {
		return
	}
	if b, ok := a.Adapter.(BiasMerger); ok && l.Bias != nil {
		b.BiasGrad(l.Bias.Vector(p.Adapter), gy)
	}
	_, dropout := l.apart(p, a, x.Rows)
	if dropout {
		d := p.New(x.Rows, x.Cols)
		defer p.Free(d)
		p.Dropout(d.Matrix(), x, a.dropout, l.path)
		x = d.Matrix()
	}
	o, ok := a.Adapter.(OutputGradder)
	if !ok {
		a.Grad(x, gy)
		return
	}
	if dropout || l.Bias != nil {
		own := p.New(y.Rows, y.Cols)
		defer p.Free(own)
		l.ownOutput(p, a, own.Matrix(), x, y, dropout)
		y = own.Matrix()
	}
	o.GradOutput(x, y, gy)
}

// ownOutput is x·W'ᵀ: what the layer has put out without its bias, or made again where the adapter's input has dropout.
func (l *Linear) ownOutput(p *op.Pass, a attached, own, x, y tensor.Matrix, dropout bool) {
	if dropout {
		tensor.NT(own, x, folded{l.Weight.Source(p.Adapter), a}, 0)
		return
	}
	bias := l.BiasOf(p.Adapter)
	for i := range y.Rows {
		copy(own.Row(i), y.Row(i))
		vec.Axpy(own.Row(i), -1, bias)
	}
}

// updateGrad adds gy·ΔW to dx, through the mask where the adapter's input had dropout.
func (l *Linear) updateGrad(t *op.Pass, a attached, w tensor.Source, dx, gy tensor.Matrix, dropout bool) {
	d := t.Zeros(dx.Rows, dx.Cols)
	defer t.Free(d)
	if s, ok := a.Adapter.(DeltaForwarder); ok {
		s.Backward(d.Matrix(), gy)
	} else {
		tensor.NN(d.Matrix(), gy, update{folded{w, a}}, 0)
	}
	if dropout {
		t.Dropout(d.Matrix(), d.Matrix(), a.dropout, l.path)
	}
	for i := range dx.Rows {
		vec.Add(dx.Row(i), dx.Row(i), d.Matrix().Row(i))
	}
}
