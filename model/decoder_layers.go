package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// attender is the half of a decoder's layer that mixes tokens; its arguments are DecoderLayer's.
type attender interface {
	Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor
}

// feedForward is the other half, which maps each token on its own.
type feedForward interface {
	Forward(p *op.Pass, x mat.Tensor) mat.Tensor
}

// preNormLayer has a norm before each half: Llama and most that came after it (Xiong et al. 2020).
type preNormLayer struct {
	InputNorm Norm        `hf:"input_layernorm"`
	Attention attender    `hf:"self_attn"`
	PostNorm  Norm        `hf:"post_attention_layernorm"`
	MLP       feedForward `hf:"mlp"`
	// drop is a family's dropout after the halves, nil where it has none.
	drop *halvesDropout
}

// halvesDropout is dropout after the halves of a layer, at a rate; it is named after the last linear layer of each.
type halvesDropout struct {
	rate           float32
	attention, mlp *Linear
}

// Forward implements DecoderLayer.
func (l *preNormLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	a := l.Attention.Forward(p, l.InputNorm.Forward(p, x), bounds, cache)
	if l.drop != nil {
		a = dropOutput(p, a, l.drop.rate, l.drop.attention)
	}
	x = op.Add(p, x, a)
	h := l.MLP.Forward(p, l.PostNorm.Forward(p, x))
	if l.drop != nil {
		h = dropOutput(p, h, l.drop.rate, l.drop.mlp)
	}
	return op.Add(p, x, h)
}

// postNormLayer has a norm after each half, before the sum: OLMo 2 and 3, EXAONE 4.
type postNormLayer struct {
	Attention     attender    `hf:"self_attn"`
	AttentionNorm Norm        `hf:"post_attention_layernorm"`
	MLP           feedForward `hf:"mlp"`
	MLPNorm       Norm        `hf:"post_feedforward_layernorm"`
}

// Forward implements DecoderLayer.
func (l *postNormLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	x = op.Add(p, x, l.AttentionNorm.Forward(p, l.Attention.Forward(p, x, bounds, cache)))
	return op.Add(p, x, l.MLPNorm.Forward(p, l.MLP.Forward(p, x)))
}

// sandwichLayer has norms before and after each half: Gemma 2 and 3.
type sandwichLayer struct {
	InputNorm     Norm        `hf:"input_layernorm"`
	Attention     attender    `hf:"self_attn"`
	AttentionNorm Norm        `hf:"post_attention_layernorm"`
	MLPInputNorm  Norm        `hf:"pre_feedforward_layernorm"`
	MLP           feedForward `hf:"mlp"`
	MLPNorm       Norm        `hf:"post_feedforward_layernorm"`
}

// Forward implements DecoderLayer.
func (l *sandwichLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	x = op.Add(p, x, l.AttentionNorm.Forward(p, l.Attention.Forward(p, l.InputNorm.Forward(p, x), bounds, cache)))
	return op.Add(p, x, l.MLPNorm.Forward(p, l.MLP.Forward(p, l.MLPInputNorm.Forward(p, x))))
}

// parallelLayer has one norm, and both halves read it (Wang and Komatsuzaki 2021): Phi, Cohere, StableLM 2 12B.
type parallelLayer struct {
	Norm      Norm        `hf:"input_layernorm"`
	Attention attender    `hf:"self_attn"`
	MLP       feedForward `hf:"mlp"`
}

// Forward implements DecoderLayer.
func (l *parallelLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	h := l.Norm.Forward(p, x)
	x = op.Add(p, x, l.Attention.Forward(p, h, bounds, cache))
	return op.Add(p, x, l.MLP.Forward(p, h))
}
