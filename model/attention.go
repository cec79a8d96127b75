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
	attention
}

// attention is what follows the projections and norms of queries, keys and values, whatever their names.
type attention struct {
	// Window is the number of tokens that a token sees, itself included; 0 is all tokens before it.
	Window int
	// RoPE rotates queries and keys; nil is no rotation.
	RoPE *op.RoPE
	// Scale multiplies the scores; by default it is 1/√(head dim). SoftCap is op.AttentionShape's.
	Scale, SoftCap float32
	// Bidirectional lets a token see all tokens of its document.
	Bidirectional bool
	// QueryScale multiplies the scores of a query by its position; nil is 1.
	QueryScale func(position int) float32
	sinks      *op.Sinks

	c *DecoderConfig
}

// newAttention is attention with the config's heads and rotary positions.
func (c *DecoderConfig) newAttention() attention {
	return attention{RoPE: c.rope, Scale: float32(1 / math.Sqrt(float64(c.headDim))), c: c}
}

// queryCols is the number of columns of queries, keyCols that of keys, which values have too.
func (c *DecoderConfig) queryCols() int { return c.NumAttentionHeads * c.headDim }

func (c *DecoderConfig) keyCols() int { return c.kvHeads * c.headDim }

// NewAttention declares attention; bias is for queries, keys and values, outputBias for the output.
func (c *DecoderConfig) NewAttention(bias, outputBias bool) *Attention {
	return &Attention{
		Query: NewLinear(c.queryCols(), c.HiddenSize, bias), Key: NewLinear(c.keyCols(), c.HiddenSize, bias),
		Value: NewLinear(c.keyCols(), c.HiddenSize, bias), Output: NewLinear(c.HiddenSize, c.queryCols(), outputBias),
		attention: c.newAttention(),
	}
}

// NormHeads gives the queries and keys norms for each head on its own.
func (a *Attention) NormHeads() {
	a.QueryNorm, a.KeyNorm = a.c.newNorm(a.c.headDim), a.c.newNorm(a.c.headDim)
}

// NormProjections gives the queries and keys norms for all heads together.
func (a *Attention) NormProjections() {
	a.QueryNorm, a.KeyNorm = a.c.newNorm(a.c.queryCols()), a.c.newNorm(a.c.keyCols())
}

// Forward maps x [tokens, hidden] to [tokens, hidden]. Document d is rows bounds[d] to bounds[d+1]; documents do not see each
// other. cache, where not nil, holds the earlier tokens of each document, and gets the new ones.
func (a *Attention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	qkv := op.Linear(p, x, a.Query, a.Key, a.Value)
	if a.QueryNorm != nil {
		q, k := a.QueryNorm.group(p, a.c.queryCols()), a.KeyNorm.group(p, a.c.keyCols())
		qkv = op.GroupRMSNorm(p, qkv, []op.NormGroup{q, k, a.values()}, a.QueryNorm.Eps)
	}
	return op.Linear(p, a.attend(p, qkv, bounds, cache, a.Query), a.Output)
}

// values are the columns of values in an op.GroupRMSNorm, which leaves them as they are.
func (a *attention) values() op.NormGroup { return op.NormGroup{Cols: a.c.keyCols(), Heads: 1} }

// attend is op.Attention; query is the layer whose path names the mask of dropout.
func (a *attention) attend(p *op.Pass, qkv mat.Tensor, bounds []int, cache []*op.KV, query *Linear) mat.Tensor {
	c := a.c
	return op.Attention(p, qkv, bounds, a.RoPE, op.AttentionShape{
		Heads: c.NumAttentionHeads, KVHeads: c.kvHeads, HeadDim: c.headDim, Bidirectional: a.Bidirectional, Window: a.Window, Scale: a.Scale, SoftCap: a.SoftCap,
		QueryScale: a.QueryScale, Sinks: a.sinks, Dropout: float32(c.AttentionDropout), Name: query.path,
	}, cache)
}
