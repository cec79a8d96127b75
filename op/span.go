package op

import "github.com/nlpodyssey/spago/mat"

// SpanCrossEntropy scores where answers start and end: logits is [tokens, 2], document d is rows bounds[d] to bounds[d+1],
// labels has two entries a document, the first and the last token of its answer from the document's start on, or ignore.
// The losses [documents that are scored, 1] are the mean of the two cross-entropies over the document's tokens.
func SpanCrossEntropy(t *Pass, logits mat.Tensor, bounds []int, labels []int32, ignore int32) mat.Tensor {
	m := Matrix(logits)
	var docs []int
	for d := range len(bounds) - 1 {
		if labels[2*d] != ignore {
			docs = append(docs, d)
		}
	}
	y, p := t.New(len(docs), 1), t.Zeros(m.Rows, 2)
	for i, d := range docs {
		y.m.Data[i] = 0
		from, n := bounds[d], bounds[d+1]-bounds[d]
		column := make([]float32, 2*n)
		for c := range 2 {
			for j := range n {
				column[j] = m.Row(from + j)[c]
			}
			target := int(labels[2*d+c])
			y.m.Data[i] += logSoftmax(column[n:], column[:n], target) / 2
			column[n+target]--
			for j := range n {
				p.m.Row(from + j)[c] = column[n+j] / 2
			}
		}
	}
	return t.run(y, []mat.Tensor{logits}, nil, func(gy *Tensor) []*Tensor {
		for i, d := range docs {
			for j := bounds[d]; j < bounds[d+1]; j++ {
				p.m.Row(j)[0] *= gy.m.Data[i]
				p.m.Row(j)[1] *= gy.m.Data[i]
			}
		}
		return []*Tensor{p}
	})
}
