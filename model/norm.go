package model

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// Norm normalises each row of x: a *LayerNorm or a *RMSNorm.
type Norm interface {
	Forward(p *op.Pass, x mat.Tensor) mat.Tensor
}

var (
	_ Norm = (*LayerNorm)(nil)
	_ Norm = (*RMSNorm)(nil)
)

// LayerNorm is a layer normalisation (Ba et al. 2016).
type LayerNorm struct {
	Weight *Weight `hf:"weight"`
	Bias   *Weight `hf:"bias"` // nil is zero
	Eps    float32
}

// NewLayerNorm declares a norm of n values.
func NewLayerNorm(n int, eps float32) *LayerNorm {
	l := newBiaslessNorm(n, eps)
	l.Bias = NewWeight(n)
	l.Bias.layerNorm = true
	return l
}

// newBiaslessNorm declares a norm without a bias.
func newBiaslessNorm(n int, eps float32) *LayerNorm {
	l := &LayerNorm{Weight: NewWeight(n), Eps: eps}
	l.Weight.layerNorm = true
	return l
}

// Forward normalises each row of x.
func (l *LayerNorm) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	a := p.Adapter
	w := l.Weight.Vector(a)
	if l.Bias == nil {
		return op.LayerNorm(p, x, w, make([]float32, len(w)), l.Weight.Param(a), nil, l.Eps)
	}
	return op.LayerNorm(p, x, w, l.Bias.Vector(a), l.Weight.Param(a), l.Bias.Param(a), l.Eps)
}

// group is the norm of cols columns in an op.GroupLayerNorm: of as many at a time as it has weights.
func (l *LayerNorm) group(p *op.Pass, cols int) op.NormGroup {
	a, size := p.Adapter, l.Weight.Size()
	g := op.NormGroup{Cols: size, Heads: cols / size, Weight: l.Weight.Vector(a), Param: l.Weight.Param(a)}
	if l.Bias != nil {
		g.Bias, g.BiasParam = l.Bias.Vector(a), l.Bias.Param(a)
	}
	return g
}

// RMSNorm is a root mean square normalisation (Zhang and Sennrich 2019).
type RMSNorm struct {
	Weight *Weight `hf:"weight"`
	Eps    float32
	// Offset is added to the weights: 1 in Gemma, whose weights are the distances from 1.
	Offset float32
}

// NewRMSNorm declares a norm of n values.
func NewRMSNorm(n int, eps float32) *RMSNorm { return &RMSNorm{Weight: NewWeight(n), Eps: eps} }

// Forward normalises each row of x.
func (n *RMSNorm) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.RMSNorm(p, x, n.vector(p.Adapter), n.Weight.Param(p.Adapter), n.Eps)
}

// vector has the factors of the values.
func (n *RMSNorm) vector(adapter string) []float32 {
	w := n.Weight.Vector(adapter)
	if n.Offset == 0 {
		return w
	}
	w = slices.Clone(w)
	for i := range w {
		w[i] += n.Offset
	}
	return w
}

// group is the norm of cols columns in an op.GroupRMSNorm: of as many at a time as it has weights.
func (n *RMSNorm) group(p *op.Pass, cols int) op.NormGroup {
	size := n.Weight.Size()
	return op.NormGroup{Cols: size, Heads: cols / size, Weight: n.vector(p.Adapter), Param: n.Weight.Param(p.Adapter)}
}

// unitNorm is an RMSNorm without weights.
type unitNorm struct {
	ones []float32
	eps  float32
}

var _ Norm = (*unitNorm)(nil)

func newUnitNorm(n int, eps float32) *unitNorm {
	return &unitNorm{slices.Repeat([]float32{1}, n), eps}
}

// Forward implements Norm.
func (n *unitNorm) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.RMSNorm(p, x, n.ones, nil, n.eps)
}

// group is the norm of cols columns in an op.GroupRMSNorm.
func (n *unitNorm) group(cols int) op.NormGroup {
	return op.NormGroup{Cols: len(n.ones), Heads: cols / len(n.ones), Weight: n.ones}
}
