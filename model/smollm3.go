package model

import (
	"fmt"

	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("smollm3", Architecture{Class: "SmolLM3", Prefix: "model.", Prefixes: transformerSpans, Kind: head.CausalLM, New: newSmolLM3})
}

// smolLM3Config has the keys of config.json for SmolLM3.
type smolLM3Config struct {
	DecoderConfig
	WindowConfig
	AttentionBias       bool  `json:"attention_bias"`
	MLPBias             bool  `json:"mlp_bias"`
	UseSlidingWindow    bool  `json:"use_sliding_window"`
	MaxWindowLayers     int   `json:"max_window_layers"` // transformers does not read it
	NoRopeLayers        []int `json:"no_rope_layers"`    // 1 for a layer with rotary positions, whatever the name says
	NoRopeLayerInterval int   `json:"no_rope_layer_interval"`
}

// newSmolLM3 declares a decoder of SmolLM3 (Bakouch et al. 2025): a Llama with layers that have no rotary positions (Yang et
// al. 2025, arXiv 2501.18795).
func newSmolLM3(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &smolLM3Config{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 32768, RMSNormEps: 1e-6, HiddenAct: "silu", NumKeyValueHeads: new(4),
		TieWordEmbeddings: true, PadTokenID: new(int32(128004)), RoPEConfig: RoPEConfig{RopeTheta: 2e6}, spans: true}, NoRopeLayerInterval: 4}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if err := positive("no_rope_layer_interval", c.NoRopeLayerInterval); err != nil {
		return nil, nil, err
	}
	if !c.UseSlidingWindow {
		c.SlidingWindow = nil
	}
	if c.NoRopeLayers == nil {
		turns := everyNth(c.NoRopeLayerInterval)
		for i := range c.NumHiddenLayers {
			c.NoRopeLayers = append(c.NoRopeLayers, 0)
			if turns(i) {
				c.NoRopeLayers[i] = 1
			}
		}
	}
	if len(c.NoRopeLayers) != c.NumHiddenLayers {
		return nil, nil, fmt.Errorf("config.json: no_rope_layers has %d entries for %d layers", len(c.NoRopeLayers), c.NumHiddenLayers)
	}
	if err := c.complete(c.NumHiddenLayers, func(i int) bool { return c.NoRopeLayers[i] == 0 }); err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		if c.NoRopeLayers[i] == 0 {
			a.RoPE = nil
		}
		a.Window = c.windowOf(i)
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.NewMLP(c.MLPBias)}
	})
}
