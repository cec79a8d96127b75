package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("distilbert", Architecture{Class: "DistilBert", Prefix: "distilbert.", Kind: head.FeatureExtraction, New: newDistilBERT})
}

// distilBERTConfig has the keys of config.json for DistilBERT.
type distilBERTConfig struct {
	VocabSize             int     `json:"vocab_size"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"`
	SinusoidalPosEmbds    bool    `json:"sinusoidal_pos_embds"` // how the positions, which are in the checkpoint, began
	Dim                   int     `json:"dim"`
	NLayers               int     `json:"n_layers"`
	NHeads                int     `json:"n_heads"`
	HiddenDim             int     `json:"hidden_dim"`
	Activation            string  `json:"activation"`
	Dropout               float64 `json:"dropout"`
	AttentionDropout      float64 `json:"attention_dropout"`
	QADropout             float64 `json:"qa_dropout"`
	SeqClassifDropout     float64 `json:"seq_classif_dropout"`
	PadTokenID            int32   `json:"pad_token_id"`
	TieWordEmbeddings     bool    `json:"tie_word_embeddings"`
	TieWeights            bool    `json:"tie_weights_"` // a note in older files
}

// distilBERT is the encoder of DistilBERT (Sanh et al. 2019, arXiv 1910.01108): a BERT without segments.
type distilBERT struct {
	nn.Module
	Words     *Weight            `hf:"@.embeddings.word_embeddings.weight"`
	Positions *Weight            `hf:"@.embeddings.position_embeddings.weight"`
	Norm      *LayerNorm         `hf:"@.embeddings.LayerNorm"`
	Layers    []*distilBERTLayer `hf:"@.transformer.layer"`

	c   distilBERTConfig
	act op.Activation
}

type distilBERTLayer struct {
	Query         *Linear    `hf:"attention.q_lin"`
	Key           *Linear    `hf:"attention.k_lin"`
	Value         *Linear    `hf:"attention.v_lin"`
	Output        *Linear    `hf:"attention.out_lin"`
	AttentionNorm *LayerNorm `hf:"sa_layer_norm"`
	Up            *Linear    `hf:"ffn.lin1"`
	Down          *Linear    `hf:"ffn.lin2"`
	Norm          *LayerNorm `hf:"output_layer_norm"`
}

const distilBERTEps = 1e-12

var _ Backbone = (*distilBERT)(nil)

func newDistilBERT(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	m := &distilBERT{c: distilBERTConfig{MaxPositionEmbeddings: 512, Dim: 768, NLayers: 6, NHeads: 12, HiddenDim: 3072, Activation: "gelu",
		Dropout: 0.1, AttentionDropout: 0.1, QADropout: 0.1, SeqClassifDropout: 0.2, TieWordEmbeddings: true}}
	c := &m.c
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := positive("vocab_size", c.VocabSize, "max_position_embeddings", c.MaxPositionEmbeddings, "dim", c.Dim, "n_layers", c.NLayers,
		"n_heads", c.NHeads, "hidden_dim", c.HiddenDim); err != nil {
		return nil, nil, err
	}
	if c.Dim%c.NHeads != 0 {
		return nil, nil, fmt.Errorf("config.json: dim %d is not a multiple of n_heads %d", c.Dim, c.NHeads)
	}
	var err error
	if m.act, err = parseActivation("activation", c.Activation); err != nil {
		return nil, nil, err
	}
	n := c.Dim
	m.Words, m.Positions, m.Norm = NewWeight(c.VocabSize, n), NewWeight(c.MaxPositionEmbeddings, n), NewLayerNorm(n, distilBERTEps)
	for range c.NLayers {
		m.Layers = append(m.Layers, &distilBERTLayer{
			Query: NewLinear(n, n, true), Key: NewLinear(n, n, true), Value: NewLinear(n, n, true), Output: NewLinear(n, n, true),
			AttentionNorm: NewLayerNorm(n, distilBERTEps), Up: NewLinear(c.HiddenDim, n, true), Down: NewLinear(n, c.HiddenDim, true),
			Norm: NewLayerNorm(n, distilBERTEps),
		})
	}
	h, err := m.heads().declare(want)
	return m, h, err
}

func (m *distilBERT) heads() *encoderHeads {
	c := &m.c
	return &encoderHeads{modelType: "distilbert", hidden: c.Dim, spanDropout: c.QADropout, tokenDropout: c.Dropout, classDropout: c.SeqClassifDropout,
		dense: "pre_classifier", classes: "classifier", activation: op.ReLU, pooler: true,
		masked: maskedHead{dense: "vocab_transform", norm: "vocab_layer_norm", decoder: "vocab_projector", activation: m.act,
			newNorm: func() *LayerNorm { return NewLayerNorm(c.Dim, distilBERTEps) }, words: m.Words, untied: !c.TieWordEmbeddings}}
}

// Config implements Backbone.
func (m *distilBERT) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings, NumHiddenLayers: c.NLayers, HiddenSize: c.Dim,
		Dropout: c.Dropout, AttentionDropout: c.AttentionDropout}
}

// Forward implements Backbone.
func (m *distilBERT) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	x := embedTokens(p, b, m.Words, m.c.PadTokenID, m.Norm, m.c.Dropout, m.Positions.Lookup(p, b.positions(0)))
	for _, l := range m.Layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, x, b) })
	}
	return x
}

func (m *distilBERT) layer(p *op.Pass, l *distilBERTLayer, x mat.Tensor, b *Batch) mat.Tensor {
	c := &m.c
	a := op.Attention(p, op.Linear(p, x, l.Query, l.Key, l.Value), b.Bounds(), nil,
		encoderShape(c.NHeads, c.Dim/c.NHeads, b, c.AttentionDropout, l.Query), nil)
	x = l.AttentionNorm.Forward(p, op.Add(p, x, op.Linear(p, a, l.Output)))
	return l.Norm.Forward(p, op.Add(p, x, dropOutput(p, op.MLP(p, x, m.act, l.Up, l.Down), float32(c.Dropout), l.Down)))
}
