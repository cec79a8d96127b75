package op

import (
	"math"
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// MeanSquares is the loss of a regression: x and targets are [rows, n], the result is the mean of (x−target)² over each
// row, [rows, 1].
func MeanSquares(p *Pass, x mat.Tensor, targets tensor.Matrix) mat.Tensor {
	return meanLoss(p, x, targets, func(x, target float64) (loss, gradient float64) {
		d := x - target
		return d * d, 2 * d
	})
}

// BinaryCrossEntropy is the loss of labels that do not exclude each other: logits and targets (0 to 1) are [rows, n], the
// result is the mean of −target·log(p) − (1−target)·log(1−p) over each row, with p = sigmoid(logit), [rows, 1].
func BinaryCrossEntropy(p *Pass, logits mat.Tensor, targets tensor.Matrix) mat.Tensor {
	return meanLoss(p, logits, targets, func(x, target float64) (loss, gradient float64) {
		e := math.Exp(-math.Abs(x)) // cannot overflow
		prob := 1 / (1 + e)
		if x < 0 {
			prob = e / (1 + e)
		}
		return max(x, 0) - x*target + math.Log1p(e), prob - target
	})
}

// meanLoss is the mean over each row of f, which also returns its derivative with respect to x.
func meanLoss(p *Pass, x mat.Tensor, targets tensor.Matrix, f func(x, target float64) (loss, gradient float64)) mat.Tensor {
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: 1,
		Forward: func(y tensor.Matrix) {
			defer p.Time("head loss")()
			m := Matrix(x)
			for i := range rows {
				sum, target := 0.0, targets.Row(i)
				for j, v := range m.Row(i) {
					loss, _ := f(float64(v), float64(target[j]))
					sum += loss
				}
				y.Data[i] = float32(sum / float64(cols))
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("head loss")()
			m, dx := Matrix(x), p.New(rows, cols)
			for i, g := range gy.m.Data {
				d, target := dx.m.Row(i), targets.Row(i)
				for j, v := range m.Row(i) {
					_, slope := f(float64(v), float64(target[j]))
					d[j] = float32(float64(g) / float64(cols) * slope)
				}
			}
			return []*Tensor{dx}
		},
	})
}

// CrossEntropy returns −log softmax(logits)[target] of every row, [rows, 1]; with Pass.LabelSmoothing ε it is (1−ε) times that
// and ε times the mean over all columns of −log softmax(logits). FusedLinearCrossEntropy does the same without having all
// logits in memory; this one is for an LM head with an adapter, and for heads with few labels.
func CrossEntropy(p *Pass, logits mat.Tensor, targets []int32) mat.Tensor {
	return WeightedCrossEntropy(p, logits, targets, nil)
}

// WeightedCrossEntropy is CrossEntropy with the loss of each row multiplied by its weight; nil is 1 for each.
func WeightedCrossEntropy(p *Pass, logits mat.Tensor, targets []int32, weights []float32) mat.Tensor {
	rows, cols := dims(logits)
	if weights == nil {
		weights = slices.Repeat([]float32{1}, rows)
	}
	var probs *Tensor
	return p.Apply(Operator{
		Operands: []mat.Tensor{logits}, Rows: rows, Cols: 1,
		Forward: func(y tensor.Matrix) {
			defer p.Time("head loss")()
			m := Matrix(logits)
			probs = p.New(rows, cols)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					s := smooth{part: p.LabelSmoothing, count: cols}
					if s.part > 0 {
						s.sum = vec.Sum(m.Row(i))
					}
					lse, target := logSoftmax(probs.m.Row(i), m.Row(i), int(targets[i]))
					y.Data[i] = weights[i] * s.loss(lse, target)
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
				smooth{p.LabelSmoothing, cols, 0}.gradient(d, int(targets[i]))
				vec.Scale(d, weights[i]*gy.m.Data[i], d)
			}
			return []*Tensor{probs}
		},
	})
}

// smooth is label smoothing over a row of that many logits, whose sum is sum.
type smooth struct {
	part  float32
	count int
	sum   float32
}

// loss is the loss of a row, from the log of its exponentials' sum and the target's logit.
func (s smooth) loss(lse, target float32) float32 {
	if s.part == 0 {
		return lse - target
	}
	return lse - (1-s.part)*target - s.part*s.sum/float32(s.count)
}

// gradient turns probabilities into the gradient of the row's logits. The target may be outside.
func (s smooth) gradient(probs []float32, target int) {
	if target >= 0 && target < len(probs) {
		probs[target] -= 1 - s.part
	}
	if s.part == 0 {
		return
	}
	even := s.part / float32(s.count)
	for j := range probs {
		probs[j] -= even
	}
}

// logSoftmax writes the probabilities to p, which may be x, and returns the log of the exponentials' sum and the target's score.
func logSoftmax(p, x []float32, target int) (lse, score float32) {
	score = x[target]
	m := vec.Max(x)
	sum := vec.ExpSum(p, x, m)
	vec.Scale(p, 1/sum, p)
	return m + float32(math.Log(float64(sum))), score
}
