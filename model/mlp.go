package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// GatedMLP is the feed-forward part of a decoder's layer (Shazeer 2020): down(a(gate(x))∘up(x)).
type GatedMLP struct {
	Gate *Linear `hf:"gate_proj"` // [intermediate, hidden]
	Up   *Linear `hf:"up_proj"`   // [intermediate, hidden]
	Down *Linear `hf:"down_proj"` // [hidden, intermediate]
	// Activation is a, by default the config's hidden_act.
	Activation op.Activation
}

// NewMLP declares a feed-forward part; bias is for all three layers.
func (c *DecoderConfig) NewMLP(bias bool) *GatedMLP {
	return &GatedMLP{
		Gate: NewLinear(c.IntermediateSize, c.HiddenSize, bias), Up: NewLinear(c.IntermediateSize, c.HiddenSize, bias),
		Down: NewLinear(c.HiddenSize, c.IntermediateSize, bias), Activation: c.activation,
	}
}

// Forward maps x [tokens, hidden] to [tokens, hidden].
func (m *GatedMLP) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.GatedMLP(p, x, m.Activation, m.Gate, m.Up, m.Down)
}
