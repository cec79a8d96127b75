package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("albert", Architecture{Class: "Albert", Prefix: "albert.", Kind: head.FeatureExtraction, New: newALBERT})
}

// albertConfig has the keys of config.json for ALBERT.
type albertConfig struct {
	VocabSize                 int     `json:"vocab_size"`
	EmbeddingSize             int     `json:"embedding_size"`
	HiddenSize                int     `json:"hidden_size"`
	IntermediateSize          int     `json:"intermediate_size"`
	NumHiddenLayers           int     `json:"num_hidden_layers"`
	NumHiddenGroups           int     `json:"num_hidden_groups"`
	InnerGroupNum             int     `json:"inner_group_num"`
	NumAttentionHeads         int     `json:"num_attention_heads"`
	MaxPositionEmbeddings     int     `json:"max_position_embeddings"`
	TypeVocabSize             int     `json:"type_vocab_size"`
	HiddenAct                 string  `json:"hidden_act"`
	LayerNormEps              float64 `json:"layer_norm_eps"`
	PadTokenID                int32   `json:"pad_token_id"`
	HiddenDropoutProb         float64 `json:"hidden_dropout_prob"`
	AttentionProbsDropoutProb float64 `json:"attention_probs_dropout_prob"`
	ClassifierDropoutProb     float64 `json:"classifier_dropout_prob"`
	TieWordEmbeddings         bool    `json:"tie_word_embeddings"`
	PositionEmbeddingType     string  `json:"position_embedding_type"`
	// The following are in published files and have never been read.
	NetStructureType int `json:"net_structure_type"`
	NumMemoryBlocks  int `json:"num_memory_blocks"`
	GapSize          int `json:"gap_size"`
	DownScaleFactor  int `json:"down_scale_factor"`
}

// albert is the encoder of ALBERT (Lan et al. 2020, arXiv 1909.11942): a BERT with narrow embeddings, whose layers of a group
// have the same weights. An adapter on them is shared, too.
type albert struct {
	nn.Module
	Words     *Weight        `hf:"@.embeddings.word_embeddings.weight"`
	Positions *Weight        `hf:"@.embeddings.position_embeddings.weight"`
	Types     *Weight        `hf:"@.embeddings.token_type_embeddings.weight"`
	Norm      *LayerNorm     `hf:"@.embeddings.LayerNorm"`
	Project   *Linear        `hf:"@.encoder.embedding_hidden_mapping_in"`
	Groups    []*albertGroup `hf:"@.encoder.albert_layer_groups"`

	c   albertConfig
	act op.Activation
}

type albertGroup struct {
	Layers []*albertLayer `hf:"albert_layers"`
}

type albertLayer struct {
	Query         *Linear    `hf:"attention.query"`
	Key           *Linear    `hf:"attention.key"`
	Value         *Linear    `hf:"attention.value"`
	Output        *Linear    `hf:"attention.dense"`
	AttentionNorm *LayerNorm `hf:"attention.LayerNorm"`
	Up            *Linear    `hf:"ffn"`
	Down          *Linear    `hf:"ffn_output"`
	Norm          *LayerNorm `hf:"full_layer_layer_norm"`
}

var _ Backbone = (*albert)(nil)

func newALBERT(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	m := &albert{c: albertConfig{EmbeddingSize: 128, NumHiddenGroups: 1, InnerGroupNum: 1, MaxPositionEmbeddings: 512, TypeVocabSize: 2,
		HiddenAct: "gelu_new", LayerNormEps: 1e-12, ClassifierDropoutProb: 0.1, TieWordEmbeddings: true}}
	c := &m.c
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	var err error
	if m.act, err = parseActivation("hidden_act", c.HiddenAct); err != nil {
		return nil, nil, err
	}
	n, e := c.HiddenSize, c.EmbeddingSize
	m.Words, m.Positions, m.Types = NewWeight(c.VocabSize, e), NewWeight(c.MaxPositionEmbeddings, e), NewWeight(c.TypeVocabSize, e)
	m.Norm, m.Project = c.newNorm(e), NewLinear(n, e, true)
	for range c.NumHiddenGroups {
		g := &albertGroup{}
		for range c.InnerGroupNum {
			g.Layers = append(g.Layers, &albertLayer{
				Query: NewLinear(n, n, true), Key: NewLinear(n, n, true), Value: NewLinear(n, n, true), Output: NewLinear(n, n, true),
				AttentionNorm: c.newNorm(n), Up: NewLinear(c.IntermediateSize, n, true), Down: NewLinear(n, c.IntermediateSize, true), Norm: c.newNorm(n),
			})
		}
		m.Groups = append(m.Groups, g)
	}
	h, err := m.heads().declare(want)
	return m, h, err
}

func (c *albertConfig) newNorm(n int) *LayerNorm { return NewLayerNorm(n, float32(c.LayerNormEps)) }

// check says what is wrong with the keys.
func (c *albertConfig) check() error {
	if err := positive("vocab_size", c.VocabSize, "embedding_size", c.EmbeddingSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize,
		"num_hidden_layers", c.NumHiddenLayers, "num_hidden_groups", c.NumHiddenGroups, "inner_group_num", c.InnerGroupNum,
		"num_attention_heads", c.NumAttentionHeads, "max_position_embeddings", c.MaxPositionEmbeddings, "type_vocab_size", c.TypeVocabSize); err != nil {
		return err
	}
	switch {
	case c.HiddenSize%c.NumAttentionHeads != 0:
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	case c.NumHiddenGroups > c.NumHiddenLayers:
		return fmt.Errorf("config.json: num_hidden_groups is %d, num_hidden_layers %d; want no more groups than layers", c.NumHiddenGroups, c.NumHiddenLayers)
	case c.PositionEmbeddingType != "" && c.PositionEmbeddingType != "absolute":
		return notSupported("config.json: position_embedding_type %q is not supported; supported is absolute", c.PositionEmbeddingType)
	}
	return fewParts("num_hidden_groups", c.NumHiddenGroups, "inner_group_num", c.InnerGroupNum)
}

func (m *albert) heads() *encoderHeads {
	c := &m.c
	return &encoderHeads{modelType: "albert", hidden: c.HiddenSize, tokenDropout: c.ClassifierDropoutProb, classDropout: c.ClassifierDropoutProb,
		dense: "@.pooler", classes: "classifier", activation: op.Tanh, pooler: true,
		masked: maskedHead{dense: "predictions.dense", norm: "predictions.LayerNorm", decoder: "predictions.decoder", bias: "predictions.bias",
			activation: m.act, newNorm: func() *LayerNorm { return c.newNorm(c.EmbeddingSize) }, words: m.Words, untied: !c.TieWordEmbeddings}}
}

// Config implements Backbone.
func (m *albert) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings, TypeVocabSize: c.TypeVocabSize, NumHiddenLayers: c.NumHiddenLayers,
		HiddenSize: c.HiddenSize, Dropout: c.HiddenDropoutProb, AttentionDropout: c.AttentionProbsDropoutProb}
}

// Forward implements Backbone.
func (m *albert) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	x := embedTokens(p, b, m.Words, m.c.PadTokenID, m.Norm, m.c.HiddenDropoutProb, m.Positions.Lookup(p, b.positions(0)), m.Types.Lookup(p, b.types()))
	x = op.Linear(p, x, m.Project)
	for i := range m.c.NumHiddenLayers {
		for _, l := range m.Groups[i*m.c.NumHiddenGroups/m.c.NumHiddenLayers].Layers {
			x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, x, b, i) })
		}
	}
	return x
}

// layer runs a layer as the i-th of all.
func (m *albert) layer(p *op.Pass, l *albertLayer, x mat.Tensor, b *Batch, i int) mat.Tensor {
	c := &m.c
	s := encoderShape(c.NumAttentionHeads, c.HiddenSize/c.NumAttentionHeads, b, c.AttentionProbsDropoutProb, l.Query)
	s.Name = fmt.Sprintf("%s %d", s.Name, i)
	a := op.Linear(p, op.Attention(p, op.Linear(p, x, l.Query, l.Key, l.Value), b.Bounds(), nil, s, nil), l.Output)
	a = op.Dropout(p, a, float32(c.HiddenDropoutProb), fmt.Sprintf("%s output %d", l.Output.path, i))
	x = l.AttentionNorm.Forward(p, op.Add(p, x, a))
	return l.Norm.Forward(p, op.Add(p, x, op.MLP(p, x, m.act, l.Up, l.Down)))
}
