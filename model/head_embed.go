package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() { objectives[head.FeatureExtraction] = embedding{} }

// contrastiveScale multiplies the cosine similarities of pairs, as in sentence-transformers' MultipleNegativesRankingLoss.
const contrastiveScale = 20

// embedding turns every document into a vector. It trains on pairs: documents 2i and 2i+1 belong together, and all others of
// the batch do not (Henderson et al. 2017, arXiv 1705.00652, section 4).
type embedding struct{}

// scored: an example is a pair, which has one loss.
func (embedding) scored([]int32, []float32) int { return 1 }

func (embedding) check(_ *Head, b *Batch) error {
	docs := len(b.Bounds()) - 1
	if docs%2 != 0 || docs < 4 {
		return fmt.Errorf("model: %d documents; a contrastive batch has two pairs or more", docs)
	}
	return nil
}

func (embedding) loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor {
	v := h.embed(p, x, b)
	var first, second []int
	for d := 0; d+1 < len(b.Bounds()); d += 2 {
		first, second = append(first, d), append(second, d+1)
	}
	return op.InfoNCE(p, op.Gather(p, v, first), op.Gather(p, v, second), contrastiveScale)
}
