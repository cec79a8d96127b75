package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() { objectives[head.MultipleChoice] = choice{} }

// choice chooses among documents: each has one output, and those of a question compete. A question's label is the number of the
// right document, from 0.
type choice struct{}

func (choice) scored(labels []int32, _ []float32) int { return countScored(labels) }

func (choice) check(_ *Head, b *Batch) error {
	bounds := b.choiceBounds()
	docs := len(b.Bounds()) - 1
	if bounds[len(bounds)-1] != docs {
		return fmt.Errorf("model: questions of %v choices; the batch has %d documents", b.Choices, docs)
	}
	if len(b.Labels) != len(bounds)-1 {
		return fmt.Errorf("model: %d labels for %d questions; want one each", len(b.Labels), len(bounds)-1)
	}
	for q, l := range b.Labels {
		n := bounds[q+1] - bounds[q]
		if n < 1 {
			return fmt.Errorf("model: question %d has %d choices", q, n)
		}
		if l != head.IgnoreIndex && (l < 0 || int(l) >= n) {
			return fmt.Errorf("model: question %d has label %d and %d choices", q, l, n)
		}
	}
	return nil
}

// loss is the cross-entropy over a question's choices (Devlin et al. 2019, section 4.4).
func (choice) loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor {
	return op.SpanCrossEntropy(p, h.documents(p, x, b), b.choiceBounds(), b.Labels, head.IgnoreIndex)
}

// choiceBounds says where the documents of the questions begin; without Choices all are of one question.
func (b *Batch) choiceBounds() []int {
	if len(b.Choices) == 0 {
		return []int{0, len(b.Bounds()) - 1}
	}
	bounds := []int{0}
	for _, n := range b.Choices {
		bounds = append(bounds, bounds[len(bounds)-1]+n)
	}
	return bounds
}
