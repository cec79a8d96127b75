package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// InfoNCE is the loss of finding a row's partner among all (Henderson et al. 2017, section 4; the multiple negatives
// ranking loss): row i of a [pairs, n] belongs to row i of b [candidates, n], which may have more rows. With
// s = scale·cos(a_i, b_j), the result is −log softmax_j(s)[i], [pairs, 1].
func InfoNCE(t *Pass, a, b mat.Tensor, scale float32) mat.Tensor {
	a, b = Normalize(t, a), Normalize(t, b)
	defer t.Time("head loss")()
	u, v := Matrix(a), Matrix(b)
	y, p := t.New(u.Rows, 1), t.New(u.Rows, v.Rows)
	tensor.NT(p.m, u, v, 0)
	for i := range u.Rows {
		s := p.m.Row(i)
		vec.Scale(s, scale, s)
		y.m.Data[i] = logSoftmax(s, s, i)
	}
	t.Done(a)
	t.Done(b)
	t.Done(p)
	return t.run(y, []mat.Tensor{a, b}, nil, func(gy *Tensor) []*Tensor {
		defer t.Time("head loss")()
		for i, g := range gy.m.Data {
			s := p.m.Row(i)
			s[i]--
			vec.Scale(s, g*scale, s)
		}
		da, db := t.New(u.Rows, u.Cols), t.New(v.Rows, v.Cols)
		tensor.NN(da.m, p.m, v, 0)
		tensor.TN(db.m, p.m, u, 0)
		t.Free(p)
		return []*Tensor{da, db}
	})
}
