package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("glm4", Architecture{Class: "Glm4", Prefix: "model.", Kind: head.CausalLM, New: newGLM4})
}

// glm4Config has the keys of config.json for GLM-4-0414.
type glm4Config struct {
	DecoderConfig
	AttentionBias bool `json:"attention_bias"`
}

// newGLM4 declares a decoder of GLM-4-0414 (Z.ai 2025): norms before and after each half, half of each head rotated.
func newGLM4(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &glm4Config{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 131072, RMSNormEps: 1.5625e-7, HiddenAct: "silu", NumKeyValueHeads: new(2),
		HeadDim: new(128), PadTokenID: new(int32(151329)), RoPEConfig: RoPEConfig{PartialRotary: true, PartialRotaryFactor: new(0.5)}},
		AttentionBias: true}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	c.rope.Interleaved = true
	return NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		return &glm4Layer{
			InputNorm: c.NewNorm(), Attention: c.NewAttention(c.AttentionBias, false), AttentionNorm: c.NewNorm(),
			MLPInputNorm: c.NewNorm(), MLP: c.newFusedMLP(), MLPNorm: c.NewNorm(),
		}
	})
}

// glm4Layer is a sandwichLayer under other names.
type glm4Layer struct {
	InputNorm     *RMSNorm   `hf:"input_layernorm"`
	Attention     *Attention `hf:"self_attn"`
	AttentionNorm *RMSNorm   `hf:"post_self_attn_layernorm"`
	MLPInputNorm  *RMSNorm   `hf:"post_attention_layernorm"`
	MLP           *fusedMLP  `hf:"mlp"`
	MLPNorm       *RMSNorm   `hf:"post_mlp_layernorm"`
}

// Forward implements DecoderLayer.
func (l *glm4Layer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	x = op.Add(p, x, l.AttentionNorm.Forward(p, l.Attention.Forward(p, l.InputNorm.Forward(p, x), bounds, cache)))
	return op.Add(p, x, l.MLPNorm.Forward(p, l.MLP.Forward(p, l.MLPInputNorm.Forward(p, x))))
}
