package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// SpanCrossEntropy is the loss of finding answers. logits is [tokens, 2]: the scores of an answer starting and ending at each
// token. Document d is rows bounds[d] to bounds[d+1]. labels has two entries for each document, the first and the last token
// of its answer, counted from the document's start, or ignore. The losses, [scored documents, 1], are the means of two
// cross-entropies over the document's tokens.
func SpanCrossEntropy(p *Pass, logits mat.Tensor, bounds []int, labels []int32, ignore int32) mat.Tensor {
	var docs []int
	for d := range len(bounds) - 1 {
		if labels[2*d] != ignore {
			docs = append(docs, d)
		}
	}
	rows, _ := dims(logits)
	var dx *Tensor
	return p.Apply(Operator{
		Operands: []mat.Tensor{logits}, Rows: len(docs), Cols: 1,
		Forward: func(y tensor.Matrix) {
			m := Matrix(logits)
			dx = p.Zeros(rows, 2)
			for i, d := range docs {
				y.Data[i] = 0
				from, n := bounds[d], bounds[d+1]-bounds[d]
				column := make([]float32, 2*n)
				for c := range 2 {
					for j := range n {
						column[j] = m.Row(from + j)[c]
					}
					target := int(labels[2*d+c])
					lse, score := logSoftmax(column[n:], column[:n], target)
					y.Data[i] += (lse - score) / 2
					column[n+target]--
					for j := range n {
						dx.m.Row(from + j)[c] = column[n+j] / 2
					}
				}
			}
			if !p.Grad {
				p.Free(dx)
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			for i, d := range docs {
				for j := bounds[d]; j < bounds[d+1]; j++ {
					dx.m.Row(j)[0] *= gy.m.Data[i]
					dx.m.Row(j)[1] *= gy.m.Data[i]
				}
			}
			return []*Tensor{dx}
		},
	})
}
