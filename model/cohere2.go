package model

import (
	"errors"

	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("cohere2", Architecture{Class: "Cohere2", Prefix: "model.", Kind: head.CausalLM, New: newCohere2})
}

// cohere2Config has the keys of config.json for Command R7B and A.
type cohere2Config struct {
	DecoderConfig
	WindowConfig
	LayerNormEps         float64 `json:"layer_norm_eps"`
	LogitScale           float32 `json:"logit_scale"`
	AttentionBias        bool    `json:"attention_bias"`
	SlidingWindowPattern int     `json:"sliding_window_pattern"`
	// The following say what the family always has, in files of older versions.
	RotaryPct            float64 `json:"rotary_pct"`
	PositionEmbedding    string  `json:"position_embedding_type"`
	UseGatedActivation   bool    `json:"use_gated_activation"`
	UseParallelBlock     bool    `json:"use_parallel_block"`
	UseParallelEmbedding bool    `json:"use_parallel_embedding"`
	UseEmbeddingSharing  bool    `json:"use_embedding_sharing"`
	OrderOfLayers        string  `json:"order_of_interleaved_layers"`
}

// newCohere2 declares a decoder of Command R7B (Cohere 2025, arXiv 2504.00698): both halves of a layer read one norm, layers
// with a window have rotary positions, and those without have none.
func newCohere2(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &cohere2Config{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 8192, HiddenAct: "silu", TieWordEmbeddings: true, PadTokenID: new(int32(0)),
			lacks: []head.Kind{head.SequenceClassification, head.TokenClassification}},
		WindowConfig: WindowConfig{SlidingWindow: new(4096)}, LayerNormEps: 1e-5, LogitScale: 0.0625, SlidingWindowPattern: 4,
	}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if c.LogitScale == 0 {
		return nil, nil, errors.New("config.json: logit_scale is 0; want another number")
	}
	c.HeadDim = nil // transformers takes hidden_size/num_attention_heads whatever the file says
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	if err := positive("sliding_window_pattern", c.SlidingWindowPattern); err != nil {
		return nil, nil, err
	}
	if err := c.complete(c.NumHiddenLayers, everyNth(c.SlidingWindowPattern)); err != nil {
		return nil, nil, err
	}
	norm := func() Norm { return newBiaslessNorm(c.HiddenSize, float32(c.LayerNormEps)) }
	c.rope.Interleaved = true
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		if a.Window = c.windowOf(i); a.Window == 0 {
			a.RoPE = nil
		}
		return &parallelLayer{Norm: norm(), Attention: a, MLP: c.NewMLP(false)}
	})
	if err != nil {
		return nil, nil, err
	}
	d.Norm, h.LogitScale = norm(), c.LogitScale
	return d, h, nil
}
