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

// fusedMLP is a GatedMLP with gate and up in one layer (Phi-3, GLM-4).
type fusedMLP struct {
	GateUp     *Linear `hf:"gate_up_proj"` // [2·intermediate, hidden]
	Down       *Linear `hf:"down_proj"`    // [hidden, intermediate]
	activation op.Activation
}

func (c *DecoderConfig) newFusedMLP() *fusedMLP {
	return &fusedMLP{
		GateUp: NewLinear(2*c.IntermediateSize, c.HiddenSize, false), Down: NewLinear(c.HiddenSize, c.IntermediateSize, false),
		activation: c.activation,
	}
}

// Forward implements feedForward.
func (m *fusedMLP) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.Linear(p, op.Gate(p, op.Linear(p, x, m.GateUp), m.activation), m.Down)
}

// fcMLP is a feed-forward part without a gate, down(a(up(x))), under the names of Phi and nanochat.
type fcMLP struct {
	Up         *Linear `hf:"fc1"` // [intermediate, hidden]
	Down       *Linear `hf:"fc2"` // [hidden, intermediate]
	activation op.Activation
}

func (c *DecoderConfig) newFCMLP(bias bool) *fcMLP {
	return &fcMLP{
		Up: NewLinear(c.IntermediateSize, c.HiddenSize, bias), Down: NewLinear(c.HiddenSize, c.IntermediateSize, bias),
		activation: c.activation,
	}
}

// Forward implements feedForward.
func (m *fcMLP) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.MLP(p, x, m.activation, m.Up, m.Down)
}

// cMLP is a feed-forward part without a gate under the names of GPT-2 and StarCoder2.
type cMLP struct {
	Up         *Linear `hf:"c_fc"`   // [intermediate, hidden]
	Down       *Linear `hf:"c_proj"` // [hidden, intermediate]
	activation op.Activation
}

// Forward implements feedForward.
func (m *cMLP) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	return op.MLP(p, x, m.activation, m.Up, m.Down)
}
