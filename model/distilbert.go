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
	if m.act, err = op.ParseActivation(c.Activation); err != nil {
		return nil, nil, notSupported("config.json: activation: %w", err)
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
	h, err := m.newHead(want)
	return m, h, err
}

func (m *distilBERT) newHead(k head.Config) (*Head, error) {
	h, c, n := &Head{Config: k}, &m.c, m.c.Dim
	switch k.Kind {
	case head.FeatureExtraction:
	case head.QuestionAnswering:
		h.addOut("qa_outputs", 2, n, c.QADropout)
	case head.TokenClassification:
		h.addOut("classifier", len(k.Labels), n, c.Dropout)
	case head.SequenceClassification:
		h.Dense, h.Activation, h.DenseIsPooler = NewLinear(n, n, true), op.ReLU, true
		h.Add("pre_classifier", h.Dense)
		h.addOut("classifier", len(k.Labels), n, c.SeqClassifDropout)
	case head.MaskedLM:
		h.Dense, h.Activation, h.Norm = NewLinear(n, n, true), m.act, NewLayerNorm(n, distilBERTEps)
		h.Add("vocab_transform", h.Dense)
		h.Add("vocab_layer_norm", h.Norm)
		h.addTied("vocab_projector", "", m.Words, !c.TieWordEmbeddings)
	default:
		return nil, noHead("distilbert", k.Kind)
	}
	return h, nil
}

// Config implements Backbone.
func (m *distilBERT) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings, NumHiddenLayers: c.NLayers, HiddenSize: c.Dim,
		Dropout: c.Dropout, AttentionDropout: c.AttentionDropout}
}

// Forward implements Backbone.
func (m *distilBERT) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	words := m.Words.Lookup(p, b.IDs)
	words.Padding = []int32{m.c.PadTokenID}
	x := op.EmbeddingSum(p, words, m.Positions.Lookup(p, b.positions(0)))
	x = m.Norm.Forward(p, op.EmbeddingNoise(p, x, b.Bounds()))
	x = op.Dropout(p, x, float32(m.c.Dropout), "embeddings")
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
