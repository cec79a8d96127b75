package model

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// encoderShape is attention in which every token sees its whole document; query is the layer whose path names the mask of
// dropout.
func encoderShape(heads, headDim int, b *Batch, dropout float64, query *Linear) op.AttentionShape {
	return op.AttentionShape{
		Heads: heads, KVHeads: heads, HeadDim: headDim, Bidirectional: true, AttentionLengths: b.AttentionLengths,
		Scale: float32(1 / math.Sqrt(float64(headDim))), Dropout: float32(dropout), Name: query.path,
	}
}

// positions are those of a batch's tokens in their documents, from first on.
func (b *Batch) positions(first int) []int32 {
	bounds := b.Bounds()
	p := make([]int32, len(b.IDs))
	for d := range len(bounds) - 1 {
		for i := bounds[d]; i < bounds[d+1]; i++ {
			p[i] = int32(first + i - bounds[d])
		}
	}
	return p
}

// types are the segments of a batch's tokens, 0 where it names none.
func (b *Batch) types() []int32 {
	if b.TokenTypeIDs == nil {
		return make([]int32, len(b.IDs))
	}
	return b.TokenTypeIDs
}

// embedTokens sums the embeddings of a batch's tokens, of which pad gets no gradient, and others, with noise, norm and dropout.
func embedTokens(p *op.Pass, b *Batch, words *Weight, pad int32, norm *LayerNorm, dropout float64, others ...op.EmbeddingPart) mat.Tensor {
	tokens := words.Lookup(p, b.IDs)
	tokens.Padding = []int32{pad}
	sum := op.EmbeddingSum(p, append([]op.EmbeddingPart{tokens}, others...)...)
	return op.Dropout(p, norm.Forward(p, op.EmbeddingNoise(p, sum, b.Bounds())), float32(dropout), "embeddings")
}

// addTied declares the projection of a masked-LM head under a path, tied to the table of words unless untied. biasPath, where
// not "", is another path of its bias.
func (h *Head) addTied(path, biasPath string, words *Weight, untied bool) {
	rows, cols := words.rowsCols()
	h.Out = NewLinear(rows, cols, true)
	if !untied {
		h.Out.Weight.tied = words
	}
	if biasPath != "" {
		b := NewWeight(rows)
		h.Add(biasPath, b)
		h.Out.Bias.tied = b
	}
	h.Add(path, h.Out)
}

// addOut declares the last layer of a head.
func (h *Head) addOut(path string, outputs, inputs int, dropout float64) {
	h.Out, h.Dropout = NewLinear(outputs, inputs, true), float32(dropout)
	h.Add(path, h.Out)
}
