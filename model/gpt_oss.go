package model

import (
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("gpt_oss", Architecture{Class: "GptOss", Prefix: "model.", Kind: head.CausalLM, New: newGPTOSS, Stored: func(name string) []StoredPart {
		if parameter, i, ok := expertEntry(name); ok {
			return []StoredPart{{Name: parameter, Index: i, Entry: true}}
		}
		return nil
	}})
}

// gptOSSConfig has the keys of config.json for gpt-oss.
type gptOSSConfig struct {
	DecoderConfig
	MoEConfig
	WindowConfig
	AttentionBias      bool    `json:"attention_bias"`
	SwigluAlpha        float32 `json:"swiglu_alpha"`
	SwigluLimit        float32 `json:"swiglu_limit"`
	ExpertsPerToken    int     `json:"experts_per_token"`      // a copy of num_experts_per_tok
	InitialContextSize int     `json:"initial_context_length"` // a note in published files
	QuantizationConfig any     `json:"quantization_config"`    // of openWeights: the experts may be in MXFP4
}

// newGPTOSS declares a decoder of gpt-oss (OpenAI 2025, arXiv 2508.10925): experts with clamped gates, sinks in attention, and
// windows in every other layer.
func newGPTOSS(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &gptOSSConfig{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 131072, RMSNormEps: 1e-5, HiddenAct: "silu", NumKeyValueHeads: new(8), HeadDim: new(64),
			RoPEConfig: RoPEConfig{RopeTheta: 150000}},
		MoEConfig: MoEConfig{NumExpertsPerTok: 4, RouterAuxLossCoef: 0.001}, WindowConfig: WindowConfig{SlidingWindow: new(128)},
		AttentionBias: true, SwigluAlpha: 1.702, SwigluLimit: 7,
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	n, err := c.experts(128, c.NumHiddenLayers)
	if err != nil {
		return nil, nil, err
	}
	if err := c.WindowConfig.complete(c.NumHiddenLayers, everyNth(2)); err != nil {
		return nil, nil, err
	}
	if c.SwigluLimit <= 0 {
		return nil, nil, fmt.Errorf("config.json: swiglu_limit is %g; want more than 0", c.SwigluLimit)
	}
	return newMoEDecoder(&c.DecoderConfig, &c.MoEConfig, want, func(i int) DecoderLayer {
		a := &gptOSSAttention{Attention: c.NewAttention(c.AttentionBias, c.AttentionBias), Sinks: NewWeight(c.NumAttentionHeads)}
		a.Window = c.windowOf(i)
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.newGPTOSSMixture(n)}
	})
}

// gptOSSAttention has a sink for each head.
type gptOSSAttention struct {
	*Attention `hf:""`
	Sinks      *Weight `hf:"sinks"`
}

// Forward implements attender.
func (a *gptOSSAttention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	one := *a.Attention
	one.sinks = &op.Sinks{Scores: a.Sinks.Vector(p.Adapter), Param: a.Sinks.Param(p.Adapter)}
	return one.Forward(p, x, bounds, cache)
}

// gptOSSMixture is a mixture of experts with biases, whose router has one too, and another name.
type gptOSSMixture struct {
	Router  *Linear   `hf:"router"`
	Experts []*expert `hf:"experts"`

	mixture mixtureOfExperts // the same ones
}

// newGPTOSSMixture declares n experts. The softmax of the chosen logits is what is normalized of the softmax of all.
func (c *gptOSSConfig) newGPTOSSMixture(n int) *gptOSSMixture {
	m := &gptOSSMixture{Router: NewLinear(n, c.HiddenSize, true)}
	m.Router.parameter = true
	for i := range n {
		m.Experts = append(m.Experts, newExpert(newConv1D(2*c.IntermediateSize, c.HiddenSize), newConv1D(c.HiddenSize, c.IntermediateSize), i, n))
	}
	m.mixture = mixtureOfExperts{Router: m.Router, Experts: m.Experts, k: c.NumExpertsPerTok, normalize: true, balanced: c.auxLoss() != 0,
		gate: clampedGate(c.SwigluAlpha, c.SwigluLimit)}
	return m
}

// Forward implements feedForward.
func (m *gptOSSMixture) Forward(p *op.Pass, x mat.Tensor) mat.Tensor { return m.mixture.Forward(p, x) }

// clampedGate is (u + 1)·g·sigmoid(alpha·g), with the gates g and the up projection's outputs u in turns, g at most limit and u
// between -limit and limit.
func clampedGate(alpha, limit float32) op.GateFunc {
	sigmoid := func(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }
	return op.GateFunc{
		Forward: func(y, x []float32) {
			for i := range y {
				g, u := min(x[2*i], limit), min(max(x[2*i+1], -limit), limit)
				y[i] = (u + 1) * g * sigmoid(alpha*g)
			}
		},
		Backward: func(dx, dy, x, _ []float32) {
			for i, d := range dy {
				g, u := min(x[2*i], limit), min(max(x[2*i+1], -limit), limit)
				s := sigmoid(alpha * g)
				dx[2*i], dx[2*i+1] = d*(u+1)*s*(1+alpha*g*(1-s)), d*g*s
				if x[2*i] > limit {
					dx[2*i] = 0
				}
				if v := x[2*i+1]; v < -limit || v > limit {
					dx[2*i+1] = 0
				}
			}
		},
	}
}
