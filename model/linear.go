package model

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Linear is a fully connected layer, y = x·Wᵀ + b, on which an adapter can sit. Tables of embeddings take a TableAdapter.
type Linear struct {
	nn.Module
	Weight *Weight `hf:"weight"` // [out, in]
	Bias   *Weight `hf:"bias"`   // [out], or nil

	path string
	// parameter says that in transformers the layer is no module but a parameter: all-linear and target_modules pass over it.
	parameter bool
	adapters  map[string]attached
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

// newConv1D declares a layer whose matrix a checkpoint holds as [in, out], as transformers' Conv1D does.
func newConv1D(out, in int) *Linear {
	l := NewLinear(out, in, true)
	l.Weight.transposed = true
	return l
}

var _ op.Projection = (*Linear)(nil)

// Path is the layer's Hugging Face path, such as model.layers.0.self_attn.q_proj.
func (l *Linear) Path() string { return l.path }

// Dims returns the number of outputs and of inputs.
func (l *Linear) Dims() (out, in int) { return l.Weight.rowsCols() }

// Attach puts an adapter on the layer under a name; dropout is the probability with which values of the adapter's input are
// zeroed in training. A nil adapter removes the one of that name.
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

// ParamsChanged tells the layer's adapters that are ParamsObservers that the layer's weight has changed.
func (l *Linear) ParamsChanged() {
	for _, a := range l.adapters {
		if r, ok := a.Adapter.(ParamsObserver); ok {
			r.ParamsChanged()
		}
	}
}

// dropOutput is the dropout of a model's config on the output y of layer l.
func dropOutput(p *op.Pass, y mat.Tensor, rate float32, l *Linear) mat.Tensor {
	return op.Dropout(p, y, rate, l.path+" output")
}

// Source is the layer's matrix with the named adapter merged in.
func (l *Linear) Source(adapter string) tensor.Source {
	w := l.Weight.Source(adapter)
	if a, ok := l.adapters[adapter]; ok {
		return folded{w, a}
	}
	return w
}

// BiasOf is the layer's bias with the named adapter merged in, or nil where neither has one.
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

// folded is W' of an adapter: it adds ΔW to each block of W.
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

// update is ΔW of an adapter without a cheaper form: W' − W.
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

// fewRows is the most tokens for which an adapter is applied beside the weight, unless it is an ApartLimiter; merging into the
// whole weight costs more there. In CPU time the two are equal at 45 to 140 tokens for MoRA of type 6, and at 90 to 250 for
// DoRA and type 1. For 1 token merging costs 2.4 to 9 times as much.
const fewRows = 64

// apart says whether the adapter is applied beside the weight in a pass over that many tokens, and whether with dropout. With
// BF16 it always is: entries of ΔW are mostly smaller than half the distance between neighbouring bfloat16 numbers, so W + ΔW
// would be rounded to W.
func (l *Linear) apart(p *op.Pass, a attached, rows int) (apart, dropout bool) {
	_, cheap := a.Adapter.(DeltaForwarder)
	most := fewRows
	if limit, ok := a.Adapter.(ApartLimiter); ok {
		out, in := l.Dims()
		most = limit.ApartRows(out, in)
	}
	dropout = p.Train && a.dropout > 0
	return dropout || p.BF16 || cheap && rows <= most, dropout
}

// Params implements op.Projection.
func (l *Linear) Params(p *op.Pass) []*nn.Param {
	var ps []*nn.Param
	if p := l.Weight.Param(p.Adapter); op.RequiresGrad(p) {
		ps = append(ps, p)
	}
	if l.Bias != nil {
		if p := l.Bias.Param(p.Adapter); op.RequiresGrad(p) {
			ps = append(ps, p)
		}
	}
	if a, ok := l.adapters[p.Adapter]; ok {
		for _, p := range a.Params() {
			if p.RequiresGrad() {
				ps = append(ps, p.Param)
			}
		}
	}
	return ps
}

// ReadsOutput implements op.Projection: an OutputGradder that trains reads it.
func (l *Linear) ReadsOutput(p *op.Pass) bool {
	a, ok := l.adapters[p.Adapter]
	if !ok || !p.Grad {
		return false
	}
	_, reads := a.Adapter.(OutputGradder)
	return reads && slices.ContainsFunc(a.Params(), Param.RequiresGrad)
}

// Forward computes y = x·W'ᵀ + b.
func (l *Linear) Forward(p *op.Pass, y, x tensor.Matrix) {
	w := l.Weight.factor(p.Adapter)
	a, ok := l.adapters[p.Adapter]
	apart, dropout := l.apart(p, a, x.Rows)
	t, transforms := a.Adapter.(OutputTransformer)
	switch {
	case !ok:
		op.NT(p, y, x, w, 0)
	case transforms && !dropout && (p.BF16 || x.Rows <= fewRows):
		op.NT(p, y, x, w, 0)
		t.TransformOutput(y, x)
	case apart:
		op.NT(p, y, x, w, 0)
		l.addUpdate(p, a, w, y, x, dropout)
	default:
		op.NT(p, y, x, folded{w, a}, 0)
	}
	if b := l.BiasOf(p.Adapter); b != nil {
		for i := range y.Rows {
			vec.Add(y.Row(i), y.Row(i), b)
		}
	}
}

// addUpdate adds x·ΔWᵀ to y, with dropout on x where the adapter's input has it.
func (l *Linear) addUpdate(p *op.Pass, a attached, w tensor.Source, y, x tensor.Matrix, dropout bool) {
	if dropout {
		d := p.New(x.Rows, x.Cols)
		defer p.Free(d)
		p.Dropout(d.Matrix(), x, a.dropout, l.path)
		x = d.Matrix()
	}
	if s, ok := a.Adapter.(DeltaForwarder); ok {
		s.Forward(y, x)
	} else {
		op.NT(p, y, x, update{folded{w, a}}, 1)
	}
}

// ParamGrad adds to the gradients of the layer's parameters and its adapter's.
func (l *Linear) ParamGrad(p *op.Pass, x, y, gy tensor.Matrix) {
	l.baseGrad(p, x, gy)
	if a, ok := l.adapters[p.Adapter]; ok {
		l.adapterGrad(p, a, x, y, gy)
	}
}

// InputGrad computes dx = gy·W' + beta·dx.
func (l *Linear) InputGrad(p *op.Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix) {
	w := l.Weight.Source(p.Adapter)
	if a, ok := l.adapters[p.Adapter]; !ok {
		op.NN(p, dx, gy, w, beta)
	} else if apart, dropout := l.apart(p, a, gy.Rows); !apart {
		op.NN(p, dx, gy, folded{w, a}, beta)
	} else {
		op.NN(p, dx, gy, w, beta)
		l.updateGrad(p, a, w, dx, gy, dropout)
	}
}

// baseGrad adds dW = gyᵀ·x and db = Σ gy where the layer itself trains.
func (l *Linear) baseGrad(p *op.Pass, x, gy tensor.Matrix) {
	if w := l.Weight.Param(p.Adapter); op.RequiresGrad(w) {
		op.TN(p, op.Grad(w), gy, x, 1)
	}
	if l.Bias == nil {
		return
	}
	if b := l.Bias.Param(p.Adapter); op.RequiresGrad(b) {
		sum := p.Zeros(1, gy.Cols)
		defer p.Free(sum)
		s, g := sum.Matrix().Data, op.Grad(b).Data
		for i := range gy.Rows {
			vec.Add(s, s, gy.Row(i))
		}
		if a, ok := l.adapters[p.Adapter].Adapter.(BiasMerger); ok {
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

// ownOutput is x·W'ᵀ: the layer's output without its bias, or a new product where the adapter's input has dropout.
func (l *Linear) ownOutput(p *op.Pass, a attached, own, x, y tensor.Matrix, dropout bool) {
	if dropout {
		w := l.Weight.Source(p.Adapter)
		if p.BF16 {
			op.NT(p, own, x, w, 0)
			l.addUpdate(p, a, w, own, x, false)
			return
		}
		op.NT(p, own, x, folded{w, a}, 0)
		return
	}
	bias := l.BiasOf(p.Adapter)
	for i := range y.Rows {
		copy(own.Row(i), y.Row(i))
		vec.Axpy(own.Row(i), -1, bias)
	}
}

// updateGrad adds gy·ΔW to dx, with the mask where the adapter's input had dropout.
func (l *Linear) updateGrad(p *op.Pass, a attached, w tensor.Source, dx, gy tensor.Matrix, dropout bool) {
	d := p.Zeros(dx.Rows, dx.Cols)
	defer p.Free(d)
	if s, ok := a.Adapter.(DeltaForwarder); ok {
		s.Backward(d.Matrix(), gy)
	} else {
		op.NN(p, d.Matrix(), gy, update{folded{w, a}}, 0)
	}
	if dropout {
		p.Dropout(d.Matrix(), d.Matrix(), a.dropout, l.path)
	}
	for i := range dx.Rows {
		vec.Add(dx.Row(i), dx.Row(i), d.Matrix().Row(i))
	}
}
