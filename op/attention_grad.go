package op

import (
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// backward writes the gradients of the queries to dq and adds those of the keys and values to dkv, which may be dq. A job
// takes all queries of a key-value head, so sums have a fixed order.
func (a *attention) backward(dq, dkv, gy tensor.Matrix) {
	a.terms = a.newTermGrads()
	tensor.Parallel((len(a.bounds)-1)*a.s.KVHeads, func(i int) {
		a.gradients(dq, dkv, gy, i/a.s.KVHeads, i%a.s.KVHeads)
	})
	a.addTermGrads()
	a.pass.Free(a.lse)
}

// gradients is backward's job for one document and key-value head.
func (a *attention) gradients(dq, dkv, gy tensor.Matrix, d, kv int) {
	g := headGrad{a: a, d: d, dkv: dkv}
	g.k, g.v = a.keysValues(d, kv)
	g.dk, g.dv = a.source(dkv, d, kv)
	n := a.s.scores(a.queries(d), g.k.Rows)
	buf, scores := memory.get(2 * n)
	defer memory.put(buf)
	g.p, g.ds = scores[:n], scores[n:]
	group := a.s.Heads / a.s.KVHeads
	for g.h = kv * group; g.h < (kv+1)*group; g.h++ {
		g.q, g.y, g.dq, g.dy = a.head(a.q, d, g.h), a.head(a.y, d, g.h), a.head(dq, d, g.h), a.head(gy, d, g.h)
		a.tiles(d, g.k.Rows, g.tile)
	}
}

// headGrad is the backward pass of one head h in document d.
type headGrad struct {
	a          *attention
	d, h       int
	q, k, v, y tensor.Matrix
	dq, dk, dv tensor.Matrix
	dkv        tensor.Matrix // the gradients of all keys and values
	dy         tensor.Matrix
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
	TN(g.a.pass, g.dv.Slice(w.lo, 0, n, dim), p, dy, 1)
	NN(g.a.pass, g.dq.Slice(w.from, 0, rows, dim), ds, k, beta)
	TN(g.a.pass, g.dk.Slice(w.lo, 0, n, dim), ds, q, 1)
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
