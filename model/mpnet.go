package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("mpnet", Architecture{Class: "MPNet", Prefix: "mpnet.", Kind: head.FeatureExtraction, New: newMPNet})
}

// mpnetConfig has the keys of config.json for MPNet.
type mpnetConfig struct {
	VocabSize                   int     `json:"vocab_size"`
	HiddenSize                  int     `json:"hidden_size"`
	IntermediateSize            int     `json:"intermediate_size"`
	NumHiddenLayers             int     `json:"num_hidden_layers"`
	NumAttentionHeads           int     `json:"num_attention_heads"`
	MaxPositionEmbeddings       int     `json:"max_position_embeddings"`
	RelativeAttentionNumBuckets int     `json:"relative_attention_num_buckets"`
	HiddenAct                   string  `json:"hidden_act"`
	LayerNormEps                float64 `json:"layer_norm_eps"`
	HiddenDropoutProb           float64 `json:"hidden_dropout_prob"`
	AttentionProbsDropoutProb   float64 `json:"attention_probs_dropout_prob"`
	TieWordEmbeddings           bool    `json:"tie_word_embeddings"`
}

// mpnet is the encoder of MPNet (Song et al. 2020, arXiv 2004.09297): a RoBERTa with biases by relative position, which all
// layers share.
type mpnet struct {
	nn.Module
	Words     *Weight       `hf:"@.embeddings.word_embeddings.weight"`
	Positions *Weight       `hf:"@.embeddings.position_embeddings.weight"`
	Norm      *LayerNorm    `hf:"@.embeddings.LayerNorm"`
	Layers    []*mpnetLayer `hf:"@.encoder.layer"`
	Bias      *Weight       `hf:"@.encoder.relative_attention_bias.weight"`

	c   mpnetConfig
	act op.Activation
}

type mpnetLayer struct {
	Query         *Linear    `hf:"attention.attn.q"`
	Key           *Linear    `hf:"attention.attn.k"`
	Value         *Linear    `hf:"attention.attn.v"`
	Output        *Linear    `hf:"attention.attn.o"`
	AttentionNorm *LayerNorm `hf:"attention.LayerNorm"`
	Up            *Linear    `hf:"intermediate.dense"`
	Down          *Linear    `hf:"output.dense"`
	Norm          *LayerNorm `hf:"output.LayerNorm"`
}

// mpnetPad is the token whose embedding does not train, whatever pad_token_id says; positions begin after it.
const mpnetPad = 1

// mpnetBuckets are always as many, whatever relative_attention_num_buckets says.
const mpnetBuckets = 32

var _ Backbone = (*mpnet)(nil)

func newMPNet(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	m := &mpnet{c: mpnetConfig{MaxPositionEmbeddings: 512, RelativeAttentionNumBuckets: mpnetBuckets, HiddenAct: "gelu", LayerNormEps: 1e-12,
		HiddenDropoutProb: 0.1, AttentionProbsDropoutProb: 0.1, TieWordEmbeddings: true}}
	c := &m.c
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := positive("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize,
		"num_hidden_layers", c.NumHiddenLayers, "num_attention_heads", c.NumAttentionHeads); err != nil {
		return nil, nil, err
	}
	switch {
	case c.HiddenSize%c.NumAttentionHeads != 0:
		return nil, nil, fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	case c.MaxPositionEmbeddings <= mpnetPad+1:
		return nil, nil, fmt.Errorf("config.json: max_position_embeddings is %d; want more than %d", c.MaxPositionEmbeddings, mpnetPad+1)
	case c.RelativeAttentionNumBuckets < mpnetBuckets:
		return nil, nil, fmt.Errorf("config.json: relative_attention_num_buckets is %d; want %d or more", c.RelativeAttentionNumBuckets, mpnetBuckets)
	}
	var err error
	if m.act, err = parseActivation("hidden_act", c.HiddenAct); err != nil {
		return nil, nil, err
	}
	n := c.HiddenSize
	m.Words, m.Positions, m.Norm = NewWeight(c.VocabSize, n), NewWeight(c.MaxPositionEmbeddings, n), c.newNorm()
	m.Bias = NewWeight(c.RelativeAttentionNumBuckets, c.NumAttentionHeads)
	for range c.NumHiddenLayers {
		m.Layers = append(m.Layers, &mpnetLayer{
			Query: NewLinear(n, n, true), Key: NewLinear(n, n, true), Value: NewLinear(n, n, true), Output: NewLinear(n, n, true),
			AttentionNorm: c.newNorm(), Up: NewLinear(c.IntermediateSize, n, true), Down: NewLinear(n, c.IntermediateSize, true), Norm: c.newNorm(),
		})
	}
	h, err := m.heads().declare(want)
	return m, h, err
}

func (c *mpnetConfig) newNorm() *LayerNorm {
	return NewLayerNorm(c.HiddenSize, float32(c.LayerNormEps))
}

func (m *mpnet) heads() *encoderHeads {
	c := &m.c
	return &encoderHeads{modelType: "mpnet", hidden: c.HiddenSize, tokenDropout: c.HiddenDropoutProb, classDropout: c.HiddenDropoutProb,
		dense: "classifier.dense", classes: "classifier.out_proj", activation: op.Tanh,
		choices: "@.pooler.dense", choiceActivation: op.Tanh, choiceDropout: c.HiddenDropoutProb,
		masked: maskedHead{dense: "lm_head.dense", norm: "lm_head.layer_norm", decoder: "lm_head.decoder", bias: "lm_head.bias", activation: op.GELU,
			newNorm: c.newNorm, words: m.Words, untied: !c.TieWordEmbeddings}}
}

// Config implements Backbone.
func (m *mpnet) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings - mpnetPad - 1, NumHiddenLayers: c.NumHiddenLayers,
		HiddenSize: c.HiddenSize, Dropout: c.HiddenDropoutProb, AttentionDropout: c.AttentionProbsDropoutProb}
}

// Forward implements Backbone.
func (m *mpnet) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	x := embedTokens(p, b, m.Words, mpnetPad, m.Norm, m.c.HiddenDropoutProb, m.Positions.Lookup(p, b.positions(mpnetPad+1)))
	bias := m.Bias.relativeBias(p, relativeBuckets(mpnetBuckets, 128, true))
	for _, l := range m.Layers {
		part := withBias{l, m.Bias}
		x = RunLayer(p, &part, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, x, b, bias) })
	}
	return x
}

func (m *mpnet) layer(p *op.Pass, l *mpnetLayer, x mat.Tensor, b *Batch, bias *op.RelativeBias) mat.Tensor {
	c := &m.c
	drop := float32(c.HiddenDropoutProb)
	s := encoderShape(c.NumAttentionHeads, c.HiddenSize/c.NumAttentionHeads, b, c.AttentionProbsDropoutProb, l.Query)
	s.Bias = bias
	a := op.Linear(p, op.Attention(p, op.Linear(p, x, l.Query, l.Key, l.Value), b.Bounds(), nil, s, nil), l.Output)
	x = l.AttentionNorm.Forward(p, op.Add(p, x, dropOutput(p, a, drop, l.Output)))
	return l.Norm.Forward(p, op.Add(p, x, dropOutput(p, op.MLP(p, x, m.act, l.Up, l.Down), drop, l.Down)))
}
