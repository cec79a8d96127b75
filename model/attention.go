package model

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// Attention is a decoder's self-attention, with rotary positions and grouped heads (Ainslie et al. 2023).
type Attention struct {
	Query *Linear `hf:"q_proj"` // [heads·head dim, hidden]
	Key   *Linear `hf:"k_proj"` // [key-value heads·head dim, hidden]
	Value *Linear `hf:"v_proj"` // as Key
	// QueryNorm and KeyNorm, where not nil, normalise queries and keys before rotation: each head on its own if they have
	// head dim weights (Qwen 3), else all heads together (OLMo 2).
	QueryNorm *RMSNorm `hf:"q_norm"`
	KeyNorm   *RMSNorm `hf:"k_norm"`
	Output    *Linear  `hf:"o_proj"` // [hidden, heads·head dim]
	// Window is the number of tokens that a token sees, itself included; 0 is all tokens before it.
	Window int
	// RoPE rotates queries and keys; nil is no rotation.
	RoPE *op.RoPE

	c *DecoderConfig
}

// NewAttention declares attention; bias is for queries, keys and values, outputBias for the output.
func (c *DecoderConfig) NewAttention(bias, outputBias bool) *Attention {
	q, kv := c.NumAttentionHeads*c.headDim, c.kvHeads*c.headDim
	return &Attention{
		Query: NewLinear(q, c.HiddenSize, bias), Key: NewLinear(kv, c.HiddenSize, bias), Value: NewLinear(kv, c.HiddenSize, bias),
		Output: NewLinear(c.HiddenSize, q, outputBias), RoPE: c.rope, c: c,
	}
}

// NormHeads gives the queries and keys norms for each head on its own.
func (a *Attention) NormHeads() {
	a.QueryNorm, a.KeyNorm = a.c.newNorm(a.c.headDim), a.c.newNorm(a.c.headDim)
}

// NormProjections gives the queries and keys norms for all heads together.
func (a *Attention) NormProjections() {
	a.QueryNorm, a.KeyNorm = a.c.newNorm(a.c.NumAttentionHeads*a.c.headDim), a.c.newNorm(a.c.kvHeads*a.c.headDim)
}

// Forward maps x [tokens, hidden] to [tokens, hidden]. Document d is rows bounds[d] to bounds[d+1]; documents do not see each
// other. cache, where not nil, holds the earlier tokens of each document, and gets the new ones.
func (a *Attention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	c := a.c
	qkv := op.Linear(p, x, a.Query, a.Key, a.Value)
	if a.QueryNorm != nil {
		qkv = op.GroupRMSNorm(p, qkv, []op.NormGroup{
			a.QueryNorm.group(p, c.NumAttentionHeads*c.headDim), a.KeyNorm.group(p, c.kvHeads*c.headDim), {Cols: c.kvHeads * c.headDim, Heads: 1},
		}, a.QueryNorm.Eps)
	}
	y := op.Attention(p, qkv, bounds, a.RoPE, op.AttentionShape{
		Heads: c.NumAttentionHeads, KVHeads: c.kvHeads, HeadDim: c.headDim, Window: a.Window, Scale: float32(1 / math.Sqrt(float64(c.headDim))),
		Dropout: float32(c.AttentionDropout), Name: a.Query.path,
	}, cache)
	return op.Linear(p, y, a.Output)
}
