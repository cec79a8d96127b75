package model

import "github.com/spagotune/spagotune/head"

func init() {
	Register("gemma3_text", Architecture{Class: "Gemma3", Prefix: "model.", Kind: head.CausalLM, New: newGemma3,
		Classes: map[head.Kind]string{head.SequenceClassification: "Gemma3TextForSequenceClassification"}})
}

// gemma3Config has the keys of config.json for the text part of Gemma 3.
type gemma3Config struct {
	gemma2Config
	SlidingWindowPattern    int     `json:"sliding_window_pattern"`
	OldSlidingWindowPattern int     `json:"_sliding_window_pattern"` // a copy in newer files
	RopeLocalBaseFreq       float64 `json:"rope_local_base_freq"`
}

// newGemma3 declares the text decoder of Gemma 3 (Gemma Team 2025, arXiv 2503.19786): Gemma 2 with norms of queries and keys
// in place of soft caps, windows in five of six layers, and rotary positions by type of layer.
func newGemma3(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &gemma3Config{gemma2Config: newGemma2Config(), SlidingWindowPattern: 6, RopeLocalBaseFreq: 10000}
	c.MaxPositionEmbeddings, c.RopeTheta, c.ropeByType = 131072, 1e6, true
	c.lacks = []head.Kind{head.TokenClassification}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := c.complete2(everyNth(c.SlidingWindowPattern)); err != nil {
		return nil, nil, err
	}
	ropes, err := c.ropesByType(c.RopeLocalBaseFreq)
	if err != nil {
		return nil, nil, err
	}
	return c.decoder(want, func(i int, a *Attention) {
		a.NormHeads()
		a.RoPE, a.SoftCap = ropes[c.LayerTypes[i]], 0
	})
}
