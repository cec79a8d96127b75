package model

import "github.com/spagotune/spagotune/head"

func init() {
	Register("exaone4", Architecture{Class: "Exaone4", Prefix: "model.", Prefixes: transformerSpans, Kind: head.CausalLM, New: newEXAONE4})
}

// exaone4Config has the keys of config.json for EXAONE 4.
type exaone4Config struct {
	DecoderConfig
	WindowConfig
	SlidingWindowPattern any `json:"sliding_window_pattern"` // a number, or a text such as LLLG that layer_types spell out
}

// newEXAONE4 declares a decoder of EXAONE 4 (LG AI Research 2025, arXiv 2507.11407): norms after each half, norms of queries
// and keys, and windows in most layers; where there are windows, layers without one have no rotary positions.
func newEXAONE4(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &exaone4Config{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-5, HiddenAct: "silu", NumKeyValueHeads: new(32), spans: true},
		WindowConfig:  WindowConfig{SlidingWindow: new(4096)}, SlidingWindowPattern: 4.0,
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	slides := func(int) bool { return false }
	if n, ok := c.SlidingWindowPattern.(float64); c.SlidingWindow != nil && c.LayerTypes == nil {
		if !ok || n < 1 {
			return nil, nil, notSupported("config.json: sliding_window_pattern is %v; want a number from 1 on, or layer_types", c.SlidingWindowPattern)
		}
		slides = everyNth(int(n))
	}
	if err := c.complete(c.NumHiddenLayers, slides); err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(false, false)
		a.NormHeads()
		if a.Window = c.windowOf(i); c.SlidingWindow != nil && !c.slides(i) {
			a.RoPE = nil
		}
		return &postNormLayer{Attention: a, AttentionNorm: c.NewNorm(), MLP: c.NewMLP(false), MLPNorm: c.NewNorm()}
	})
}
