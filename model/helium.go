package model

import (
	"fmt"

	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("helium", Architecture{Class: "Helium", Prefix: "model.", Kind: head.CausalLM, New: newHelium})
}

// heliumConfig has the keys of config.json for Helium.
type heliumConfig struct {
	DecoderConfig
	AttentionBias bool `json:"attention_bias"`
	MLPBias       bool `json:"mlp_bias"`
}

// newHelium declares a decoder of Helium (Kyutai 2025): a Llama whose rotary positions turn neighbouring values.
func newHelium(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &heliumConfig{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 4096, RMSNormEps: 1e-8, HiddenAct: "silu", NumKeyValueHeads: new(20),
		HeadDim: new(128), PadTokenID: new(int32(3)), RoPEConfig: RoPEConfig{RopeTheta: 100000}}}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if c.queryCols() != c.HiddenSize {
		return nil, nil, fmt.Errorf("config.json: num_attention_heads·head_dim is %d; want hidden_size, which is %d", c.queryCols(), c.HiddenSize)
	}
	c.rope.Interleaved = true
	return NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: c.NewAttention(c.AttentionBias, false), PostNorm: c.NewNorm(), MLP: c.NewMLP(c.MLPBias)}
	})
}
