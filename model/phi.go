package model

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("phi", Architecture{Class: "Phi", Prefix: "model.", Kind: head.CausalLM, New: newPhi})
}

// phiConfig has the keys of config.json for Phi-1, 1.5 and 2.
type phiConfig struct {
	DecoderConfig
	LayerNormEps float64 `json:"layer_norm_eps"`
	QKLayerNorm  bool    `json:"qk_layernorm"`
	ResidPDrop   float64 `json:"resid_pdrop"`
	EmbdPDrop    float64 `json:"embd_pdrop"`
}

// phi is the decoder of Phi-1.5 (Li et al. 2023, arXiv 2309.05463): both halves of a layer read one norm, half of each head is
// rotated, and everything has biases.
type phi struct {
	nn.Module
	Embed  *Weight        `hf:"@.embed_tokens.weight"`
	Layers []DecoderLayer `hf:"@.layers"`
	Norm   *LayerNorm     `hf:"@.final_layernorm"`

	c *phiConfig
}

var _ Backbone = (*phi)(nil)

func newPhi(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &phiConfig{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, HiddenAct: "gelu_new", headBias: true,
		RoPEConfig: RoPEConfig{PartialRotary: true, PartialRotaryFactor: new(0.5)}}, LayerNormEps: 1e-5}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	eps := float32(c.LayerNormEps)
	m := &phi{Embed: NewWeight(c.VocabSize, c.HiddenSize), Norm: NewLayerNorm(c.HiddenSize, eps), c: c}
	for range c.NumHiddenLayers {
		m.Layers = append(m.Layers, &phiLayer{
			Norm: NewLayerNorm(c.HiddenSize, eps), Attention: c.newPhiAttention(), MLP: c.newFCMLP(true), drop: float32(c.ResidPDrop),
		})
	}
	h, err := c.newHead(want, m.Embed)
	return m, h, err
}

// Config implements Backbone.
func (m *phi) Config() Config { return m.c.sizes() }

// Forward implements Backbone.
func (m *phi) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	x := m.c.embed(p, m.Embed, b, 1)
	x = op.Dropout(p, x, float32(m.c.EmbdPDrop), "embeddings")
	return m.Norm.Forward(p, runLayers(p, m.Layers, x, b, cache))
}

// phiLayer has one norm that both halves read.
type phiLayer struct {
	Norm      *LayerNorm    `hf:"input_layernorm"`
	Attention *phiAttention `hf:"self_attn"`
	MLP       *fcMLP        `hf:"mlp"`
	drop      float32
}

// Forward implements DecoderLayer.
func (l *phiLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	h := l.Norm.Forward(p, x)
	x = op.Add(p, x, dropOutput(p, l.Attention.Forward(p, h, bounds, cache), l.drop, l.Attention.Output))
	return op.Add(p, x, dropOutput(p, l.MLP.Forward(p, h), l.drop, l.MLP.Down))
}

// phiAttention may have norms of queries and keys, the same for each head.
type phiAttention struct {
	Query     *Linear    `hf:"q_proj"`
	Key       *Linear    `hf:"k_proj"`
	Value     *Linear    `hf:"v_proj"`
	Output    *Linear    `hf:"dense"`
	QueryNorm *LayerNorm `hf:"q_layernorm"`
	KeyNorm   *LayerNorm `hf:"k_layernorm"`
	attention
}

func (c *phiConfig) newPhiAttention() *phiAttention {
	a := &phiAttention{
		Query: NewLinear(c.queryCols(), c.HiddenSize, true), Key: NewLinear(c.keyCols(), c.HiddenSize, true),
		Value: NewLinear(c.keyCols(), c.HiddenSize, true), Output: NewLinear(c.HiddenSize, c.queryCols(), true), attention: c.newAttention(),
	}
	if c.QKLayerNorm {
		a.QueryNorm, a.KeyNorm = NewLayerNorm(c.headDim, float32(c.LayerNormEps)), NewLayerNorm(c.headDim, float32(c.LayerNormEps))
	}
	return a
}

// Forward implements attender.
func (a *phiAttention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	qkv := op.Linear(p, x, a.Query, a.Key, a.Value)
	if a.QueryNorm != nil {
		q, k := a.QueryNorm.group(p, a.c.queryCols()), a.KeyNorm.group(p, a.c.keyCols())
		qkv = op.GroupLayerNorm(p, qkv, []op.NormGroup{q, k, a.values()}, a.QueryNorm.Eps)
	}
	return op.Linear(p, a.attend(p, qkv, bounds, cache, a.Query), a.Output)
}
