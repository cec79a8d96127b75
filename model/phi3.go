package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("phi3", Architecture{Class: "Phi3", Prefix: "model.", Kind: head.CausalLM, New: newPhi3})
}

// phi3Config has the keys of config.json for Phi-3, 3.5 and 4.
type phi3Config struct {
	DecoderConfig
	SlidingWindow *int    `json:"sliding_window"`
	AttentionBias bool    `json:"attention_bias"`
	ResidPDrop    float64 `json:"resid_pdrop"`
	EmbdPDrop     float64 `json:"embd_pdrop"` // transformers does not apply it
}

// newPhi3 declares a decoder of Phi-3 (Abdin et al. 2024, arXiv 2404.14219): a Llama with fused projections.
func newPhi3(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &phi3Config{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 4096, RMSNormEps: 1e-5, HiddenAct: "silu",
		PadTokenID: new(int32(32000)), RoPEConfig: RoPEConfig{PartialRotary: true}}}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if c.AttentionBias { // which no release has
		return nil, nil, notSupported("config.json: attention_bias is not a key of %s", c.ModelType)
	}
	w := WindowConfig{SlidingWindow: c.SlidingWindow}
	if err := w.complete(c.NumHiddenLayers, func(int) bool { return true }); err != nil {
		return nil, nil, err
	}
	d, h, err := NewDecoder(&c.DecoderConfig, want, func(int) DecoderLayer {
		a := &phi3Attention{
			QKV:    NewLinear(c.queryCols()+2*c.keyCols(), c.HiddenSize, false),
			Output: NewLinear(c.HiddenSize, c.queryCols(), false), attention: c.newAttention(),
		}
		a.Window = w.window()
		mlp := c.newFusedMLP()
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: mlp, drop: &halvesDropout{float32(c.ResidPDrop), a.Output, mlp.Down}}
	})
	if err != nil || c.rope.Long == nil {
		return d, h, err
	}
	return &longPhi3{d}, h, nil
}

// longPhi3 is a Phi-3 with LongRoPE: transformers drops the cache where a text becomes longer than the original length.
type longPhi3 struct {
	*Decoder `hf:""`
}

var _ CacheRenewer = (*longPhi3)(nil)

// CacheLimit implements CacheRenewer.
func (m *longPhi3) CacheLimit() int { return m.c.rope.Original }

// phi3Attention has queries, keys and values in one layer.
type phi3Attention struct {
	QKV    *Linear `hf:"qkv_proj"`
	Output *Linear `hf:"o_proj"`
	attention
}

// Forward implements attender.
func (a *phi3Attention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	return op.Linear(p, a.attend(p, op.Linear(p, x, a.QKV), bounds, cache, a.QKV), a.Output)
}
