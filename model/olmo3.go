package model

import "github.com/spagotune/spagotune/head"

func init() {
	Register("olmo3", Architecture{Class: "Olmo3", Prefix: "model.", Kind: head.CausalLM, New: newOLMo3})
}

// olmo3Config has the keys of config.json for OLMo 3.
type olmo3Config struct {
	DecoderConfig
	WindowConfig
	AttentionBias bool `json:"attention_bias"`
}

// newOLMo3 declares a decoder of OLMo 3 (OLMo Team 2025): OLMo 2 with windows in three of four layers, and rotary positions by
// type of layer.
func newOLMo3(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	const theta = 500000
	c := &olmo3Config{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-5, HiddenAct: "silu", PadTokenID: new(int32(1)),
			RoPEConfig: RoPEConfig{RopeTheta: theta}, ropeByType: true, lacks: []head.Kind{head.TokenClassification}},
		WindowConfig: WindowConfig{SlidingWindow: new(4096)},
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if err := c.complete(c.NumHiddenLayers, everyNth(4)); err != nil {
		return nil, nil, err
	}
	ropes, err := c.ropesByType(theta)
	if err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		a.NormProjections()
		a.RoPE, a.Window = ropes[c.LayerTypes[i]], c.windowOf(i)
		return &postNormLayer{Attention: a, AttentionNorm: c.NewNorm(), MLP: c.NewMLP(false), MLPNorm: c.NewNorm()}
	})
}
