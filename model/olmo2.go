package model

import "github.com/spagotune/spagotune/head"

func init() {
	Register("olmo2", Architecture{Class: "Olmo2", Prefix: "model.", Kind: head.CausalLM, New: newOLMo2})
}

// olmo2Config has the keys of config.json for OLMo 2.
type olmo2Config struct {
	DecoderConfig
	AttentionBias bool `json:"attention_bias"`
}

// newOLMo2 declares a decoder of OLMo 2 (OLMo et al. 2024, arXiv 2501.00656, section 3).
func newOLMo2(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &olmo2Config{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-5, HiddenAct: "silu", PadTokenID: new(int32(1)),
		lacks: []head.Kind{head.TokenClassification}}}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		a.NormProjections()
		return &postNormLayer{Attention: a, AttentionNorm: c.NewNorm(), MLP: c.NewMLP(false), MLPNorm: c.NewNorm()}
	})
}
