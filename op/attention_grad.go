package op

import (
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// backward writes the gradients of the queries to dq and adds those of the keys and values to dkv, which may be dq. A job
// takes all queries of a head; heads that share keys and values are added in their order, so sums have a fixed order.
func (a *attention) backward(dq, dkv, gy tensor.Matrix) {
	a.terms = a.newTermGrads()
	docs, heads, group := len(a.bounds)-1, a.s.Heads, a.s.group()
	sums := make([]sharedGrad, docs*heads)
	tensor.Parallel(len(sums), func(i int) {
		d, h := i/heads, i%heads
		sums[i] = a.sharedGrad(dkv, d, h/group, h%group == 0)
		a.gradients(dq, gy, d, h, sums[i])
	})
	for i := range sums {
		if h := i % heads; h%group > 0 {
			sums[i-h%group].add(sums[i])
		}
	}
	a.addTermGrads()
	a.pass.Free(a.lse)
}

// sharedGrad is one head's gradient of the keys and values of a document, those past AttentionLengths too.
type sharedGrad struct {
	dk, dv tensor.Matrix
	buf    span
}

// sharedGrad is the place in dkv itself for the first head of a group, and zeros for the others.
func (a *attention) sharedGrad(dkv tensor.Matrix, d, kv int, first bool) sharedGrad {
	if first {
		return sharedGrad{dk: a.whole(dkv, d, kv), dv: a.whole(dkv, d, a.s.KVHeads+kv)}
	}
	rows, dim := a.sources[d+1]-a.sources[d], a.s.HeadDim
	buf, zeros := memory.get(2 * rows * dim)
	clear(zeros)
	return sharedGrad{tensor.View(zeros[:rows*dim], rows, dim), tensor.View(zeros[rows*dim:], rows, dim), buf}
}

// add adds o, which is not used afterwards.
func (g sharedGrad) add(o sharedGrad) {
	for i := range g.dk.Rows {
		vec.Add(g.dk.Row(i), g.dk.Row(i), o.dk.Row(i))
		vec.Add(g.dv.Row(i), g.dv.Row(i), o.dv.Row(i))
	}
	memory.put(o.buf)
}

// gradients is backward's job for one document and head.
func (a *attention) gradients(dq, gy tensor.Matrix, d, h int, shared sharedGrad) {
	g := headGrad{a: a, d: d, h: h, shared: shared}
	g.k, g.v = a.keysValues(d, h/a.s.group())
	n := a.s.scores(a.queries(d), g.k.Rows)
	buf, scores := memory.get(2 * n)
	defer memory.put(buf)
	g.p, g.ds = scores[:n], scores[n:]
	g.q, g.y, g.dq, g.dy = a.head(a.q, d, h), a.head(a.y, d, h), a.head(dq, d, h), a.head(gy, d, h)
	a.tiles(d, g.k.Rows, g.tile)
}

// headGrad is the backward pass of one head h in document d.
type headGrad struct {
	a          *attention
	d, h       int
	q, k, v, y tensor.Matrix
	dq, dy     tensor.Matrix
	shared     sharedGrad
	p, ds      []float32 // scratch for a tile's scores
}

// tile follows Dao et al. 2022 (appendix B.2). The probabilities P are computed again from the scores and their log-sum:
// dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P∘(dP − rowsum(dO∘O)), dQ = dS·K, dK = dSᵀ·Q.
func (g *headGrad) tile(w tile) {
	var lse, delta [maxQueries]float32
	for i := range w.to - w.from {
		at := w.from + i
		lse[i], delta[i] = g.a.lse.m.Row(g.a.bounds[g.d] + at)[g.h], vec.Dot(g.dy.Row(at), g.y.Row(at))
		if dk := g.a.terms[g.d].sinks; dk != nil {
			dk[g.h] -= g.a.s.Sinks.sink(g.h, lse[i]) * delta[i]
		}
	}
	w.parts(func(part tile, beta float32) { g.part(part, lse[:], delta[:], beta) })
	g.a.eachBlind(w, g.blind)
}

// part is tile for a run of its keys.
func (g *headGrad) part(w tile, lse, delta []float32, beta float32) {
	rows, n, dim := w.to-w.from, w.hi-w.lo, g.k.Cols
	p, ds := tensor.View(g.p[:rows*n], rows, n), tensor.View(g.ds[:rows*n], rows, n)
	q, dy := g.q.Slice(w.from, 0, rows, dim), g.dy.Slice(w.from, 0, rows, dim)
	k, v := g.k.Slice(w.lo, 0, n, dim), g.v.Slice(w.lo, 0, n, dim)
	NT(g.a.pass, p, q, k, 0)
	NT(g.a.pass, ds, dy, v, 0)
	for i := range rows {
		row := g.a.bounds[g.d] + w.from + i
		g.a.drop(ds.Row(i), w, row, g.h)
		g.scoreGrad(p.Row(i), ds.Row(i), w, w.from+i, lse[i], delta[i])
		g.a.drop(p.Row(i), w, row, g.h)
	}
	TN(g.a.pass, g.shared.dv.Slice(w.lo, 0, n, dim), p, dy, 1)
	NN(g.a.pass, g.dq.Slice(w.from, 0, rows, dim), ds, k, beta)
	TN(g.a.pass, g.shared.dk.Slice(w.lo, 0, n, dim), ds, q, 1)
}

// scoreGrad turns raw scores into probabilities p, and dP in ds into the gradient of the raw scores.
func (g *headGrad) scoreGrad(p, ds []float32, w tile, i int, lse, delta float32) {
	a := g.a
	from, to := w.seen(i, a.s)
	clear(p[:from])
	clear(p[to:])
	clear(ds[:from])
	clear(ds[to:])
	if p, ds = p[from:to], ds[from:to]; len(p) == 0 {
		return
	}
	a.score(p, w, i, g.h, from)
	for j := range ds {
		ds[j] -= delta
	}
	if c := a.s.SoftCap; c > 0 { // the slope of the cap is 1 − (s/c)²
		for j, s := range p {
			ds[j] *= 1 - s/c*(s/c)
		}
	}
	vec.ExpSum(p, p, lse)
	vec.Mul(ds, ds, p)
	if db := a.terms[g.d].biases; db != nil {
		db = a.spread.at(db, w, i, g.h, from, len(ds))
		vec.Add(db, db, ds)
	}
	vec.Scale(ds, a.scale(w, i), ds)
}
