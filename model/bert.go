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
	m := &bert{c: bertConfig{HiddenDropoutProb: 0.1, AttentionProbsDropoutProb: 0.1}}
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
	var err error
	m.head, err = m.newHead(want)
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
	if c.act, err = op.ParseActivation(c.HiddenAct); err != nil {
		return notSupported("config.json: hidden_act: %w", err)
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

// newHead declares the head of a kind, with the names of the model type.
func (m *bert) newHead(k head.Config) (*Head, error) {
	c := &m.c
	h, n, labels := &Head{Config: k}, c.HiddenSize, len(k.Labels)
	drop := float32(c.HiddenDropoutProb)
	if c.ClassifierDropout != nil {
		drop = float32(*c.ClassifierDropout)
	}
	switch k.Kind {
	case head.FeatureExtraction:
	case head.QuestionAnswering:
		h.Out = NewLinear(2, n, true)
		h.Add("qa_outputs", h.Out)
	case head.TokenClassification:
		h.Out, h.Dropout = NewLinear(labels, n, true), drop
		h.Add("classifier", h.Out)
	case head.SequenceClassification:
		h.Dense, h.Out, h.Dropout = NewLinear(n, n, true), NewLinear(labels, n, true), drop
		switch {
		case c.ModelType == "bert":
			h.Activation, h.DenseIsPooler = op.Tanh, true
			h.Add("@.pooler.dense", h.Dense)
			h.Add("classifier", h.Out)
			return h, nil
		case c.roberta():
			h.Activation = op.Tanh
		default:
			h.Activation = op.GELU
		}
		h.Add("classifier.dense", h.Dense)
		h.Add("classifier.out_proj", h.Out)
	case head.MaskedLM:
		m.maskedLM(h)
	default:
		return nil, noHead(c.ModelType, k.Kind)
	}
	return h, nil
}

// maskedLM declares the parts of a head that predicts masked tokens.
func (m *bert) maskedLM(h *Head) {
	c := &m.c
	h.Dense, h.Activation = NewLinear(c.EmbeddingSize, c.HiddenSize, true), op.GELU
	h.Norm = NewLayerNorm(c.EmbeddingSize, c.eps)
	h.Out = NewLinear(c.VocabSize, c.EmbeddingSize, true)
	if c.TieWordEmbeddings == nil || *c.TieWordEmbeddings {
		h.Out.Weight.tied = m.Words
	}
	bias := func(name string) { // the projection's bias, under a name of its own
		b := NewWeight(c.VocabSize)
		h.Add(name, b)
		h.Out.Bias.tied = b
	}
	switch {
	case c.ModelType == "electra":
		h.Add("generator_predictions.dense", h.Dense)
		h.Add("generator_predictions.LayerNorm", h.Norm)
		h.Add("generator_lm_head", h.Out)
	case c.roberta():
		h.Add("lm_head.dense", h.Dense)
		h.Add("lm_head.layer_norm", h.Norm)
		bias("lm_head.bias")
		h.Add("lm_head.decoder", h.Out)
	default:
		h.Activation = c.act
		h.Add("cls.predictions.transform.dense", h.Dense)
		h.Add("cls.predictions.transform.LayerNorm", h.Norm)
		bias("cls.predictions.bias")
		h.Add("cls.predictions.decoder", h.Out)
	}
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
	words := m.Words.Lookup(p, b.IDs)
	words.Padding = []int32{m.c.pad}
	sum := op.EmbeddingSum(p, words, m.Positions.Lookup(p, b.positions(m.c.first)), m.Types.Lookup(p, b.types()))
	x := m.Norm.Forward(p, op.EmbeddingNoise(p, sum, b.Bounds()))
	x = op.Dropout(p, x, float32(m.c.HiddenDropoutProb), "embeddings")
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
