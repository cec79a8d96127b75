package op

import (
	"math"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// RelativeBias is added to the scores of attention, by head and by how far the key is from the query (Raffel et al. 2020,
// section 2.1).
type RelativeBias struct {
	Table []float32 // [buckets, heads]
	Param *nn.Param // the table's parameter, or nil if it is frozen
	// Bucket is the row of a distance: the key's position less the query's.
	Bucket func(distance int) int
}

// Sinks are scores, one for each head, of a key without a value that every query sees (Xiao et al. 2023, arXiv 2309.17453; as
// in gpt-oss). The probabilities of the other keys add up to less than 1.
type Sinks struct {
	Scores []float32 // [heads]
	Param  *nn.Param // their parameter, or nil if they are frozen
}

// params are the parameters of biases and sinks that train.
func (s AttentionShape) params() []*nn.Param {
	var ps []*nn.Param
	if s.Bias != nil && RequiresGrad(s.Bias.Param) {
		ps = append(ps, s.Bias.Param)
	}
	if s.Sinks != nil && RequiresGrad(s.Sinks.Param) {
		ps = append(ps, s.Sinks.Param)
	}
	return ps
}

// biases are a RelativeBias spread out: for each head a value for every distance, from -reach to reach.
type biases struct {
	reach  int
	values []float32
}

// spread makes the values for the attention's documents.
func (r *RelativeBias) spread(a *attention) biases {
	if r == nil {
		return biases{}
	}
	b := biases{}
	for d := range len(a.bounds) - 1 {
		b.reach = max(b.reach, a.keys(d), a.queries(d))
	}
	b.values = make([]float32, a.s.Heads*b.width())
	for i := range b.width() {
		row := r.Bucket(i-b.reach) * a.s.Heads
		for h := range a.s.Heads {
			b.values[h*b.width()+i] = r.Table[row+h]
		}
	}
	return b
}

func (b biases) width() int { return 2*b.reach + 1 }

// at are the values, or gradients of them, of n keys from the tile's column from on, for query i and head h.
func (b biases) at(values []float32, w tile, i, h, from, n int) []float32 {
	first := w.lo + from - w.position(i) + b.reach
	return values[h*b.width():][first : first+n]
}

// position is that of query i of the tile, counted from the first key that is kept.
func (w tile) position(i int) int { return max(w.past, 0) + i }

// termGrads are the gradients of biases and sinks of one document, by head.
type termGrads struct{ biases, sinks []float32 }

// newTermGrads makes those of every document, where they are wanted.
func (a *attention) newTermGrads() []termGrads {
	grads := make([]termGrads, len(a.bounds)-1)
	for d := range grads {
		if a.s.Bias != nil && RequiresGrad(a.s.Bias.Param) {
			grads[d].biases = make([]float32, len(a.spread.values))
		}
		if a.s.Sinks != nil && RequiresGrad(a.s.Sinks.Param) {
			grads[d].sinks = make([]float32, a.s.Heads)
		}
	}
	return grads
}

// addTermGrads adds the documents' gradients to the parameters', one document after the other.
func (a *attention) addTermGrads() {
	for _, g := range a.terms {
		if g.biases != nil {
			dw := Grad(a.s.Bias.Param)
			for i := range a.spread.width() {
				row := dw.Row(a.s.Bias.Bucket(i - a.spread.reach))
				for h := range row {
					row[h] += g.biases[h*a.spread.width()+i]
				}
			}
		}
		if g.sinks != nil {
			dw := Grad(a.s.Sinks.Param).Data
			vec.Add(dw, dw, g.sinks)
		}
	}
}

// sink is the share of the sink in a softmax whose log-sum is lse.
func (s *Sinks) sink(h int, lse float32) float32 {
	return float32(math.Exp(float64(s.Scores[h] - lse)))
}

// eachBlind calls f for the tile's queries that see no key: padding beyond the reach of a window. transformers gives them the
// mean of all values of the document, padding included.
func (a *attention) eachBlind(w tile, f func(i int)) {
	if a.s.AttentionLengths == nil || a.s.Window == 0 {
		return
	}
	for i := w.from; i < w.to; i++ {
		if from, to := w.seen(i, a.s); from == to {
			f(i)
		}
	}
}

// whole are all rows of document d in columns of m, those beyond AttentionLengths too; head counts keys' and values' heads.
func (a *attention) whole(m tensor.Matrix, d, head int) tensor.Matrix {
	return m.Slice(a.sources[d], a.col+head*a.s.HeadDim, a.sources[d+1]-a.sources[d], a.s.HeadDim)
}

// average writes the mean of document d's values of a key-value head to y.
func (a *attention) average(y []float32, d, kv int) {
	v := a.whole(a.kv, d, a.s.KVHeads+kv)
	clear(y)
	for j := range v.Rows {
		vec.Axpy(y, 1/float32(v.Rows), v.Row(j))
	}
}

// blind is the gradient of a query that sees no key: that of a softmax of equal scores, which PyTorch computes.
func (g *headGrad) blind(i int) {
	a := g.a
	kv := g.h / a.s.group()
	k, v, dk, dv := a.whole(a.kv, g.d, kv), a.whole(a.kv, g.d, a.s.KVHeads+kv), g.shared.dk, g.shared.dv
	share, dy, delta := 1/float32(v.Rows), g.dy.Row(i), vec.Dot(g.dy.Row(i), g.y.Row(i))
	for j := range v.Rows {
		vec.Axpy(dv.Row(j), share, dy)
		ds := share * (vec.Dot(dy, v.Row(j)) - delta) * a.s.Scale
		vec.Axpy(g.dq.Row(i), ds, k.Row(j))
		vec.Axpy(dk.Row(j), ds, g.q.Row(i))
	}
}
