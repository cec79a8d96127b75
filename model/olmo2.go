package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("olmo2", Architecture{Class: "Olmo2", Prefix: "model.", Kind: head.CausalLM, New: newOLMo2})
}

// olmo2Config has the keys of config.json for OLMo 2.
type olmo2Config struct {
	DecoderConfig
	AttentionBias bool `json:"attention_bias"`
}

// newOLMo2 declares a decoder of OLMo 2 (OLMo et al. 2024, arXiv 2501.00656, section 3).
func newOLMo2(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &olmo2Config{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-5, HiddenAct: "silu", PadTokenID: new(int32(1))}}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	if want.Kind == head.TokenClassification { // which transformers has no class for
		return nil, nil, noHead(c.ModelType, want.Kind)
	}
	return NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		l := &olmo2Layer{
			Attention: c.NewAttention(c.AttentionBias, c.AttentionBias), AttentionNorm: c.NewNorm(),
			MLP: c.NewMLP(false), MLPNorm: c.NewNorm(),
		}
		l.Attention.NormProjections()
		return l
	})
}

// olmo2Layer has a norm after each half, before the sum.
type olmo2Layer struct {
	Attention     *Attention `hf:"self_attn"`
	AttentionNorm *RMSNorm   `hf:"post_attention_layernorm"`
	MLP           *GatedMLP  `hf:"mlp"`
	MLPNorm       *RMSNorm   `hf:"post_feedforward_layernorm"`
}

// Forward implements DecoderLayer.
func (l *olmo2Layer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	x = op.Add(p, x, l.AttentionNorm.Forward(p, l.Attention.Forward(p, x, bounds, cache)))
	return op.Add(p, x, l.MLPNorm.Forward(p, l.MLP.Forward(p, x)))
}
