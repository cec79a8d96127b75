package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("nanochat", Architecture{Class: "NanoChat", Prefix: "model.", Kind: head.CausalLM, New: newNanochat})
}

// nanochatConfig has the keys of config.json for nanochat.
type nanochatConfig struct {
	DecoderConfig
	AttentionBias         bool     `json:"attention_bias"`
	FinalLogitSoftcapping *float32 `json:"final_logit_softcapping"`
}

// nanochat is the decoder of nanochat (Karpathy 2025): norms without weights, one of them on the embeddings, squared ReLU.
type nanochat struct {
	*Decoder `hf:""`
}

func newNanochat(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &nanochatConfig{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-6, HiddenAct: "relu2", PadTokenID: new(int32(1)),
			lacks: []head.Kind{head.SequenceClassification, head.TokenClassification}},
		FinalLogitSoftcapping: new(float32(15)),
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	eps := float32(c.RMSNormEps)
	for i := range c.rope.InvFreq { // it turns the other way round
		c.rope.InvFreq[i] *= -1
	}
	norm := newUnitNorm(c.HiddenSize, eps)
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		return &preNormLayer{InputNorm: norm, PostNorm: norm, MLP: c.newFCMLP(false), Attention: &nanochatAttention{
			Attention: c.NewAttention(c.AttentionBias, c.AttentionBias), norm: newUnitNorm(c.headDim, eps),
		}}
	})
	if err != nil {
		return nil, nil, err
	}
	d.Norm = norm
	if want.Kind == head.CausalLM {
		h.SoftCap = orZero(c.FinalLogitSoftcapping)
	}
	return &nanochat{d}, h, nil
}

// Forward implements Backbone.
func (m *nanochat) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	x := m.Norm.Forward(p, m.embed(p, b))
	return m.Norm.Forward(p, runLayers(p, m.Layers, x, b, cache))
}

// nanochatAttention normalises each head of queries and keys. A norm without weights is the same before rotation and after it.
type nanochatAttention struct {
	*Attention `hf:""`
	norm       *unitNorm
}

// Forward implements attender.
func (a *nanochatAttention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	qkv := op.Linear(p, x, a.Query, a.Key, a.Value)
	qkv = op.GroupRMSNorm(p, qkv, []op.NormGroup{a.norm.group(a.c.queryCols()), a.norm.group(a.c.keyCols()), a.values()}, a.norm.eps)
	return op.Linear(p, a.attend(p, qkv, bounds, cache, a.Query), a.Output)
}
