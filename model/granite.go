package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("granite", Architecture{Class: "Granite", Prefix: "model.", Kind: head.CausalLM, New: newGranite})
}

// graniteConfig has the keys of config.json for Granite.
type graniteConfig struct {
	DecoderConfig
	AttentionBias       bool    `json:"attention_bias"`
	MLPBias             bool    `json:"mlp_bias"`
	EmbeddingMultiplier float32 `json:"embedding_multiplier"`
	LogitsScaling       float32 `json:"logits_scaling"`
	ResidualMultiplier  float32 `json:"residual_multiplier"`
	AttentionMultiplier float32 `json:"attention_multiplier"`
}

// newGranite declares a decoder of Granite (IBM 2024): a Llama with a factor for embeddings, scores, sums and logits (as Yang
// et al. 2022, arXiv 2203.03466).
func newGranite(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &graniteConfig{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-6, HiddenAct: "silu",
			lacks: []head.Kind{head.SequenceClassification, head.TokenClassification}},
		EmbeddingMultiplier: 1, LogitsScaling: 1, ResidualMultiplier: 1, AttentionMultiplier: 1,
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if c.EmbeddingMultiplier == 0 || c.LogitsScaling == 0 {
		return nil, nil, fmt.Errorf("config.json: embedding_multiplier is %g, logits_scaling %g; want other numbers than 0", c.EmbeddingMultiplier, c.LogitsScaling)
	}
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		a.Scale = c.AttentionMultiplier
		return &graniteLayer{
			preNormLayer: preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.NewMLP(c.MLPBias)},
			scale:        c.ResidualMultiplier,
		}
	})
	if err != nil {
		return nil, nil, err
	}
	d.EmbeddingScale, h.LogitScale = c.EmbeddingMultiplier, 1/c.LogitsScaling
	return d, h, nil
}

// graniteLayer has a norm before each half, and a factor after it.
type graniteLayer struct {
	preNormLayer `hf:""`
	scale        float32
}

// Forward implements DecoderLayer.
func (l *graniteLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	x = op.Add(p, x, op.Scale(p, l.Attention.Forward(p, l.InputNorm.Forward(p, x), bounds, cache), l.scale))
	return op.Add(p, x, op.Scale(p, l.MLP.Forward(p, l.PostNorm.Forward(p, x)), l.scale))
}
