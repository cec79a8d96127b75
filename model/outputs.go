package model

import (
	"errors"
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// check says what is wrong with a batch for the model.
func (m *Model) check(b *Batch, cache *Cache) error {
	sizes := m.Config()
	if _, ok := m.Backbone.(EncoderDecoder); ok {
		if cache == nil {
			return m.checkSources(b)
		}
		if len(cache.sources[0]) != len(cache.layers[0]) {
			return fmt.Errorf("model: the cache holds %d sources for %d documents; Encode reads them", len(cache.sources[0]), len(cache.layers[0]))
		}
		if m.Head().Out != nil {
			sizes.VocabSize, _ = m.Head().Out.Dims()
		}
	}
	if err := b.check(sizes); err != nil {
		return err
	}
	if m.Head().unpadded && b.padded() {
		return notSupported("model: %s with padding (AttentionLengths) is not supported; give it documents of one length", m.arch.Class)
	}
	return nil
}

// Loss returns the losses of all that is scored in a batch, [scored, 1]; a causal model's are in the order of Batch.Scored.
// op.Matrix reads them, and Pass.Backward propagates their gradients. They are valid until p is released.
func (m *Model) Loss(p *op.Pass, b *Batch) (mat.Tensor, error) {
	h := m.Head()
	s := objectives[h.Kind]
	if err := m.check(b, nil); err != nil {
		return nil, err
	}
	if err := s.check(h, b); err != nil {
		return nil, err
	}
	if p.LabelSmoothing > 0 && !h.HasClasses() {
		return nil, notSupported("model: label smoothing spreads a label over classes or tokens; a head for %s has none here", h.Kind)
	}
	if len(b.FloatLabels) == 0 && h.Kind != head.FeatureExtraction && countScored(b.Labels) == 0 {
		return nil, errors.New("model: nothing in the batch is scored")
	}
	losses := s.loss(p, h, m.Forward(p, b, nil), b)
	if d, ok := m.Backbone.(*Decoder); ok {
		losses = op.AddBalance(p, losses, d.auxLoss)
	}
	return losses, nil
}

// Scored counts the losses of an example with these labels: of a document, or for feature extraction of a pair.
func (m *Model) Scored(labels []int32, floatLabels []float32) int {
	return objectives[m.Head().Kind].scored(labels, floatLabels)
}

// Logits returns the outputs of the model's head. Sequence classification and multiple choice have one row for each document, [documents, labels] and [documents, 1],
// and feature extraction the documents' vectors, [documents, hidden] or as wide as the last dense layer of sentence-transformers'. Other heads have a row for each of the given rows of the
// batch, [len(rows), outputs]; nil is all rows. With a cache the batch continues the cached documents. The result is valid
// until p is released.
func (m *Model) Logits(p *op.Pass, b *Batch, rows []int, cache *Cache) (tensor.Matrix, error) {
	h := m.Head()
	if err := m.check(b, cache); err != nil {
		return tensor.Matrix{}, err
	}
	if err := h.checkPooling(b); err != nil {
		return tensor.Matrix{}, err
	}
	x := m.Forward(p, b, cache)
	if h.Out == nil {
		return op.Matrix(h.embed(p, x, b)), nil
	}
	if h.Kind == head.SequenceClassification || h.Kind == head.MultipleChoice {
		return op.Matrix(h.documents(p, x, b)), nil
	}
	return op.Matrix(h.project(p, x, rows)), nil
}

// LastHiddenState returns the last hidden states of a batch, [tokens, hidden], valid until p is released.
func (m *Model) LastHiddenState(p *op.Pass, b *Batch) (tensor.Matrix, error) {
	if m.Head().Kind == head.Seq2SeqLM {
		return tensor.Matrix{}, fmt.Errorf("model: a model for %s has no hidden state for each token of the text", head.Seq2SeqLM)
	}
	if err := b.check(m.Config()); err != nil {
		return tensor.Matrix{}, err
	}
	return op.Matrix(m.Forward(p, b, nil)), nil
}
