package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// InfoNCE is the loss of finding each row's partner among all rows (Henderson et al. 2017, section 4; also called the
// multiple negatives ranking loss). Row i of a [pairs, n] belongs to row i of b [candidates, n], which may have more rows.
// With s = scale·cos(a_i, b_j), the result is −log softmax_j(s)[i], [pairs, 1].
func InfoNCE(p *Pass, a, b mat.Tensor, scale float32) mat.Tensor {
	a, b = Normalize(p, a), Normalize(p, b)
	rows, cols := dims(a)
	candidates, _ := dims(b)
	var probs *Tensor
	return p.Apply(Operator{
		Operands: []mat.Tensor{a, b}, Rows: rows, Cols: 1,
		Forward: func(y tensor.Matrix) {
			defer p.Time("head loss")()
			probs = p.New(rows, candidates)
			tensor.NT(probs.m, Matrix(a), Matrix(b), 0)
			for i := range rows {
				s := probs.m.Row(i)
				vec.Scale(s, scale, s)
				lse, score := logSoftmax(s, s, i)
				y.Data[i] = lse - score
			}
			if !p.Grad {
				p.Free(probs)
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("head loss")()
			for i, g := range gy.m.Data {
				s := probs.m.Row(i)
				s[i]--
				vec.Scale(s, g*scale, s)
			}
			da, db := p.New(rows, cols), p.New(candidates, cols)
			tensor.NN(da.m, probs.m, Matrix(b), 0)
			tensor.TN(db.m, probs.m, Matrix(a), 0)
			p.Free(probs)
			return []*Tensor{da, db}
		},
	})
}
