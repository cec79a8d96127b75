package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// LayerNorm is a layer normalisation (Ba et al. 2016).
type LayerNorm struct {
	Weight *Weight `hf:"weight"`
	Bias   *Weight `hf:"bias"`
	Eps    float32
}

// NewLayerNorm declares a norm of n values.
func NewLayerNorm(n int, eps float32) *LayerNorm {
	l := &LayerNorm{Weight: NewWeight(n), Bias: NewWeight(n), Eps: eps}
	l.Weight.layerNorm, l.Bias.layerNorm = true, true
	return l
}

// Forward normalises each row of x.
func (l *LayerNorm) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	a := p.Adapter
	return op.LayerNorm(p, x, l.Weight.Vector(a), l.Bias.Vector(a), l.Weight.Param(a), l.Bias.Param(a), l.Eps)
}

// RMSNorm is a root mean square normalisation (Zhang and Sennrich 2019).
type RMSNorm struct {
	Weight *Weight `hf:"weight"`
	Eps    float32
}

// NewRMSNorm declares a norm of n values.
func NewRMSNorm(n int, eps float32) *RMSNorm { return &RMSNorm{Weight: NewWeight(n), Eps: eps} }

// Forward normalises each row of x.
func (n *RMSNorm) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.RMSNorm(p, x, n.Weight.Vector(p.Adapter), n.Weight.Param(p.Adapter), n.Eps)
}

// group is the norm of cols columns in an op.GroupRMSNorm: of as many at a time as it has weights.
func (n *RMSNorm) group(p *op.Pass, cols int) op.NormGroup {
	size := n.Weight.Size()
	return op.NormGroup{Cols: size, Heads: cols / size, Weight: n.Weight.Vector(p.Adapter), Param: n.Weight.Param(p.Adapter)}
}
