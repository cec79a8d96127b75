package model

import (
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// encoderHeads describes the heads of an encoder. What a head is made of is the same in all families; names, rates of dropout
// and activations differ.
type encoderHeads struct {
	modelType string
	hidden    int
	// The rates of dropout before the last layer. Where noSpans and noChoices are set, the family has no head for question answering
	// and for multiple choice.
	spanDropout, tokenDropout, classDropout float64
	noSpans, noChoices                      bool
	// The head for classes of texts: the paths of its two layers. With pooler, the first one is the family's pooler.
	dense, classes string
	activation     op.Activation
	pooler         bool
	// choices is the path of the first layer of the head for multiple choice, and choiceActivation what follows it, where they are
	// not those for classes of texts.
	choices          string
	choiceActivation op.Activation
	choiceDropout    float64
	masked           maskedHead
}

// maskedHead is a head that predicts masked tokens: the paths of its parts, and the norm between them, whose size is that of the
// embeddings. bias, where not "", is another path of the projection's bias.
type maskedHead struct {
	dense, norm, decoder, bias string
	activation                 op.Activation
	newNorm                    func() *LayerNorm
	words                      *Weight
	untied                     bool
}

// declare declares the head of a kind.
func (e *encoderHeads) declare(k head.Config) (*Head, error) {
	h, n := &Head{Config: k}, e.hidden
	switch {
	case k.Kind == head.FeatureExtraction:
	case k.Kind == head.QuestionAnswering && !e.noSpans:
		h.addOut("qa_outputs", 2, n, e.spanDropout)
	case k.Kind == head.TokenClassification:
		h.addOut("classifier", len(k.Labels), n, e.tokenDropout)
	case k.Kind == head.SequenceClassification:
		h.Dense, h.Activation, h.DenseIsPooler = NewLinear(n, n, true), e.activation, e.pooler
		h.Add(e.dense, h.Dense)
		h.addOut(e.classes, len(k.Labels), n, e.classDropout)
	case k.Kind == head.MultipleChoice && !e.noChoices:
		dense, activation, dropout := e.dense, e.activation, e.classDropout
		if e.choices != "" {
			dense, activation, dropout = e.choices, e.choiceActivation, e.choiceDropout
		}
		h.Dense, h.Activation, h.DenseIsPooler = NewLinear(n, n, true), activation, true
		h.Add(dense, h.Dense)
		h.addOut("classifier", 1, n, dropout)
	case k.Kind == head.MaskedLM:
		m := &e.masked
		_, width := m.words.rowsCols()
		h.Dense, h.Activation, h.Norm = NewLinear(width, n, true), m.activation, m.newNorm()
		h.Add(m.dense, h.Dense)
		h.Add(m.norm, h.Norm)
		h.addTied(m.decoder, m.bias, m.words, m.untied)
	default:
		return nil, noHead(e.modelType, k.Kind)
	}
	return h, nil
}
