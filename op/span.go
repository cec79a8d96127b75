package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// SpanCrossEntropy is the loss of finding rows in runs of rows. logits is [rows, columns], and run d is rows bounds[d] to
// bounds[d+1]. labels has an entry for each run and column, the row that is right, counted from the run's start, or ignore. The
// losses, [scored runs, 1], are the means over the columns of cross-entropies over the run's rows. With two columns the rows are
// tokens where an answer starts and ends, with one column they are choices.
func SpanCrossEntropy(p *Pass, logits mat.Tensor, bounds []int, labels []int32, ignore int32) mat.Tensor {
	var docs []int
	rows, cols := dims(logits)
	for d := range len(bounds) - 1 {
		if labels[cols*d] != ignore {
			docs = append(docs, d)
		}
	}
	var dx *Tensor
	return p.Apply(Operator{
		Operands: []mat.Tensor{logits}, Rows: len(docs), Cols: 1,
		Forward: func(y tensor.Matrix) {
			m := Matrix(logits)
			dx = p.Zeros(rows, cols)
			for i, d := range docs {
				y.Data[i] = 0
				from, n := bounds[d], bounds[d+1]-bounds[d]
				column := make([]float32, 2*n)
				for c := range cols {
					for j := range n {
						column[j] = m.Row(from + j)[c]
					}
					target := int(labels[cols*d+c])
					lse, score := logSoftmax(column[n:], column[:n], target)
					y.Data[i] += (lse - score) / float32(cols)
					column[n+target]--
					for j := range n {
						dx.m.Row(from + j)[c] = column[n+j] / float32(cols)
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
					for c := range cols {
						dx.m.Row(j)[c] *= gy.m.Data[i]
					}
				}
			}
			return []*Tensor{dx}
		},
	})
}
