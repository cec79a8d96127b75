package model

import (
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	for modelType, f := range map[string]Architecture{
		"bert": {Class: "Bert", Prefix: "bert."}, "electra": {Class: "Electra", Prefix: "electra."},
		"roberta": {Class: "Roberta", Prefix: "roberta."}, "xlm-roberta": {Class: "XLMRoberta", Prefix: "roberta."},
	} {
		f.Kind, f.New = head.FeatureExtraction, newBERT
		Register(modelType, f)
	}
}

// bertConfig has the keys of config.json for BERT, ELECTRA and RoBERTa.
type bertConfig struct {
	ModelType                 string   `json:"model_type"`
	VocabSize                 int      `json:"vocab_size"`
	EmbeddingSize             int      `json:"embedding_size"`
	HiddenSize                int      `json:"hidden_size"`
	IntermediateSize          int      `json:"intermediate_size"`
	NumHiddenLayers           int      `json:"num_hidden_layers"`
	NumAttentionHeads         int      `json:"num_attention_heads"`
	MaxPositionEmbeddings     int      `json:"max_position_embeddings"`
	TypeVocabSize             int      `json:"type_vocab_size"`
	HiddenAct                 string   `json:"hidden_act"`
	LayerNormEps              *float64 `json:"layer_norm_eps"`
	PositionEmbeddingType     string   `json:"position_embedding_type"`
	TieWordEmbeddings         *bool    `json:"tie_word_embeddings"`
	PadTokenID                *int     `json:"pad_token_id"`
	HiddenDropoutProb         float64  `json:"hidden_dropout_prob"`
	AttentionProbsDropoutProb float64  `json:"attention_probs_dropout_prob"`
	ClassifierDropout         *float64 `json:"classifier_dropout"` // by default HiddenDropoutProb
	SummaryType               string   `json:"summary_type"`
	SummaryActivation         string   `json:"summary_activation"`
	SummaryLastDropout        float64  `json:"summary_last_dropout"`
	SummaryUseProj            bool     `json:"summary_use_proj"`
	NumLabels                 *int     `json:"num_labels"`
	OnnxExport                bool     `json:"onnx_export"`

	eps   float32
	act   op.Activation
	first int // position of a document's first token
	pad   int32
}

// bert is the encoder of BERT (Devlin et al. 2019), ELECTRA (Clark et al. 2020) and RoBERTa (Liu et al. 2019): a norm follows
// each half of a layer, and every token sees its whole document.
type bert struct {
	nn.Module
	Words     *Weight      `hf:"@.embeddings.word_embeddings.weight"`
	Positions *Weight      `hf:"@.embeddings.position_embeddings.weight"`
	Types     *Weight      `hf:"@.embeddings.token_type_embeddings.weight"`
	Norm      *LayerNorm   `hf:"@.embeddings.LayerNorm"`
	Project   *Linear      `hf:"@.embeddings_project"`
	Layers    []*bertLayer `hf:"@.encoder.layer"`

	c    bertConfig
	head *Head
}

type bertLayer struct {
	Query         *Linear    `hf:"attention.self.query"`
	Key           *Linear    `hf:"attention.self.key"`
	Value         *Linear    `hf:"attention.self.value"`
	Output        *Linear    `hf:"attention.output.dense"`
	AttentionNorm *LayerNorm `hf:"attention.output.LayerNorm"`
	Up            *Linear    `hf:"intermediate.dense"`
	Down          *Linear    `hf:"output.dense"`
	Norm          *LayerNorm `hf:"output.LayerNorm"`
}

func newBERT(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	m := &bert{c: bertConfig{HiddenDropoutProb: 0.1, AttentionProbsDropoutProb: 0.1, SummaryType: "first", SummaryUseProj: true, SummaryActivation: "gelu",
		SummaryLastDropout: 0.1}}
	c := &m.c
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := c.complete(); err != nil {
		return nil, nil, err
	}
	h := c.HiddenSize
	m.Words = NewWeight(c.VocabSize, c.EmbeddingSize)
	m.Positions = NewWeight(c.MaxPositionEmbeddings, c.EmbeddingSize)
	m.Types = NewWeight(c.TypeVocabSize, c.EmbeddingSize)
	m.Norm = NewLayerNorm(c.EmbeddingSize, c.eps)
	if c.EmbeddingSize != h {
		m.Project = NewLinear(h, c.EmbeddingSize, true)
	}
	for range c.NumHiddenLayers {
		m.Layers = append(m.Layers, &bertLayer{
			Query: NewLinear(h, h, true), Key: NewLinear(h, h, true), Value: NewLinear(h, h, true),
			Output: NewLinear(h, h, true), AttentionNorm: NewLayerNorm(h, c.eps),
			Up: NewLinear(c.IntermediateSize, h, true), Down: NewLinear(h, c.IntermediateSize, true), Norm: NewLayerNorm(h, c.eps),
		})
	}
	heads, err := m.heads()
	if err == nil {
		m.head, err = heads.declare(want)
	}
	return m, m.head, err
}

// complete fills in transformers' defaults, and refuses what is not supported.
func (c *bertConfig) complete() error {
	if c.EmbeddingSize == 0 || c.ModelType != "electra" {
		c.EmbeddingSize = c.HiddenSize
	}
	if c.TypeVocabSize == 0 {
		c.TypeVocabSize = 2
	}
	if err := positive("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize,
		"num_hidden_layers", c.NumHiddenLayers, "num_attention_heads", c.NumAttentionHeads, "embedding_size", c.EmbeddingSize,
		"max_position_embeddings", c.MaxPositionEmbeddings, "type_vocab_size", c.TypeVocabSize); err != nil {
		return err
	}
	c.eps = 1e-12
	if c.LayerNormEps != nil {
		c.eps = float32(*c.LayerNormEps)
	}
	if c.HiddenAct == "" {
		c.HiddenAct = "gelu"
	}
	var err error
	if c.act, err = parseActivation("hidden_act", c.HiddenAct); err != nil {
		return err
	}
	if c.roberta() {
		c.pad = 1
	}
	if c.PadTokenID != nil {
		c.pad = int32(*c.PadTokenID)
	}
	if c.roberta() {
		c.first = int(c.pad) + 1
		if c.first < 0 || c.first >= c.MaxPositionEmbeddings {
			return fmt.Errorf("config.json: pad_token_id %d leaves no position of %d", c.first-1, c.MaxPositionEmbeddings)
		}
	}
	switch {
	case c.HiddenSize%c.NumAttentionHeads != 0:
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	case c.PositionEmbeddingType != "" && c.PositionEmbeddingType != "absolute":
		return notSupported("config.json: position_embedding_type %q is not supported; supported is absolute", c.PositionEmbeddingType)
	}
	return nil
}

func (c *bertConfig) roberta() bool { return c.ModelType == "roberta" || c.ModelType == "xlm-roberta" }

var _ NumericsSetter = (*bert)(nil)

// SetNumerics implements NumericsSetter.
func (m *bert) SetNumerics(name string) error {
	switch name {
	case "", HuggingFace:
		return nil
	case Cybertron:
	default:
		return fmt.Errorf("numerics %q is not known; known are %s, %s", name, HuggingFace, Cybertron)
	}
	norms := []*LayerNorm{m.Norm}
	for _, l := range m.Layers {
		norms = append(norms, l.AttentionNorm, l.Norm)
	}
	if m.head.Norm != nil {
		norms = append(norms, m.head.Norm)
	}
	for _, n := range norms {
		n.Eps = 1e-5
	}
	for _, a := range []*op.Activation{&m.c.act, &m.head.Activation} {
		if *a == op.GELU {
			*a = op.GELUTanh
		}
	}
	return nil
}

// heads are the model type's.
func (m *bert) heads() (*encoderHeads, error) {
	c := &m.c
	drop := c.HiddenDropoutProb
	if c.ClassifierDropout != nil {
		drop = *c.ClassifierDropout
	}
	e := &encoderHeads{modelType: c.ModelType, hidden: c.HiddenSize, tokenDropout: drop, classDropout: drop,
		dense: "classifier.dense", classes: "classifier.out_proj", activation: op.GELU,
		masked: maskedHead{activation: op.GELU, newNorm: func() *LayerNorm { return NewLayerNorm(c.EmbeddingSize, c.eps) }, words: m.Words,
			untied: c.TieWordEmbeddings != nil && !*c.TieWordEmbeddings}}
	masked := &e.masked
	var err error
	switch {
	case c.ModelType == "bert":
		e.dense, e.classes, e.activation, e.pooler = "@.pooler.dense", "classifier", op.Tanh, true
	case c.roberta():
		e.activation = op.Tanh
		e.choices, e.choiceActivation, e.choiceDropout = "@.pooler.dense", op.Tanh, c.HiddenDropoutProb
	case c.SummaryType != "first" || !c.SummaryUseProj:
		e.noChoices = true
	default:
		e.choices, e.choiceDropout = "sequence_summary.summary", c.SummaryLastDropout
		e.choiceActivation, err = parseActivation("summary_activation", c.SummaryActivation)
	}
	switch {
	case c.ModelType == "electra":
		masked.dense, masked.norm, masked.decoder = "generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head"
	case c.roberta():
		masked.dense, masked.norm, masked.decoder, masked.bias = "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias"
	default:
		masked.activation = c.act
		masked.dense, masked.norm = "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"
		masked.decoder, masked.bias = "cls.predictions.decoder", "cls.predictions.bias"
	}
	return e, err
}

// Config implements Backbone.
func (m *bert) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings - c.first, TypeVocabSize: c.TypeVocabSize,
		NumHiddenLayers: c.NumHiddenLayers, HiddenSize: c.HiddenSize,
		Dropout: c.HiddenDropoutProb, AttentionDropout: c.AttentionProbsDropoutProb}
}

// Forward implements Backbone.
func (m *bert) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	x := m.embed(p, b)
	for _, l := range m.Layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, x, b) })
	}
	return x
}

// embed sums the embeddings of tokens, positions and segments.
func (m *bert) embed(p *op.Pass, b *Batch) mat.Tensor {
	x := embedTokens(p, b, m.Words, m.c.pad, m.Norm, m.c.HiddenDropoutProb, m.Positions.Lookup(p, b.positions(m.c.first)), m.Types.Lookup(p, b.types()))
	if m.Project != nil {
		x = op.Linear(p, x, m.Project)
	}
	return x
}

func (m *bert) layer(p *op.Pass, l *bertLayer, x mat.Tensor, b *Batch) mat.Tensor {
	dim := m.c.HiddenSize / m.c.NumAttentionHeads
	a := op.Attention(p, op.Linear(p, x, l.Query, l.Key, l.Value), b.Bounds(), nil, op.AttentionShape{
		Heads: m.c.NumAttentionHeads, KVHeads: m.c.NumAttentionHeads, HeadDim: dim, Bidirectional: true, AttentionLengths: b.AttentionLengths,
		Scale: float32(1 / math.Sqrt(float64(dim))), Dropout: float32(m.c.AttentionProbsDropoutProb), Name: l.Query.path,
	}, nil)
	drop := float32(m.c.HiddenDropoutProb)
	x = l.AttentionNorm.Forward(p, op.Add(p, x, dropOutput(p, op.Linear(p, a, l.Output), drop, l.Output)))
	return l.Norm.Forward(p, op.Add(p, x, dropOutput(p, op.MLP(p, x, m.c.act, l.Up, l.Down), drop, l.Down)))
}
