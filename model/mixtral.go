package model

import (
	"strings"

	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("mixtral", Architecture{Class: "Mixtral", Prefix: "model.", Kind: head.CausalLM, New: newMixtral, Stored: func(name string) []StoredPart {
		name = strings.Replace(name, ".mlp.", ".block_sparse_moe.", 1)
		if parts := storedExperts(name, "w1", "w3", "w2"); parts != nil {
			return parts
		}
		return []StoredPart{{Name: name}}
	}})
}

// mixtralConfig has the keys of config.json for Mixtral.
type mixtralConfig struct {
	DecoderConfig
	MoEConfig
	SlidingWindow     *int    `json:"sliding_window"`
	RouterJitterNoise float64 `json:"router_jitter_noise"`
}

// newMixtral declares a decoder of Mixtral (Jiang et al. 2024, arXiv 2401.04088): a Mistral with experts.
func newMixtral(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &mixtralConfig{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 131072, RMSNormEps: 1e-5, HiddenAct: "silu", NumKeyValueHeads: new(8),
			RoPEConfig: RoPEConfig{RopeTheta: 1e6}, spans: true},
		MoEConfig: MoEConfig{NumExpertsPerTok: 2, RouterAuxLossCoef: 0.001},
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	n, err := c.experts(8, c.NumHiddenLayers)
	if err != nil {
		return nil, nil, err
	}
	w := WindowConfig{SlidingWindow: c.SlidingWindow}
	if err := w.complete(c.NumHiddenLayers, func(int) bool { return true }); err != nil {
		return nil, nil, err
	}
	return newMoEDecoder(&c.DecoderConfig, &c.MoEConfig, want, func(int) DecoderLayer {
		a := c.NewAttention(false, false)
		a.Window = w.window()
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.newMixture(&c.MoEConfig, n, c.IntermediateSize, true)}
	})
}
