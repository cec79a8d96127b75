package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// DisentangledAttention is bidirectional attention whose scores also have the products of contents with embeddings of relative
// positions (He et al. 2021, arXiv 2006.03654, Eq. 4): query i and key j score
//
//	(qᵢ·kⱼ + qᵢ·rk[t] + kⱼ·rq[t]) · Scale, where t = bucket(i−j).
//
// qkv is as for Attention. rel is [buckets, 2·Heads·HeadDim]: rq, the relative queries, before rk, the relative keys. Tokens
// beyond AttentionLengths, padding, get the mean of all values, as in transformers.
func DisentangledAttention(p *Pass, qkv, rel mat.Tensor, bounds []int, bucket func(distance int) int, s AttentionShape) mat.Tensor {
	a := &disentangled{attention: attention{pass: p, col: s.Heads * s.HeadDim, bounds: bounds, sources: bounds, s: s}, bucket: bucket}
	rows, cols := dims(qkv)
	relRows, relCols := dims(rel)
	return p.Apply(Operator{
		Operands: []mat.Tensor{qkv, rel}, Rows: rows, Cols: a.col, Saves: true,
		Forward: func(y tensor.Matrix) {
			defer p.Time("attention forward")()
			a.q, a.kv, a.y, a.rel, a.key = Matrix(qkv), Matrix(qkv), y, Matrix(rel), p.key(s.Name)
			tensor.Parallel(s.Heads, func(h int) {
				for d := range len(bounds) - 1 {
					a.forward(d, h)
				}
			})
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("attention backward")()
			dx, drel := p.Zeros(rows, cols), p.Zeros(relRows, relCols)
			tensor.Parallel(s.Heads, func(h int) {
				for d := range len(bounds) - 1 {
					a.backward(dx.m, drel.m, gy.m, d, h)
				}
			})
			return []*Tensor{dx, drel}
		},
	})
}

type disentangled struct {
	attention
	rel    tensor.Matrix
	bucket func(distance int) int
}

// relative are head h's relative queries and keys in m, which has rel's rows.
func (a *disentangled) relative(m tensor.Matrix, h int) (queries, keys tensor.Matrix) {
	dim := a.s.HeadDim
	return m.Slice(0, h*dim, m.Rows, dim), m.Slice(0, a.col+h*dim, m.Rows, dim)
}

// buckets are those of the distances from -n+1 to n-1.
func (a *disentangled) buckets(n int) []int {
	t := make([]int, 2*n-1)
	for i := range t {
		t[i] = a.bucket(i - n + 1)
	}
	return t
}

// probabilities are those of document d's visible tokens in head h, [visible, visible].
func (a *disentangled) probabilities(d, h int, t []int) tensor.Matrix {
	n := a.keys(d)
	q, k := a.seen(a.q, d, h), a.seen(a.q, d, a.s.Heads+h)
	rq, rk := a.relative(a.rel, h)
	s, c2p, p2c := tensor.New(n, n), tensor.New(n, rk.Rows), tensor.New(n, rq.Rows)
	NT(a.pass, s, q, k, 0)
	NT(a.pass, c2p, q, rk, 0)
	NT(a.pass, p2c, k, rq, 0)
	for i := range n {
		row := s.Row(i)
		for j := range row {
			b := t[i-j+n-1]
			row[j] = (row[j] + c2p.Row(i)[b] + p2c.Row(j)[b]) * a.s.Scale
		}
		vec.Scale(row, 1/vec.ExpSum(row, row, vec.Max(row)), row)
	}
	return s
}

// seen are document d's visible rows in m of the head at column h.
func (a *disentangled) seen(m tensor.Matrix, d, h int) tensor.Matrix {
	return m.Slice(a.bounds[d], h*a.s.HeadDim, a.keys(d), a.s.HeadDim)
}

// dropped applies dropout to probabilities, or their gradients.
func (a *disentangled) dropped(p tensor.Matrix, d, h int) {
	for i := range p.Rows {
		a.drop(p.Row(i), tile{}, a.bounds[d]+i, h)
	}
}

func (a *disentangled) forward(d, h int) {
	n := a.keys(d)
	if n == 0 {
		return
	}
	p := a.probabilities(d, h, a.buckets(n))
	a.dropped(p, d, h)
	NN(a.pass, a.seen(a.y, d, h), p, a.seen(a.q, d, 2*a.s.Heads+h), 0)
	for i := n; i < a.queries(d); i++ {
		a.average(a.head(a.y, d, h).Row(i), d, h)
	}
}

// backward adds the gradients of document d in head h: with g the gradient of the sums in parentheses, those of a product with
// rk[t] are gathered in a matrix [tokens, buckets] first.
func (a *disentangled) backward(dx, drel, gy tensor.Matrix, d, h int) {
	n, heads := a.keys(d), a.s.Heads
	if n == 0 {
		return
	}
	t := a.buckets(n)
	p, g := a.probabilities(d, h, t), tensor.New(n, n)
	q, k, v, dy := a.seen(a.q, d, h), a.seen(a.q, d, heads+h), a.seen(a.q, d, 2*heads+h), a.seen(gy, d, h)
	rq, rk := a.relative(a.rel, h)
	drq, drk := a.relative(drel, h)
	dq, dk, dv := a.seen(dx, d, h), a.seen(dx, d, heads+h), a.seen(dx, d, 2*heads+h)
	NT(a.pass, g, dy, v, 0)
	a.dropped(g, d, h)
	dc2p, dp2c := tensor.New(n, rk.Rows), tensor.New(n, rq.Rows)
	for i := range n {
		row := g.Row(i)
		delta := vec.Dot(dy.Row(i), a.seen(a.y, d, h).Row(i))
		for j, pj := range p.Row(i) {
			row[j] = (row[j] - delta) * pj * a.s.Scale
			b := t[i-j+n-1]
			dc2p.Row(i)[b] += row[j]
			dp2c.Row(j)[b] += row[j]
		}
	}
	a.dropped(p, d, h)
	TN(a.pass, dv, p, dy, 1)
	NN(a.pass, dq, g, k, 1)
	TN(a.pass, dk, g, q, 1)
	NN(a.pass, dq, dc2p, rk, 1)
	TN(a.pass, drk, dc2p, q, 1)
	NN(a.pass, dk, dp2c, rq, 1)
	TN(a.pass, drq, dp2c, k, 1)
	all := a.whole(dx, d, heads+h)
	for i := n; i < a.queries(d); i++ {
		for j := range all.Rows {
			vec.Axpy(all.Row(j), 1/float32(all.Rows), a.head(gy, d, h).Row(i))
		}
	}
}

// ClearRows sets rows of x, [tokens, n], to zero: those of document d from visible[d] on. With visible nil it is x.
func ClearRows(p *Pass, x mat.Tensor, bounds, visible []int) mat.Tensor {
	if visible == nil {
		return x
	}
	rows, cols := dims(x)
	hide := func(m tensor.Matrix) {
		for d, n := range visible {
			for i := bounds[d] + n; i < bounds[d+1]; i++ {
				clear(m.Row(i))
			}
		}
	}
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols,
		Forward: func(y tensor.Matrix) {
			m := Matrix(x)
			for i := range rows {
				copy(y.Row(i), m.Row(i))
			}
			hide(y)
		},
		Backward: func(gy *Tensor) []*Tensor {
			g := p.Exclusive(gy)
			hide(g.m)
			return []*Tensor{g}
		},
	})
}
