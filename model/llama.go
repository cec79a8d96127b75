package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	for modelType, v := range llamaVariants {
		Register(modelType, Architecture{Class: v.class, Prefix: "model.", Kind: head.CausalLM, New: v.new})
	}
}

// llamaVariant is how a model type of the Llama family differs from the others.
type llamaVariant struct {
	class string
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
	"llama":   {class: "Llama", maxPositions: 2048, attentionBias: true, mlpBias: true},
	"mistral": {class: "Mistral", maxPositions: 131072, kvHeads: 8, window: 4096, slides: true},
	"qwen2":   {class: "Qwen2", maxPositions: 32768, kvHeads: 32, qkvBias: true, window: 4096},
	"qwen3":   {class: "Qwen3", maxPositions: 32768, kvHeads: 32, headDim: 128, attentionBias: true, headNorms: true, window: 4096},
}

// llamaConfig has the keys of config.json for the family.
type llamaConfig struct {
	DecoderConfig
	AttentionBias    bool     `json:"attention_bias"`
	MLPBias          bool     `json:"mlp_bias"`
	PretrainingTP    int      `json:"pretraining_tp"`
	RopeInterleaved  bool     `json:"rope_interleaved"`
	SlidingWindow    *int     `json:"sliding_window"`
	UseSlidingWindow bool     `json:"use_sliding_window"`
	MaxWindowLayers  int      `json:"max_window_layers"`
	LayerTypes       []string `json:"layer_types"`
}

// new declares a decoder of the Llama family (Touvron et al. 2023).
func (v llamaVariant) new(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &llamaConfig{
		DecoderConfig:   DecoderConfig{MaxPositionEmbeddings: v.maxPositions, RMSNormEps: 1e-6, HiddenAct: "silu"},
		MaxWindowLayers: 28, SlidingWindow: new(v.window),
	}
	if v.kvHeads > 0 {
		c.NumKeyValueHeads = new(v.kvHeads)
	}
	if v.headDim > 0 {
		c.HeadDim = new(v.headDim)
	}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	if err := v.check(c); err != nil {
		return nil, nil, err
	}
	windows, err := v.windows(c)
	if err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		l := &llamaLayer{
			InputNorm: c.NewNorm(), Attention: c.NewAttention(v.qkvBias || c.AttentionBias, c.AttentionBias),
			PostNorm: c.NewNorm(), MLP: c.NewMLP(c.MLPBias),
		}
		if v.headNorms {
			l.Attention.NormHeads()
		}
		l.Attention.Window = windows[i]
		return l
	})
}

// llamaLayer has a norm before each half.
type llamaLayer struct {
	InputNorm *RMSNorm   `hf:"input_layernorm"`
	Attention *Attention `hf:"self_attn"`
	PostNorm  *RMSNorm   `hf:"post_attention_layernorm"`
	MLP       *GatedMLP  `hf:"mlp"`
}

// Forward implements DecoderLayer.
func (l *llamaLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	x = op.Add(p, x, l.Attention.Forward(p, l.InputNorm.Forward(p, x), bounds, cache))
	return op.Add(p, x, l.MLP.Forward(p, l.PostNorm.Forward(p, x)))
}

// check refuses what is not supported, and keys of other model types.
func (v llamaVariant) check(c *llamaConfig) error {
	switch {
	case c.activation != op.SiLU:
		return notSupported("config.json: hidden_act %q is not supported; the Llama family has silu", c.HiddenAct)
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

// windows are the layers' Attention.Window.
func (v llamaVariant) windows(c *llamaConfig) ([]int, error) {
	window := 0
	if c.SlidingWindow != nil {
		window = *c.SlidingWindow
	}
	switch {
	case window < 0:
		return nil, fmt.Errorf("config.json: sliding_window is %d; want a number of tokens or null", window)
	case window > 0 && v.window == 0:
		return nil, notSupported("config.json: sliding_window is not a key of %s", c.ModelType)
	}
	if c.LayerTypes != nil && len(c.LayerTypes) != c.NumHiddenLayers {
		return nil, fmt.Errorf("config.json: layer_types has %d entries for %d layers", len(c.LayerTypes), c.NumHiddenLayers)
	}
	windows := make([]int, c.NumHiddenLayers)
	for i := range windows {
		slides := v.slides || c.UseSlidingWindow && i >= c.MaxWindowLayers
		if c.LayerTypes != nil {
			switch c.LayerTypes[i] {
			case "full_attention":
				slides = false
			case "sliding_attention":
				slides = true
			default:
				return nil, fmt.Errorf("config.json: layer_types has %q; supported are full_attention, sliding_attention", c.LayerTypes[i])
			}
		}
		if slides {
			windows[i] = window
		}
	}
	return windows, nil
}
