package model

import (
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	for modelType, v := range llamaVariants {
		Register(modelType, Architecture{Class: v.class, Prefix: "model.", Prefixes: v.prefixes, Kind: head.CausalLM, New: v.new})
	}
}

// llamaVariant is how a model type of the Llama family differs from the others.
type llamaVariant struct {
	class    string
	prefixes map[head.Kind]string
	// Defaults of config.json; 0 is the DecoderConfig's own.
	maxPositions, kvHeads, headDim int
	// Whether attention_bias and mlp_bias are keys of the model type.
	attentionBias, mlpBias bool
	// qkvBias says that queries, keys and values have biases whatever config.json says, headNorms that each head of queries
	// and keys has a norm.
	qkvBias, headNorms bool
	// window is the default of sliding_window, 0 where that is not a key. layer_types says which layers have it; without
	// layer_types all layers do where slides, else those that use_sliding_window and max_window_layers name.
	window int
	slides bool
}

var llamaVariants = map[string]llamaVariant{
	"llama":   {class: "Llama", prefixes: transformerSpans, maxPositions: 2048, attentionBias: true, mlpBias: true},
	"mistral": {class: "Mistral", maxPositions: 131072, kvHeads: 8, window: 4096, slides: true},
	"qwen2":   {class: "Qwen2", prefixes: transformerSpans, maxPositions: 32768, kvHeads: 32, qkvBias: true, window: 4096},
	"qwen3":   {class: "Qwen3", prefixes: transformerSpans, maxPositions: 32768, kvHeads: 32, headDim: 128, attentionBias: true, headNorms: true, window: 4096},
}

// llamaConfig has the keys of config.json for the family.
type llamaConfig struct {
	DecoderConfig
	AttentionBias bool `json:"attention_bias"`
	MLPBias       bool `json:"mlp_bias"`
	WindowConfig
	PretrainingTP    int  `json:"pretraining_tp"`
	RopeInterleaved  bool `json:"rope_interleaved"`
	UseSlidingWindow bool `json:"use_sliding_window"`
	MaxWindowLayers  int  `json:"max_window_layers"`
}

// new declares a decoder of the Llama family (Touvron et al. 2023).
func (v llamaVariant) new(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &llamaConfig{
		DecoderConfig:   DecoderConfig{MaxPositionEmbeddings: v.maxPositions, RMSNormEps: 1e-6, HiddenAct: "silu", spans: true},
		MaxWindowLayers: 28,
	}
	if v.kvHeads > 0 {
		c.NumKeyValueHeads = new(v.kvHeads)
	}
	if v.headDim > 0 {
		c.HeadDim = new(v.headDim)
	}
	if v.window > 0 {
		c.SlidingWindow = new(v.window)
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if err := v.check(c); err != nil {
		return nil, nil, err
	}
	slides := func(i int) bool { return v.slides || c.UseSlidingWindow && i >= c.MaxWindowLayers }
	if err := c.complete(c.NumHiddenLayers, slides); err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(v.qkvBias || c.AttentionBias, c.AttentionBias)
		if v.headNorms {
			a.NormHeads()
		}
		a.Window = c.windowOf(i)
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.NewMLP(c.MLPBias)}
	})
}

// check refuses what is not supported, and keys of other model types.
func (v llamaVariant) check(c *llamaConfig) error {
	switch {
	case c.activation != op.SiLU:
		return notSupported("config.json: hidden_act %q is not supported; the Llama family has silu", c.HiddenAct)
	case c.window() > 0 && v.window == 0:
		return notSupported("config.json: sliding_window is not a key of %s", c.ModelType)
	case c.PretrainingTP > 1:
		return notSupported("config.json: pretraining_tp %d is not supported; set it to 1", c.PretrainingTP)
	case c.RopeInterleaved:
		return notSupported("config.json: rope_interleaved is not supported")
	case c.AttentionBias && !v.attentionBias:
		return notSupported("config.json: attention_bias is not a key of %s", c.ModelType)
	case c.MLPBias && !v.mlpBias:
		return notSupported("config.json: mlp_bias is not a key of %s", c.ModelType)
	}
	return nil
}
