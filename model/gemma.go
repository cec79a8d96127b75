package model

import (
	"math"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("gemma", Architecture{Class: "Gemma", Prefix: "model.", Kind: head.CausalLM, New: newGemma})
}

// gemmaConfig has the keys of config.json for Gemma.
type gemmaConfig struct {
	DecoderConfig
	AttentionBias    bool   `json:"attention_bias"`
	HiddenActivation string `json:"hidden_activation"` // an older name of hidden_act, which transformers no longer reads
}

// newGemma declares a decoder of Gemma (Gemma Team 2024, arXiv 2403.08295): a Llama whose norms add 1 to their weights, with
// scaled embeddings and GELU.
func newGemma(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &gemmaConfig{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 8192, RMSNormEps: 1e-6, HiddenAct: "gelu_pytorch_tanh",
		NumKeyValueHeads: new(16), HeadDim: new(256), TieWordEmbeddings: true, PadTokenID: new(int32(0)), normOffset: 1}}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if c.activation == op.GELU { // as transformers reads the first releases
		c.activation = op.GELUTanh
	}
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		return &preNormLayer{
			InputNorm: c.NewNorm(), Attention: c.NewAttention(c.AttentionBias, c.AttentionBias), PostNorm: c.NewNorm(), MLP: c.NewMLP(false),
		}
	})
	if err != nil {
		return nil, nil, err
	}
	d.EmbeddingScale = sqrt32(c.HiddenSize)
	return d, h, nil
}

// sqrt32 is √n.
func sqrt32(n int) float32 { return float32(math.Sqrt(float64(n))) }
