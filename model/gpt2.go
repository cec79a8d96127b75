package model

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("gpt2", Architecture{Class: "GPT2", Prefix: "transformer.", Kind: head.CausalLM, New: newGPT2,
		Classes: map[head.Kind]string{head.CausalLM: "GPT2LMHeadModel"}})
}

// gpt2Config has the keys of config.json for GPT-2.
type gpt2Config struct {
	VocabSize                  int      `json:"vocab_size"`
	Positions                  int      `json:"n_positions"`
	Hidden                     int      `json:"n_embd"`
	Layers                     int      `json:"n_layer"`
	Heads                      int      `json:"n_head"`
	Inner                      *int     `json:"n_inner"` // by default 4·n_embd
	ActivationFunction         string   `json:"activation_function"`
	ResidPDrop                 float64  `json:"resid_pdrop"`
	EmbdPDrop                  float64  `json:"embd_pdrop"`
	AttnPDrop                  float64  `json:"attn_pdrop"`
	ClassifierDropout          *float64 `json:"classifier_dropout"`
	HiddenDropout              *float64 `json:"hidden_dropout"`
	LayerNormEpsilon           float64  `json:"layer_norm_epsilon"`
	ScaleAttnWeights           bool     `json:"scale_attn_weights"`
	ScaleAttnByInverseLayerIdx bool     `json:"scale_attn_by_inverse_layer_idx"`
	ReorderAndUpcastAttn       bool     `json:"reorder_and_upcast_attn"` // the order of float32 operations, which are all there are here
	TieWordEmbeddings          bool     `json:"tie_word_embeddings"`
	NCtx                       int      `json:"n_ctx"` // an older copy of n_positions
	SummaryActivation          *string  `json:"summary_activation"`
	SummaryProjToLabels        bool     `json:"summary_proj_to_labels"` // the summary_ keys are for multiple choice
	SummaryType                string   `json:"summary_type"`
	SummaryUseProj             bool     `json:"summary_use_proj"`
	SummaryFirstDropout        float64  `json:"summary_first_dropout"`
}

// gpt2 is the decoder of GPT-2 (Radford et al. 2019): learned positions, layer norms, and matrices that are stored transposed.
type gpt2 struct {
	nn.Module
	Words     *Weight        `hf:"@.wte.weight"`
	Positions *Weight        `hf:"@.wpe.weight"`
	Layers    []DecoderLayer `hf:"@.h"`
	Norm      *LayerNorm     `hf:"@.ln_f"`

	c *DecoderConfig
	f *gpt2Config
}

var _ Backbone = (*gpt2)(nil)

func newGPT2(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	f := &gpt2Config{Positions: 1024, Hidden: 768, Layers: 12, Heads: 12, ActivationFunction: "gelu_new", ResidPDrop: 0.1, EmbdPDrop: 0.1, AttnPDrop: 0.1,
		LayerNormEpsilon: 1e-5, ScaleAttnWeights: true, TieWordEmbeddings: true}
	if err := config.Decode(f); err != nil {
		return nil, nil, err
	}
	if f.Inner == nil {
		f.Inner = new(4 * f.Hidden)
	}
	c := &DecoderConfig{
		ModelType: "gpt2", VocabSize: f.VocabSize, HiddenSize: f.Hidden, IntermediateSize: *f.Inner, NumHiddenLayers: f.Layers,
		NumAttentionHeads: f.Heads, MaxPositionEmbeddings: f.Positions, HiddenAct: f.ActivationFunction, TieWordEmbeddings: f.TieWordEmbeddings,
		AttentionDropout: f.AttnPDrop, ropeByType: true, tokenHead: "classifier", spans: true,
	}
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	m := &gpt2{Words: NewWeight(c.VocabSize, c.HiddenSize), Positions: NewWeight(f.Positions, c.HiddenSize), Norm: f.newNorm(), c: c, f: f}
	for i := range f.Layers {
		m.Layers = append(m.Layers, &gpt2Layer{
			AttentionNorm: f.newNorm(), Attention: c.newGPT2Attention(f, i), MLPNorm: f.newNorm(), drop: float32(f.ResidPDrop),
			MLP: &cMLP{Up: newConv1D(c.IntermediateSize, c.HiddenSize), Down: newConv1D(c.HiddenSize, c.IntermediateSize), activation: c.activation},
		})
	}
	h, err := c.newHead(want, m.Words)
	if err == nil && want.Kind == head.TokenClassification {
		h.Dropout = f.classifierDropout()
	}
	return m, h, err
}

func (f *gpt2Config) newNorm() *LayerNorm { return NewLayerNorm(f.Hidden, float32(f.LayerNormEpsilon)) }

// classifierDropout is the rate before a head for token classification.
func (f *gpt2Config) classifierDropout() float32 {
	for _, rate := range []*float64{f.ClassifierDropout, f.HiddenDropout} {
		if rate != nil {
			return float32(*rate)
		}
	}
	return 0.1
}

// Config implements Backbone.
func (m *gpt2) Config() Config {
	sizes := m.c.sizes()
	sizes.Dropout = m.f.ResidPDrop
	return sizes
}

// Forward implements Backbone.
func (m *gpt2) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	bounds := b.Bounds()
	positions := make([]int32, len(b.IDs))
	for d := range len(bounds) - 1 {
		past := 0
		if cache != nil {
			past = cache.Len(d)
		}
		for i := bounds[d]; i < bounds[d+1]; i++ {
			positions[i] = int32(past + i - bounds[d])
		}
	}
	x := op.EmbeddingSum(p, m.Words.Lookup(p, b.IDs), m.Positions.Lookup(p, positions))
	x = op.Dropout(p, op.EmbeddingNoise(p, x, bounds), float32(m.f.EmbdPDrop), "embeddings")
	return m.Norm.Forward(p, runLayers(p, m.Layers, x, b, cache))
}

// gpt2Layer has a norm before each half, and dropout after it.
type gpt2Layer struct {
	AttentionNorm *LayerNorm     `hf:"ln_1"`
	Attention     *gpt2Attention `hf:"attn"`
	MLPNorm       *LayerNorm     `hf:"ln_2"`
	MLP           *cMLP          `hf:"mlp"`
	drop          float32
}

// Forward implements DecoderLayer.
func (l *gpt2Layer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	a := l.Attention.Forward(p, l.AttentionNorm.Forward(p, x), bounds, cache)
	x = op.Add(p, x, dropOutput(p, a, l.drop, l.Attention.Output))
	return op.Add(p, x, dropOutput(p, l.MLP.Forward(p, l.MLPNorm.Forward(p, x)), l.drop, l.MLP.Down))
}

// gpt2Attention has queries, keys and values in one layer.
type gpt2Attention struct {
	QKV    *Linear `hf:"c_attn"`
	Output *Linear `hf:"c_proj"`
	attention
}

func (c *DecoderConfig) newGPT2Attention(f *gpt2Config, layer int) *gpt2Attention {
	a := &gpt2Attention{QKV: newConv1D(3*c.HiddenSize, c.HiddenSize), Output: newConv1D(c.HiddenSize, c.HiddenSize), attention: c.newAttention()}
	if !f.ScaleAttnWeights {
		a.Scale = 1
	}
	if f.ScaleAttnByInverseLayerIdx {
		a.Scale /= float32(layer + 1)
	}
	return a
}

// Forward implements attender.
func (a *gpt2Attention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	return op.Linear(p, a.attend(p, op.Linear(p, x, a.QKV), bounds, cache, a.QKV), a.Output)
}
