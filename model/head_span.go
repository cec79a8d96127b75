package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() { objectives[head.QuestionAnswering] = span{} }

// span finds an answer in a document. Each token has two outputs: the scores of the answer starting and ending there. A
// document's labels are the first and the last token of its answer, counted from the document's start.
type span struct{}

func (span) scored(labels []int32, _ []float32) int {
	if len(labels) > 0 && labels[0] != head.IgnoreIndex {
		return 1
	}
	return 0
}

func (span) check(_ *Head, b *Batch) error {
	bounds := b.Bounds()
	docs := len(bounds) - 1
	if len(b.Labels) != 2*docs {
		return fmt.Errorf("model: %d labels for %d documents; want two each, the answer's first and last token", len(b.Labels), docs)
	}
	for d := range docs {
		first, last, n := b.Labels[2*d], b.Labels[2*d+1], bounds[d+1]-bounds[d]
		if first == head.IgnoreIndex && last == head.IgnoreIndex {
			continue
		}
		if first < 0 || last < first || int(last) >= n {
			return fmt.Errorf("model: document %d of %d tokens has its answer in tokens %d to %d", d, n, first, last)
		}
	}
	return nil
}

// loss is the mean of two cross-entropies over the document's tokens: of the first and of the last token (Devlin et al. 2019,
// section 4.2).
func (span) loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor {
	return op.SpanCrossEntropy(p, h.project(p, x, nil), b.Bounds(), b.Labels, head.IgnoreIndex)
}
