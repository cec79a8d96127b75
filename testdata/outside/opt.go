package main

import (
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

func init() {
	model.Register("opt", model.Architecture{Class: "OPT", Prefix: "model.", Kind: head.CausalLM, New: newOPT})
}

// optConfig has the keys of config.json. Dropout is that of the pretraining; adapters have their own.
type optConfig struct {
	VocabSize             int     `json:"vocab_size"`
	HiddenSize            int     `json:"hidden_size"`
	FFNDim                int     `json:"ffn_dim"`
	NumHiddenLayers       int     `json:"num_hidden_layers"`
	NumAttentionHeads     int     `json:"num_attention_heads"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"`
	WordEmbedProjDim      int     `json:"word_embed_proj_dim"`
	ActivationFunction    string  `json:"activation_function"`
	DoLayerNormBefore     *bool   `json:"do_layer_norm_before"`
	EnableBias            *bool   `json:"enable_bias"`
	ElementwiseAffine     *bool   `json:"layer_norm_elementwise_affine"`
	RemoveFinalLayerNorm  bool    `json:"_remove_final_layer_norm"`
	TieWordEmbeddings     *bool   `json:"tie_word_embeddings"`
	Dropout               float64 `json:"dropout"`
	AttentionDropout      float64 `json:"attention_dropout"`
	LayerDrop             float64 `json:"layerdrop"`
	InitStd               float64 `json:"init_std"`
	PadTokenID            *int32  `json:"pad_token_id"`
}

// complete fills in the defaults and refuses what is not computed here.
func (c *optConfig) complete() error {
	if c.ActivationFunction == "" {
		c.ActivationFunction = "relu"
	}
	switch {
	case c.VocabSize < 1 || c.HiddenSize < 1 || c.FFNDim < 1 || c.NumHiddenLayers < 1 || c.NumAttentionHeads < 1 || c.MaxPositionEmbeddings < 1:
		return fmt.Errorf("config.json: a size is missing or not positive")
	case c.HiddenSize%c.NumAttentionHeads != 0:
		return fmt.Errorf("config.json: hidden_size %d is no multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	case c.ActivationFunction != "relu", c.WordEmbedProjDim != 0 && c.WordEmbedProjDim != c.HiddenSize, c.RemoveFinalLayerNorm,
		!orTrue(c.DoLayerNormBefore), !orTrue(c.EnableBias), !orTrue(c.ElementwiseAffine), !orTrue(c.TieWordEmbeddings):
		return fmt.Errorf("config.json: %w: only the OPT models of 125M, 1.3B and more", model.ErrUnsupported)
	}
	return nil
}

func orTrue(b *bool) bool { return b == nil || *b }

// optOffset is the row of the table that a document's first token takes.
const optOffset = 2

// opt is the decoder of OPT (Zhang et al. 2022, arXiv 2205.01068): learned positions, norms before each half of a layer.
type opt struct {
	nn.Module
	Words     *model.Weight    `hf:"@.decoder.embed_tokens.weight"`
	Positions *model.Weight    `hf:"@.decoder.embed_positions.weight"`
	Layers    []*optLayer      `hf:"@.decoder.layers"`
	Norm      *model.LayerNorm `hf:"@.decoder.final_layer_norm"`

	c optConfig
}

type optLayer struct {
	AttentionNorm *model.LayerNorm `hf:"self_attn_layer_norm"`
	Query         *model.Linear    `hf:"self_attn.q_proj"`
	Key           *model.Linear    `hf:"self_attn.k_proj"`
	Value         *model.Linear    `hf:"self_attn.v_proj"`
	Output        *model.Linear    `hf:"self_attn.out_proj"`
	Norm          *model.LayerNorm `hf:"final_layer_norm"`
	Up            *model.Linear    `hf:"fc1"`
	Down          *model.Linear    `hf:"fc2"`
}

func newOPT(config *model.ConfigFile, want head.Config) (model.Backbone, *model.Head, error) {
	m := &opt{}
	if err := config.Decode(&m.c); err != nil {
		return nil, nil, err
	}
	if err := m.c.complete(); err != nil {
		return nil, nil, err
	}
	n, eps := m.c.HiddenSize, float32(1e-5)
	m.Words = model.NewWeight(m.c.VocabSize, n)
	m.Positions = model.NewWeight(m.c.MaxPositionEmbeddings+optOffset, n)
	m.Norm = model.NewLayerNorm(n, eps)
	for range m.c.NumHiddenLayers {
		m.Layers = append(m.Layers, &optLayer{
			AttentionNorm: model.NewLayerNorm(n, eps),
			Query:         model.NewLinear(n, n, true),
			Key:           model.NewLinear(n, n, true),
			Value:         model.NewLinear(n, n, true),
			Output:        model.NewLinear(n, n, true),
			Norm:          model.NewLayerNorm(n, eps),
			Up:            model.NewLinear(m.c.FFNDim, n, true),
			Down:          model.NewLinear(n, m.c.FFNDim, true),
		})
	}
	h := &model.Head{Config: want, Pooling: model.PoolLast}
	switch want.Kind {
	case head.CausalLM:
		h.Out = model.NewLinear(m.c.VocabSize, n, false)
		h.Out.Weight.Tie(m.Words)
		h.Add("lm_head", h.Out)
	case head.SequenceClassification:
		h.Out = model.NewLinear(len(want.Labels), n, false)
		h.Add("score", h.Out)
	case head.FeatureExtraction:
	default:
		return nil, nil, fmt.Errorf("opt has no head for %s: %w", want.Kind, model.ErrUnsupported)
	}
	return m, h, nil
}

// Config implements model.Backbone.
func (m *opt) Config() model.Config {
	return model.Config{VocabSize: m.c.VocabSize, MaxPositionEmbeddings: m.c.MaxPositionEmbeddings, NumHiddenLayers: m.c.NumHiddenLayers, HiddenSize: m.c.HiddenSize}
}

// Forward implements model.Backbone.
func (m *opt) Forward(p *op.Pass, b *model.Batch, cache *model.Cache) mat.Tensor {
	words := m.Words.Lookup(p, b.IDs)
	if m.c.PadTokenID != nil {
		words.Padding = []int32{*m.c.PadTokenID}
	}
	x := op.EmbeddingSum(p, words, m.Positions.Lookup(p, positions(b, cache)))
	for i, l := range m.Layers {
		x = model.RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, i, x, b, cache) })
	}
	return m.Norm.Forward(p, x)
}

// positions are the rows of the table of positions: documents begin at the first, or go on after what is cached.
func positions(b *model.Batch, cache *model.Cache) []int32 {
	rows, bounds := make([]int32, 0, len(b.IDs)), b.Bounds()
	for d := range len(bounds) - 1 {
		first := optOffset
		if cache != nil {
			first += cache.Len(d)
		}
		for i := range bounds[d+1] - bounds[d] {
			rows = append(rows, int32(first+i))
		}
	}
	return rows
}

func (m *opt) layer(p *op.Pass, l *optLayer, i int, x mat.Tensor, b *model.Batch, cache *model.Cache) mat.Tensor {
	dim := m.c.HiddenSize / m.c.NumAttentionHeads
	qkv := op.Linear(p, l.AttentionNorm.Forward(p, x), l.Query, l.Key, l.Value)
	a := op.Attention(p, qkv, b.Bounds(), nil, op.AttentionShape{
		Heads: m.c.NumAttentionHeads, KVHeads: m.c.NumAttentionHeads, HeadDim: dim, Scale: float32(1 / math.Sqrt(float64(dim))),
	}, cache.Layer(i))
	x = op.Add(p, x, op.Linear(p, a, l.Output))
	return op.Add(p, x, op.MLP(p, l.Norm.Forward(p, x), op.ReLU, l.Up, l.Down))
}
