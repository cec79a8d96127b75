package model

import (
	"strings"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("gpt_neox", Architecture{Class: "GPTNeoX", Prefix: "gpt_neox.", Kind: head.CausalLM, New: newGPTNeoX, Stored: func(name string) []StoredPart {
		if rest, ok := strings.CutPrefix(name, "lm_head."); ok {
			return []StoredPart{{Name: "embed_out." + rest}}
		}
		return nil
	}})
}

// gptNeoXConfig has the keys of config.json for GPT-NeoX.
type gptNeoXConfig struct {
	DecoderConfig
	LayerNormEps        float64  `json:"layer_norm_eps"`
	AttentionBias       bool     `json:"attention_bias"`
	UseParallelResidual bool     `json:"use_parallel_residual"`
	HiddenDropout       float64  `json:"hidden_dropout"`
	ClassifierDropout   float64  `json:"classifier_dropout"`
	RotaryPct           float64  `json:"rotary_pct"` // older names of keys of rope_parameters
	RotaryEmbBase       *float64 `json:"rotary_emb_base"`
}

// gptNeoX is the decoder of GPT-NeoX (Black et al. 2022, arXiv 2204.06745) and Pythia: layer norms, biases, a quarter of each
// head rotated, and halves that read the same hidden states.
type gptNeoX struct {
	nn.Module
	Embed  *Weight        `hf:"@.embed_in.weight"`
	Layers []DecoderLayer `hf:"@.layers"`
	Norm   *LayerNorm     `hf:"@.final_layer_norm"`

	c *gptNeoXConfig
}

var _ Backbone = (*gptNeoX)(nil)

func newGPTNeoX(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &gptNeoXConfig{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, HiddenAct: "gelu", RoPEConfig: RoPEConfig{PartialRotary: true},
		tokenHead: "classifier", spans: true}, LayerNormEps: 1e-5, AttentionBias: true, UseParallelResidual: true, ClassifierDropout: 0.1, RotaryPct: 0.25}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if c.RotaryEmbBase != nil {
		c.RopeTheta = *c.RotaryEmbBase
	}
	if c.PartialRotaryFactor == nil {
		c.PartialRotaryFactor = &c.RotaryPct
	}
	c.NumKeyValueHeads, c.HeadDim, c.PadTokenID = nil, nil, nil // not used by the model type
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	eps := float32(c.LayerNormEps)
	m := &gptNeoX{Embed: NewWeight(c.VocabSize, c.HiddenSize), Norm: NewLayerNorm(c.HiddenSize, eps), c: c}
	for range c.NumHiddenLayers {
		m.Layers = append(m.Layers, &gptNeoXLayer{
			AttentionNorm: NewLayerNorm(c.HiddenSize, eps), MLPNorm: NewLayerNorm(c.HiddenSize, eps), Attention: c.newGPTNeoXAttention(),
			Up: NewLinear(c.IntermediateSize, c.HiddenSize, true), Down: NewLinear(c.HiddenSize, c.IntermediateSize, true), c: c,
		})
	}
	h, err := c.newHead(want, m.Embed)
	if err == nil && want.Kind == head.TokenClassification {
		h.Dropout = float32(c.ClassifierDropout)
	}
	return m, h, err
}

// Config implements Backbone.
func (m *gptNeoX) Config() Config {
	sizes := m.c.sizes()
	sizes.Dropout = m.c.HiddenDropout
	return sizes
}

// Forward implements Backbone.
func (m *gptNeoX) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	x := op.Dropout(p, m.c.embed(p, m.Embed, b, 1), float32(m.c.HiddenDropout), "embeddings")
	return m.Norm.Forward(p, runLayers(p, m.Layers, x, b, cache))
}

// gptNeoXLayer has a norm before each half; with use_parallel_residual both halves read the layer's input.
type gptNeoXLayer struct {
	AttentionNorm *LayerNorm        `hf:"input_layernorm"`
	MLPNorm       *LayerNorm        `hf:"post_attention_layernorm"`
	Attention     *gptNeoXAttention `hf:"attention"`
	Up            *Linear           `hf:"mlp.dense_h_to_4h"`
	Down          *Linear           `hf:"mlp.dense_4h_to_h"`
	c             *gptNeoXConfig
}

// Forward implements DecoderLayer.
func (l *gptNeoXLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	drop := float32(l.c.HiddenDropout)
	a := l.Attention.Forward(p, l.AttentionNorm.Forward(p, x), bounds, cache)
	sum := op.Add(p, x, dropOutput(p, a, drop, l.Attention.Output))
	if !l.c.UseParallelResidual {
		x = sum
	}
	y := op.MLP(p, l.MLPNorm.Forward(p, x), l.c.activation, l.Up, l.Down)
	return op.Add(p, sum, dropOutput(p, y, drop, l.Down))
}

// gptNeoXAttention has queries, keys and values in one layer, head by head.
type gptNeoXAttention struct {
	QKV    *Linear `hf:"query_key_value"`
	Output *Linear `hf:"dense"`
	attention
	byKind []int // the columns of QKV's heads: all queries, then all keys, then all values
}

func (c *gptNeoXConfig) newGPTNeoXAttention() *gptNeoXAttention {
	a := &gptNeoXAttention{
		QKV: NewLinear(3*c.HiddenSize, c.HiddenSize, c.AttentionBias), Output: NewLinear(c.HiddenSize, c.HiddenSize, c.AttentionBias),
		attention: c.newAttention(),
	}
	for kind := range 3 {
		for h := range c.NumAttentionHeads {
			a.byKind = append(a.byKind, (3*h+kind)*c.headDim)
		}
	}
	return a
}

// Forward implements attender.
func (a *gptNeoXAttention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	qkv := op.Columns(p, op.Linear(p, x, a.QKV), a.byKind, a.c.headDim)
	return op.Linear(p, a.attend(p, qkv, bounds, cache, a.QKV), a.Output)
}
