package model

import "github.com/spagotune/spagotune/head"

func init() {
	Register("olmoe", Architecture{Class: "Olmoe", Prefix: "model.", Kind: head.CausalLM, New: newOLMoE, Stored: func(name string) []StoredPart {
		return storedExperts(name, "gate_proj", "up_proj", "down_proj")
	}})
}

// olmoeConfig has the keys of config.json for OLMoE.
type olmoeConfig struct {
	DecoderConfig
	MoEConfig
	AttentionBias bool     `json:"attention_bias"`
	ClipQKV       *float64 `json:"clip_qkv"`
}

// newOLMoE declares a decoder of OLMoE (Muennighoff et al. 2024, arXiv 2409.02060): a Llama with experts, and norms of all
// queries and keys together.
func newOLMoE(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &olmoeConfig{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 4096, RMSNormEps: 1e-5, HiddenAct: "silu", PadTokenID: new(int32(1)),
			lacks: []head.Kind{head.SequenceClassification, head.TokenClassification}},
		MoEConfig: MoEConfig{NumExpertsPerTok: 8, RouterAuxLossCoef: 0.01},
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	n, err := c.experts(64, c.NumHiddenLayers)
	if err != nil {
		return nil, nil, err
	}
	if c.ClipQKV != nil {
		return nil, nil, notSupported("config.json: clip_qkv %g is not supported", *c.ClipQKV)
	}
	return newMoEDecoder(&c.DecoderConfig, &c.MoEConfig, want, func(int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		a.NormProjections()
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(),
			MLP: c.newMixture(&c.MoEConfig, n, c.IntermediateSize, c.NormTopkProb)}
	})
}
