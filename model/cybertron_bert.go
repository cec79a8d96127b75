package model

import (
	"encoding/json"
	"fmt"
	"strconv"

	cybert "github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/spago/nn"
	"github.com/nlpodyssey/spago/nn/activation"
	"github.com/nlpodyssey/spago/nn/attention/multiheadattention"
	"github.com/nlpodyssey/spago/nn/linear"
	"github.com/nlpodyssey/spago/nn/normalization/layernorm"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// cybertronBERT is the encoder of one of Cybertron's models, and the kind of its head.
func cybertronBERT(cyb any) (*cybert.Model, head.Kind) {
	switch m := cyb.(type) {
	case *cybert.Model:
		return m, head.FeatureExtraction
	case *cybert.ModelForSequenceEncoding:
		return m.Bert, head.FeatureExtraction
	case *cybert.ModelForSequenceClassification:
		return m.Bert, head.SequenceClassification
	case *cybert.ModelForTokenClassification:
		return m.Bert, head.TokenClassification
	case *cybert.ModelForQuestionAnswering:
		return m.Bert, head.QuestionAnswering
	case *cybert.ModelForMaskedLM:
		return m.Bert, head.MaskedLM
	}
	return nil, ""
}

// bertConfigOf is the config.json of a Cybertron model.
func bertConfigOf(b *cybert.Model, kind head.Kind) ([]byte, error) {
	c := b.Config
	all := map[string]any{"model_type": "bert", "vocab_size": c.VocabSize, "hidden_size": c.HiddenSize,
		"intermediate_size": c.IntermediateSize, "num_hidden_layers": c.NumHiddenLayers, "num_attention_heads": c.NumAttentionHeads,
		"max_position_embeddings": c.MaxPositionEmbeddings, "type_vocab_size": c.TypeVocabSize, "hidden_act": c.HiddenAct,
		"pad_token_id": c.PadTokenId, "architectures": []string{"Bert" + suffixOf(kind)}}
	if c.LayerNormEps > 0 {
		all["layer_norm_eps"] = c.LayerNormEps
	}
	if c.InitializerRange > 0 {
		all["initializer_range"] = c.InitializerRange
	}
	if c.PositionEmbeddingType != "" {
		all["position_embedding_type"] = c.PositionEmbeddingType
	}
	if len(c.ID2Label) > 0 {
		all["id2label"] = c.ID2Label
	}
	return json.MarshalIndent(all, "", "  ")
}

// suffixOf is the end of class names with a kind of head.
func suffixOf(k head.Kind) string {
	for _, s := range suffixes {
		if s.kind == k {
			return s.suffix
		}
	}
	return ""
}

// withCybertronHead puts a new head on a Cybertron model, in the Cybertron type for that head; fresh is false where the model
// has that head already.
func withCybertronHead(cyb any, want head.Config) (with any, fresh bool, err error) {
	b, kind := cybertronBERT(cyb)
	if b == nil {
		return bartWithCybertronHead(cyb, want)
	}
	if kind == want.Kind && (len(want.Labels) == 0 || len(want.Labels) == len(b.Config.ID2Label)) {
		return cyb, false, nil
	}
	own := *b
	own.Config.ID2Label = labelMap(want.Labels)
	own.Config.Architectures = []string{"Bert" + suffixOf(want.Kind)}
	with, err = bertWithHead(&own, want.Kind)
	if want.Kind == head.MaskedLM {
		return nil, false, notSupported("a new head for %s is not supported", want.Kind)
	}
	return with, want.Kind != head.FeatureExtraction, err
}

func labelMap(labels []string) map[string]string {
	m := map[string]string{}
	for i, l := range labels {
		m[strconv.Itoa(i)] = l
	}
	return m
}

// bertWithHead makes the model of a kind over an encoder.
func bertWithHead(b *cybert.Model, k head.Kind) (any, error) {
	switch k {
	case head.FeatureExtraction:
		return cybert.NewModelForSequenceEncoding(b), nil
	case head.SequenceClassification:
		return cybert.NewModelForSequenceClassification[float32](b), nil
	case head.TokenClassification:
		return cybert.NewModelForTokenClassification[float32](b), nil
	case head.QuestionAnswering:
		return cybert.NewModelForQuestionAnswering[float32](b), nil
	case head.MaskedLM:
		return cybert.NewModelForMaskedLM[float32](b), nil
	}
	return nil, notSupported("Cybertron's BERT has no head for %s", k)
}

// newCybertron implements cybertronBackbone.
func (m *bert) newCybertron(*Model) (any, error) {
	c := &m.c
	if c.ModelType != "bert" {
		return nil, fmt.Errorf("Cybertron has no tasks for model_type %q; it has them for bert", c.ModelType)
	}
	act, ok := cybertronActivations[c.act]
	if !ok {
		return nil, fmt.Errorf("config.json: hidden_act %q: Cybertron has no such function", c.HiddenAct)
	}
	config := cybert.Config{
		Architectures: []string{"Bert" + suffixOf(m.head.Kind)}, ModelType: "bert", HiddenAct: act,
		VocabSize: c.VocabSize, HiddenSize: c.HiddenSize, EmbeddingsSize: c.HiddenSize, IntermediateSize: c.IntermediateSize,
		NumHiddenLayers: c.NumHiddenLayers, NumAttentionHeads: c.NumAttentionHeads, MaxPositionEmbeddings: c.MaxPositionEmbeddings,
		TypeVocabSize: c.TypeVocabSize, PositionEmbeddingType: "absolute", LayerNormEps: 1e-12, InitializerRange: 0.02,
		HiddenDropoutProb: c.HiddenDropoutProb, AttentionProbsDropoutProb: c.AttentionProbsDropoutProb,
		ID2Label: labelMap(m.head.Labels),
	}
	if c.LayerNormEps != nil {
		config.LayerNormEps = *c.LayerNormEps
	}
	if c.PadTokenID != nil {
		config.PadTokenId = *c.PadTokenID
	}
	config.Cybertron.Training = true
	return bertWithHead(cybert.New[float32](config), m.head.Kind)
}

// sharesMemory implements cybertronBackbone.
func (m *bert) sharesMemory() {}

// pair implements cybertronBackbone.
func (m *bert) pair(p *pairing, cyb any) error {
	b, kind := cybertronBERT(cyb)
	c, h := &m.c, m.head
	switch {
	case b == nil:
		return fmt.Errorf("%T is not a BERT, which config.json describes", cyb)
	case kind != h.Kind:
		return fmt.Errorf("%T has a head for %s, config.json one for %s", cyb, kind, h.Kind)
	case m.Project != nil || b.Embeddings.Projector != nil:
		return notSupported("embedding_size %d with hidden_size %d is not supported by Cybertron", c.EmbeddingSize, c.HiddenSize)
	case len(b.Encoder.Layers) != len(m.Layers):
		return fmt.Errorf("the Cybertron model has %d layers, config.json %d", len(b.Encoder.Layers), len(m.Layers))
	}
	p.table(m.Words, b.Embeddings.Tokens)
	p.table(m.Positions, b.Embeddings.Positions)
	p.table(m.Types, b.Embeddings.TokenTypes)
	p.norm(m.Norm, b.Embeddings.Norm)
	for i, l := range m.Layers {
		if err := l.pair(p, b.Encoder.Layers[i], c); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
	}
	pooler := b.Pooler.Model[0].(*linear.Model)
	if kind == head.SequenceClassification {
		p.linear(h.Dense, pooler)
	} else {
		prefix := ""
		if kind != head.FeatureExtraction {
			prefix = "bert."
		}
		p.addExtra(prefix+poolerPath, c.HiddenSize, c.HiddenSize, pooler)
	}
	switch s := cyb.(type) {
	case *cybert.ModelForSequenceClassification:
		p.linear(h.Out, s.Classifier)
	case *cybert.ModelForTokenClassification:
		p.linear(h.Out, s.Classifier)
	case *cybert.ModelForQuestionAnswering:
		p.linear(h.Out, s.Classifier)
	case *cybert.ModelForMaskedLM:
		p.linear(h.Dense, s.Layers[0].(*linear.Model))
		p.norm(h.Norm, s.Layers[2].(*layernorm.Model))
		p.linear(h.Out, s.Layers[3].(*linear.Model))
		h.Out.Weight.twin = m.Words
	}
	return nil
}

func (l *bertLayer) pair(p *pairing, s *cybert.EncoderLayer, c *bertConfig) error {
	if err := p.attention(s.SelfAttention.Attention, c.NumAttentionHeads, l.Query, l.Key, l.Value, l.Output); err != nil {
		return err
	}
	p.norm(l.AttentionNorm, s.SelfAttention.Norm)
	p.linear(l.Up, s.FF.MLP[0].(*linear.Model))
	p.linear(l.Down, s.FF.MLP[2].(*linear.Model))
	p.norm(l.Norm, s.FF.Norm)
	return checkActivation(s.FF.MLP[1], c.act)
}

// attention pairs the layers of an attention. Cybertron has a layer for the rows of each head.
func (p *pairing) attention(a *multiheadattention.Model, heads int, query, key, value, output *Linear) error {
	if len(a.Heads) != heads {
		return fmt.Errorf("the Cybertron model has %d heads, config.json %d", len(a.Heads), heads)
	}
	var q, k, v []*linear.Model
	for _, h := range a.Heads {
		q, k, v = append(q, h.Query), append(k, h.Key), append(v, h.Value)
		p.buffers = append(p.buffers, &h.ScaleFactor)
	}
	p.linear(query, q...)
	p.linear(key, k...)
	p.linear(value, v...)
	p.linear(output, a.OutputMerge)
	return nil
}

// checkActivation makes sure that the function between the linear layers is config.json's.
func checkActivation(m nn.StandardModel, act op.Activation) error {
	a, ok := m.(*activation.Model)
	if !ok {
		return fmt.Errorf("%T is not an activation", m)
	}
	if name, ok := cybertronActivations[act]; ok {
		if want, err := activation.ParseActivation(name); err == nil && (want == a.Activation || want == activation.SiLU && a.Activation == activation.Swish) {
			return nil
		}
	}
	return fmt.Errorf("the Cybertron model's activation is number %d, config.json's another", a.Activation)
}

// cybertronActivations are Cybertron's names of activations. Its GELU is always by tanh.
var cybertronActivations = map[op.Activation]string{op.GELU: "gelu", op.GELUTanh: "gelu", op.ReLU: "relu", op.SiLU: "silu", op.Tanh: "tanh"}

var _ cybertronBackbone = (*bert)(nil)
