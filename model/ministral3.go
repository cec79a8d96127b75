package model

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("ministral3", Architecture{Class: "Ministral3", Prefix: "model.", Kind: head.CausalLM, New: newMinistral3})
}

// ministral3Config has the keys of config.json for Ministral 3.
type ministral3Config struct {
	DecoderConfig
	SlidingWindow *int `json:"sliding_window"`
}

// newMinistral3 declares a decoder of Ministral 3 (Mistral AI 2025): a Mistral whose queries are scaled by their position.
func newMinistral3(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &ministral3Config{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 262144, RMSNormEps: 1e-5, HiddenAct: "silu", NumKeyValueHeads: new(8),
		HeadDim: new(128), PadTokenID: new(int32(11)), spans: true}}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	scale, err := c.queryScale()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	w := WindowConfig{SlidingWindow: c.SlidingWindow}
	if err := w.complete(c.NumHiddenLayers, func(int) bool { return true }); err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		a := c.NewAttention(false, false)
		a.Window, a.QueryScale = w.window(), scale
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.NewMLP(false)}
	})
}

// queryScale is 1 + β·log(1 + ⌊position / original length⌋), as in Llama 4. It takes β out of RopeParameters, and a copy of
// max_position_embeddings.
func (c *ministral3Config) queryScale() (func(position int) float32, error) {
	var all map[string]any
	if len(c.RopeParameters) == 0 || json.Unmarshal(c.RopeParameters, &all) != nil {
		return nil, nil // what is wrong with them Complete says
	}
	beta, _ := all["llama_4_scaling_beta"].(float64)
	original, _ := all["original_max_position_embeddings"].(float64)
	delete(all, "llama_4_scaling_beta")
	delete(all, "max_position_embeddings")
	var err error
	switch c.RopeParameters, err = json.Marshal(all); {
	case err != nil || beta == 0:
		return nil, err
	case original <= 0:
		return nil, fmt.Errorf("config.json: rope_parameters: llama_4_scaling_beta needs original_max_position_embeddings, which is %g", original)
	}
	return func(position int) float32 {
		return float32(1 + beta*math.Log1p(math.Floor(float64(position)/original)))
	}, nil
}
