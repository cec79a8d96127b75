package model

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	stored := func(name string) []StoredPart { return storedExperts(name, "gate_proj", "up_proj", "down_proj") }
	Register("qwen2_moe", Architecture{Class: "Qwen2Moe", Prefix: "model.", Kind: head.CausalLM, New: newQwen2MoE, Stored: stored})
	Register("qwen3_moe", Architecture{Class: "Qwen3Moe", Prefix: "model.", Prefixes: transformerSpans, Kind: head.CausalLM, New: newQwen3MoE, Stored: stored})
}

// qwenMoEConfig has the keys of config.json for Qwen 1.5 MoE, 2 and 3 with experts.
type qwenMoEConfig struct {
	DecoderConfig
	MoEConfig
	WindowConfig
	UseSlidingWindow             bool  `json:"use_sliding_window"`
	MaxWindowLayers              int   `json:"max_window_layers"`
	DecoderSparseStep            int   `json:"decoder_sparse_step"`
	MoeIntermediateSize          int   `json:"moe_intermediate_size"`
	SharedExpertIntermediateSize int   `json:"shared_expert_intermediate_size"`
	MLPOnlyLayers                []int `json:"mlp_only_layers"`
	QKVBias                      bool  `json:"qkv_bias"`
	AttentionBias                bool  `json:"attention_bias"`

	n int
}

// completeExperts derives what follows from the keys that dense models lack; standard is the family's number of experts.
func (c *qwenMoEConfig) completeExperts(standard int, slides func(i int) bool) error {
	if err := positive("decoder_sparse_step", c.DecoderSparseStep, "moe_intermediate_size", c.MoeIntermediateSize); err != nil {
		return err
	}
	var err error
	if c.n, err = c.MoEConfig.experts(standard, c.NumHiddenLayers); err != nil {
		return err
	}
	return c.WindowConfig.complete(c.NumHiddenLayers, slides)
}

// mixes says whether layer i has experts.
func (c *qwenMoEConfig) mixes(i int) bool {
	return !slices.Contains(c.MLPOnlyLayers, i) && (i+1)%c.DecoderSparseStep == 0
}

// newQwen2MoE declares a decoder of Qwen 1.5 MoE and 2 (Yang et al. 2024, arXiv 2407.10671): a Qwen 2 with experts, one of which
// every token has.
func newQwen2MoE(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &qwenMoEConfig{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 32768, RMSNormEps: 1e-6, HiddenAct: "silu", NumKeyValueHeads: new(16), spans: true},
		MoEConfig:     MoEConfig{NumExpertsPerTok: 4, RouterAuxLossCoef: 0.001}, WindowConfig: WindowConfig{SlidingWindow: new(4096)},
		MaxWindowLayers: 28, DecoderSparseStep: 1, MoeIntermediateSize: 1408, SharedExpertIntermediateSize: 5632, QKVBias: true,
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	slides := func(i int) bool { return (i+1)%2 != 0 && i < c.MaxWindowLayers && c.UseSlidingWindow }
	if err := c.completeExperts(60, slides); err != nil {
		return nil, nil, err
	}
	if err := positive("shared_expert_intermediate_size", c.SharedExpertIntermediateSize); err != nil {
		return nil, nil, err
	}
	return newMoEDecoder(&c.DecoderConfig, &c.MoEConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(c.QKVBias, false)
		if c.UseSlidingWindow {
			a.Window = c.windowOf(i)
		}
		l := &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.NewMLP(false)}
		if c.mixes(i) {
			shared := c.DecoderConfig
			shared.IntermediateSize = c.SharedExpertIntermediateSize
			l.MLP = &qwen2Mixture{Routed: c.newMixture(&c.MoEConfig, c.n, c.MoeIntermediateSize, c.NormTopkProb),
				Shared: shared.NewMLP(false), SharedGate: NewLinear(1, c.HiddenSize, false)}
		}
		return l
	})
}

// qwen2Mixture is a mixture of experts and one that every token has, with a gate.
type qwen2Mixture struct {
	Routed     *mixtureOfExperts `hf:""`
	Shared     *GatedMLP         `hf:"shared_expert"`
	SharedGate *Linear           `hf:"shared_expert_gate"`
}

// Forward implements feedForward.
func (m *qwen2Mixture) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	shared := op.SigmoidGate(p, m.Shared.Forward(p, x), op.Linear(p, x, m.SharedGate))
	return op.Add(p, m.Routed.Forward(p, x), shared)
}

// newQwen3MoE declares a decoder of Qwen 3 with experts (Yang et al. 2025, arXiv 2505.09388).
func newQwen3MoE(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &qwenMoEConfig{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 32768, RMSNormEps: 1e-6, HiddenAct: "silu", NumKeyValueHeads: new(4), spans: true},
		MoEConfig:     MoEConfig{NumExpertsPerTok: 8, RouterAuxLossCoef: 0.001}, WindowConfig: WindowConfig{SlidingWindow: new(4096)},
		DecoderSparseStep: 1, MoeIntermediateSize: 768,
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if err := c.completeExperts(128, func(int) bool { return c.UseSlidingWindow }); err != nil {
		return nil, nil, err
	}
	return newMoEDecoder(&c.DecoderConfig, &c.MoEConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		a.NormHeads()
		if c.UseSlidingWindow {
			a.Window = c.window()
		}
		l := &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.NewMLP(false)}
		if c.mixes(i) {
			l.MLP = c.newMixture(&c.MoEConfig, c.n, c.MoeIntermediateSize, c.NormTopkProb)
		}
		return l
	})
}
