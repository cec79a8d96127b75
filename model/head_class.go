package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	objectives[head.SequenceClassification] = sequenceClass{}
	objectives[head.TokenClassification] = tokenClass{}
}

// sequenceClass classifies documents: each has one label, or for multi-label classification and regression a value for each
// of the head's labels.
type sequenceClass struct{}

func (sequenceClass) scored(labels []int32, values []float32) int {
	if len(values) > 0 || len(labels) > 0 && labels[0] != head.IgnoreIndex {
		return 1
	}
	return 0
}

func (sequenceClass) check(h *Head, b *Batch) error {
	docs := len(b.Bounds()) - 1
	if err := h.checkPooling(b); err != nil {
		return err
	}
	if h.Problem() != head.SingleLabel {
		if want := docs * len(h.Labels); len(b.FloatLabels) != want {
			return fmt.Errorf("model: %d values for %d documents of a head with %d outputs; want %d", len(b.FloatLabels), docs, len(h.Labels), want)
		}
		return nil
	}
	if len(b.Labels) != docs {
		return fmt.Errorf("model: %d labels for %d documents; want one each", len(b.Labels), docs)
	}
	for _, l := range b.Labels {
		if err := h.classLabel(l); err != nil {
			return err
		}
	}
	return nil
}

func (sequenceClass) loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor {
	y := h.documents(p, x, b)
	switch h.Problem() {
	case head.MultiLabel:
		return op.BinaryCrossEntropy(p, y, h.values(b))
	case head.Regression:
		return op.MeanSquares(p, y, h.values(b))
	}
	at, targets := labelled(b.Labels)
	if len(at) < len(b.Labels) {
		y = op.Gather(p, y, at)
	}
	return op.WeightedCrossEntropy(p, y, targets, b.weights(at))
}

// weights are those of some labels of a batch; nil is 1 for each.
func (b *Batch) weights(at []int) []float32 {
	if len(b.Weights) == 0 {
		return nil
	}
	w := make([]float32, len(at))
	for i, j := range at {
		w[i] = b.Weights[j]
	}
	return w
}

// values are a batch's FloatLabels, [documents, outputs].
func (h *Head) values(b *Batch) tensor.Matrix {
	return tensor.View(b.FloatLabels, len(b.FloatLabels)/len(h.Labels), len(h.Labels))
}

// tokenClass gives every token a label; the ignored ones are not scored.
type tokenClass struct{}

func (tokenClass) scored(labels []int32, _ []float32) int { return countScored(labels) }

func (tokenClass) check(h *Head, b *Batch) error {
	if err := b.perToken(); err != nil {
		return err
	}
	for _, l := range b.Labels {
		if err := h.classLabel(l); err != nil {
			return err
		}
	}
	return nil
}

func (tokenClass) loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor {
	rows, targets := labelled(b.Labels)
	return op.WeightedCrossEntropy(p, h.project(p, x, rows), targets, b.weights(rows))
}
