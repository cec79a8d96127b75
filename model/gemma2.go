package model

import (
	"fmt"
	"math"

	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("gemma2", Architecture{Class: "Gemma2", Prefix: "model.", Kind: head.CausalLM, New: newGemma2})
}

// gemma2Config has the keys of config.json for Gemma 2; Gemma 3 has them too.
type gemma2Config struct {
	DecoderConfig
	WindowConfig
	AttentionBias         bool     `json:"attention_bias"`
	HiddenActivation      string   `json:"hidden_activation"`
	QueryPreAttnScalar    float64  `json:"query_pre_attn_scalar"`
	FinalLogitSoftcapping *float32 `json:"final_logit_softcapping"`
	AttnLogitSoftcapping  *float32 `json:"attn_logit_softcapping"`
}

// newGemma2Config has the defaults that Gemma 2 and 3 share.
func newGemma2Config() gemma2Config {
	return gemma2Config{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 8192, RMSNormEps: 1e-6, NumKeyValueHeads: new(4), HeadDim: new(256),
			TieWordEmbeddings: true, PadTokenID: new(int32(0)), normOffset: 1},
		WindowConfig: WindowConfig{SlidingWindow: new(4096)}, HiddenActivation: "gelu_pytorch_tanh", QueryPreAttnScalar: 256,
	}
}

// newGemma2 declares a decoder of Gemma 2 (Gemma Team 2024, arXiv 2408.00118): norms before and after each half, soft caps of
// scores and logits, windows in every other layer.
func newGemma2(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := newGemma2Config()
	c.FinalLogitSoftcapping, c.AttnLogitSoftcapping = new(float32(30)), new(float32(50))
	if err := config.Decode(&c); err != nil {
		return nil, nil, err
	}
	if err := c.complete2(everyNth(2)); err != nil {
		return nil, nil, err
	}
	return c.decoder(want, func(int, *Attention) {})
}

// complete2 derives what follows from the keys; slides is as for WindowConfig.complete.
func (c *gemma2Config) complete2(slides func(i int) bool) error {
	c.HiddenAct = c.HiddenActivation
	if err := c.Complete(); err != nil {
		return err
	}
	if c.QueryPreAttnScalar <= 0 {
		return fmt.Errorf("config.json: query_pre_attn_scalar is %g; want more than 0", c.QueryPreAttnScalar)
	}
	return c.complete(c.NumHiddenLayers, slides)
}

// decoder declares the decoder; more changes the attention of a layer.
func (c *gemma2Config) decoder(want head.Config, more func(i int, a *Attention)) (Backbone, *Head, error) {
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		a.Scale, a.SoftCap, a.Window = float32(1/math.Sqrt(c.QueryPreAttnScalar)), orZero(c.AttnLogitSoftcapping), c.windowOf(i)
		more(i, a)
		return &sandwichLayer{
			InputNorm: c.NewNorm(), Attention: a, AttentionNorm: c.NewNorm(),
			MLPInputNorm: c.NewNorm(), MLP: c.NewMLP(false), MLPNorm: c.NewNorm(),
		}
	})
	if err != nil {
		return nil, nil, err
	}
	d.EmbeddingScale = sqrt32(c.HiddenSize)
	if want.Kind == head.CausalLM {
		h.SoftCap = orZero(c.FinalLogitSoftcapping)
	}
	return d, h, nil
}

func orZero(v *float32) float32 {
	if v == nil {
		return 0
	}
	return *v
}
