package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// LayerNorm is the weights of a layer normalisation (Ba et al. 2016).
type LayerNorm struct {
	Weight *Weight `hf:"weight"`
	Bias   *Weight `hf:"bias"`
	Eps    float32
}

// NewLayerNorm declares one of n values.
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

// RMSNorm is the weight of a root mean square normalisation (Zhang and Sennrich 2019).
type RMSNorm struct {
	Weight *Weight `hf:"weight"`
	Eps    float32
}

// NewRMSNorm declares one of n values.
func NewRMSNorm(n int, eps float32) *RMSNorm { return &RMSNorm{Weight: NewWeight(n), Eps: eps} }

// Forward normalises each row of x.
func (n *RMSNorm) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.RMSNorm(p, x, n.Weight.Vector(p.Adapter), n.Weight.Param(p.Adapter), n.Eps)
}
