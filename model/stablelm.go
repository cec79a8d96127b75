package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("stablelm", Architecture{Class: "StableLm", Prefix: "model.", Kind: head.CausalLM, New: newStableLM})
}

// stableLMConfig has the keys of config.json for StableLM.
type stableLMConfig struct {
	DecoderConfig
	LayerNormEps        float64 `json:"layer_norm_eps"`
	UseQKVBias          bool    `json:"use_qkv_bias"`
	QKLayerNorm         bool    `json:"qk_layernorm"`
	UseParallelResidual bool    `json:"use_parallel_residual"`
	HiddenDropout       float64 `json:"hidden_dropout"`
}

// newStableLM declares a decoder of StableLM (Bellagente et al. 2024, arXiv 2402.17834): layer norms, a quarter of each head
// rotated; StableLM 2 12B has its halves in parallel, and a norm of its own for each head of queries and keys.
func newStableLM(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &stableLMConfig{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 4096, HiddenAct: "silu", NumKeyValueHeads: new(32),
		RoPEConfig: RoPEConfig{PartialRotary: true, PartialRotaryFactor: new(0.25)}}, LayerNormEps: 1e-5}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	c.HeadDim = nil // not a key of the model type
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	if err := fewParts("num_hidden_layers", c.NumHiddenLayers, "num_attention_heads", c.NumAttentionHeads); err != nil {
		return nil, nil, err // with qk_layernorm each head has norms
	}
	norm := func() Norm { return NewLayerNorm(c.HiddenSize, float32(c.LayerNormEps)) }
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		l := &stableLMLayer{InputNorm: norm(), Attention: c.newStableLMAttention(), MLP: c.NewMLP(false), drop: float32(c.HiddenDropout)}
		if !c.UseParallelResidual {
			l.PostNorm = norm()
		}
		return l
	})
	if err != nil {
		return nil, nil, err
	}
	d.Norm = norm()
	return d, h, nil
}

// stableLMLayer has a norm before each half, or one for both where PostNorm is nil.
type stableLMLayer struct {
	InputNorm Norm               `hf:"input_layernorm"`
	Attention *stableLMAttention `hf:"self_attn"`
	PostNorm  Norm               `hf:"post_attention_layernorm"`
	MLP       *GatedMLP          `hf:"mlp"`
	drop      float32
}

// Forward implements DecoderLayer.
func (l *stableLMLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	h := l.InputNorm.Forward(p, x)
	x = op.Add(p, x, l.Attention.Forward(p, h, bounds, cache))
	if l.PostNorm != nil {
		h = l.PostNorm.Forward(p, x)
	}
	return op.Add(p, x, dropOutput(p, l.MLP.Forward(p, h), l.drop, l.MLP.Down))
}

// stableLMAttention has, where Heads of the norms are not nil, a norm for each head of queries and keys.
type stableLMAttention struct {
	*Attention `hf:""`
	QueryNorms []*LayerNorm `hf:"q_layernorm.norms"`
	KeyNorms   []*LayerNorm `hf:"k_layernorm.norms"`
}

func (c *stableLMConfig) newStableLMAttention() *stableLMAttention {
	a := &stableLMAttention{Attention: c.NewAttention(c.UseQKVBias, false)}
	if !c.QKLayerNorm {
		return a
	}
	for range c.NumAttentionHeads {
		a.QueryNorms = append(a.QueryNorms, newBiaslessNorm(c.headDim, float32(c.LayerNormEps)))
	}
	for range c.kvHeads {
		a.KeyNorms = append(a.KeyNorms, newBiaslessNorm(c.headDim, float32(c.LayerNormEps)))
	}
	return a
}

// Forward implements attender.
func (a *stableLMAttention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	qkv := op.Linear(p, x, a.Query, a.Key, a.Value)
	if a.QueryNorms != nil {
		var groups []op.NormGroup
		for _, norms := range [][]*LayerNorm{a.QueryNorms, a.KeyNorms} {
			for _, n := range norms {
				groups = append(groups, n.group(p, a.c.headDim))
			}
		}
		qkv = op.GroupLayerNorm(p, qkv, append(groups, a.values()), a.QueryNorms[0].Eps)
	}
	return op.Linear(p, a.attend(p, qkv, bounds, cache, a.Query), a.Output)
}
