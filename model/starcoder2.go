package model

import (
	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("starcoder2", Architecture{Class: "Starcoder2", Prefix: "model.", Kind: head.CausalLM, New: newStarCoder2})
}

// starCoder2Config has the keys of config.json for StarCoder2.
type starCoder2Config struct {
	DecoderConfig
	SlidingWindow    *int    `json:"sliding_window"`
	NormEpsilon      float64 `json:"norm_epsilon"`
	UseBias          bool    `json:"use_bias"`
	ResidualDropout  float64 `json:"residual_dropout"`
	EmbeddingDropout float64 `json:"embedding_dropout"`
	// The following say what the family always has.
	MLPType  string `json:"mlp_type"`
	NormType string `json:"norm_type"`
}

// newStarCoder2 declares a decoder of StarCoder2 (Lozhkov et al. 2024, arXiv 2402.19173): layer norms, biases, and a
// feed-forward part without a gate.
func newStarCoder2(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &starCoder2Config{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 4096, HiddenAct: "gelu_pytorch_tanh", NumKeyValueHeads: new(2),
		TieWordEmbeddings: true}, NormEpsilon: 1e-5, UseBias: true}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	w := WindowConfig{SlidingWindow: c.SlidingWindow}
	if err := w.complete(c.NumHiddenLayers, func(int) bool { return true }); err != nil {
		return nil, nil, err
	}
	norm := func() Norm { return NewLayerNorm(c.HiddenSize, float32(c.NormEpsilon)) }
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		a := c.NewAttention(c.UseBias, c.UseBias)
		a.Window = w.window()
		mlp := &cMLP{Up: NewLinear(c.IntermediateSize, c.HiddenSize, c.UseBias), Down: NewLinear(c.HiddenSize, c.IntermediateSize, c.UseBias), activation: c.activation}
		return &preNormLayer{InputNorm: norm(), Attention: a, PostNorm: norm(), MLP: mlp, drop: &halvesDropout{float32(c.ResidualDropout), a.Output, mlp.Down}}
	})
	if err != nil {
		return nil, nil, err
	}
	d.Norm, d.EmbeddingDropout = norm(), float32(c.EmbeddingDropout)
	return d, h, nil
}
