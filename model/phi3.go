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
		return &phi3Layer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.newFusedMLP(), drop: float32(c.ResidPDrop)}
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

// phi3Layer has a norm before each half, and dropout after it.
type phi3Layer struct {
	InputNorm Norm           `hf:"input_layernorm"`
	Attention *phi3Attention `hf:"self_attn"`
	PostNorm  Norm           `hf:"post_attention_layernorm"`
	MLP       *fusedMLP      `hf:"mlp"`
	drop      float32
}

// Forward implements DecoderLayer.
func (l *phi3Layer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	a := l.Attention.Forward(p, l.InputNorm.Forward(p, x), bounds, cache)
	x = op.Add(p, x, dropOutput(p, a, l.drop, l.Attention.Output))
	return op.Add(p, x, dropOutput(p, l.MLP.Forward(p, l.PostNorm.Forward(p, x)), l.drop, l.MLP.Down))
}

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
