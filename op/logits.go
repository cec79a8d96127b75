package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// Gather gathers rows of x: [tokens, n] → [len(rows), n]. Each row may occur once.
func Gather(p *Pass, x mat.Tensor, rows []int) mat.Tensor {
	tokens, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: len(rows), Cols: cols,
		Forward: func(y tensor.Matrix) {
			m := Matrix(x)
			for i, r := range rows {
				copy(y.Row(i), m.Row(r))
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			dx := p.Zeros(tokens, cols)
			for i, r := range rows {
				copy(dx.m.Row(r), gy.m.Row(i))
			}
			return []*Tensor{dx}
		},
	})
}

// CrossEntropy returns −log softmax(logits)[target] of every row, [rows, 1]. HeadLoss does the same without the logits
// in memory; this one serves a head that carries an adapter, and the heads with few labels.
func CrossEntropy(p *Pass, logits mat.Tensor, targets []int32) mat.Tensor {
	rows, cols := dims(logits)
	var probs *Tensor
	return p.Apply(Operator{
		Operands: []mat.Tensor{logits}, Rows: rows, Cols: 1,
		Forward: func(y tensor.Matrix) {
			defer p.Time("head loss")()
			m := Matrix(logits)
			probs = p.New(rows, cols)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					y.Data[i] = logSoftmax(probs.m.Row(i), m.Row(i), int(targets[i]))
				}
			})
			if !p.Grad {
				p.Free(probs)
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("head loss")()
			for i := range rows {
				d := probs.m.Row(i)
				d[targets[i]]--
				vec.Scale(d, gy.m.Data[i], d)
			}
			return []*Tensor{probs}
		},
	})
}

// logSoftmax writes the probabilities to p, which may be x, and returns the loss of the target.
func logSoftmax(p, x []float32, target int) float32 {
	m, score := vec.Max(x), x[target]
	sum := vec.ExpSum(p, x, m)
	vec.Scale(p, 1/sum, p)
	return m + float32(math.Log(float64(sum))) - score
}

var _ tensor.Source = rowsOf{}
