package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// Gather gathers rows of x: [tokens, n] → [len(rows), n]. Each row may occur once.
func Gather(t *Pass, x mat.Tensor, rows []int) mat.Tensor {
	m := Matrix(x)
	y := t.New(len(rows), m.Cols)
	for i, r := range rows {
		copy(y.m.Row(i), m.Row(r))
	}
	return t.run(y, []mat.Tensor{x}, nil, func(gy *Tensor) []*Tensor {
		dx := t.Zeros(m.Rows, m.Cols)
		for i, r := range rows {
			copy(dx.m.Row(r), gy.m.Row(i))
		}
		return []*Tensor{dx}
	})
}

// CrossEntropy returns −log softmax(logits)[target] of every row, [rows, 1]. HeadLoss does the same without the logits
// in memory; this one serves a head that carries an adapter, and the heads with few labels.
func CrossEntropy(t *Pass, logits mat.Tensor, targets []int32) mat.Tensor {
	defer t.Time("head loss")()
	m := Matrix(logits)
	y := t.New(m.Rows, 1)
	p := t.New(m.Rows, m.Cols)
	byRows(m.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			y.m.Data[i] = logSoftmax(p.m.Row(i), m.Row(i), int(targets[i]))
		}
	})
	return t.run(y, []mat.Tensor{logits}, nil, func(gy *Tensor) []*Tensor {
		defer t.Time("head loss")()
		dx := t.New(m.Rows, m.Cols)
		for i := range m.Rows {
			p.m.Row(i)[targets[i]]--
			vec.Scale(dx.m.Row(i), gy.m.Data[i], p.m.Row(i))
		}
		t.Free(p)
		return []*Tensor{dx}
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
