package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// AttentionShape describes a row of queries, keys and values, and which tokens see which.
type AttentionShape struct {
	Heads, KVHeads, HeadDim int
	// Bidirectional lets a token see all tokens of its document, not only those up to itself.
	Bidirectional bool
	// AttentionLengths is the number of tokens of each document, from its first on, that are seen where Bidirectional; nil is
	// all.
	AttentionLengths []int
	// Window is the number of tokens that a token sees, itself included, or where Bidirectional the number that it sees on
	// either side; 0 is all.
	Window int
	// Scale multiplies the scores, usually 1/√HeadDim. QueryScale, where not nil, multiplies those of a query besides, by its
	// position.
	Scale      float32
	QueryScale func(position int) float32
	// SoftCap keeps the scores s between -SoftCap and SoftCap, as SoftCap·tanh(s/SoftCap) (Gemma Team 2024, arXiv 2408.00118,
	// section 2); 0 is no cap.
	SoftCap float32
	// Bias and Sinks may be nil.
	Bias  *RelativeBias
	Sinks *Sinks
	// Dropout is the rate at which probabilities are dropped where Pass.ModelDropout is; Name tells its masks from others'.
	Dropout float32
	Name    string
}

// group is the number of heads that share keys and values.
func (s AttentionShape) group() int { return s.Heads / s.KVHeads }

// queryTile is the number of queries that are scored at once. It is twice as large where all see the same keys: then these
// are packed less often, while causal queries would score too many keys that they do not see.
const queryTile = 64

func (s AttentionShape) queryTile() int {
	if s.Bidirectional {
		return 2 * queryTile
	}
	return queryTile
}

// maxQueries is the most queries of a tile: the last few of a document belong to the tile before them.
const maxQueries = 2*queryTile + exactRows

// keyTile is the most keys that are scored at once: the scores of a tile of queries stay in the cache. Only tests change it.
var keyTile = 512

// scores is the number of scores of the queries and keys of one tile.
func (s AttentionShape) scores(queries, keys int) int {
	return min(queries, s.queryTile()+exactRows) * min(keys, keyTile)
}

// Attention is softmax self-attention, causal or bidirectional, with rotary positions or none (r nil) and grouped heads
// (Vaswani et al. 2017, Eq. 1; Su et al. 2021; Ainslie et al. 2023) over documents that never see each other.
//
// qkv is [tokens, (Heads+2·KVHeads)·HeadDim], queries before keys before values. With r the queries and keys are rotated in
// place, and back in the backward pass, so nothing else may read qkv in between. Document d is rows bounds[d] to bounds[d+1].
// Its positions start at 0, or continue those in cache[d] where cache is not nil (generation: causal, without gradients).
// The result is [tokens, Heads·HeadDim].
func Attention(p *Pass, qkv mat.Tensor, bounds []int, r *RoPE, s AttentionShape, cache []*KV) mat.Tensor {
	a := &attention{pass: p, col: s.Heads * s.HeadDim, bounds: bounds, sources: bounds, rope: r, s: s, cache: cache}
	rows, cols := dims(qkv)
	if !s.Bidirectional {
		p.meter.cache(2*s.KVHeads*s.HeadDim, s.Window)
	}
	return p.Apply(Operator{
		Operands: []mat.Tensor{qkv}, Params: s.params(), Rows: rows, Cols: a.col, Saves: true, keeps: rows * s.Heads,
		rounds: a.precision(),
		Forward: func(y tensor.Matrix) {
			defer p.Time("attention forward")()
			a.q = Matrix(qkv)
			a.kv = a.q
			if r != nil {
				a.setTurns()
			}
			a.rotate(a.q, r.rotate)
			a.store()
			a.run(y)
			for _, c := range cache {
				c.trim(s)
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("attention backward")()
			m, made := p.content(qkv)
			a.q, a.kv = m, m
			dx := p.Zeros(rows, cols)
			a.backward(dx.m, dx.m, gy.m)
			a.rotate(dx.m, r.unrotate)
			if made == nil {
				a.rotate(a.q, r.undo)
			}
			p.freeMade(made)
			return []*Tensor{dx}
		},
	})
}

// CrossAttention is softmax attention of a decoder to its encoder (Vaswani et al. 2017, section 3.2.3): q is [targets,
// Heads·HeadDim], kv [sources, 2·KVHeads·HeadDim], keys before values. The queries of document d, rows bounds[d] to
// bounds[d+1], see all its keys, rows sources[d] to sources[d+1]. The result is [targets, Heads·HeadDim].
func CrossAttention(p *Pass, q, kv mat.Tensor, bounds, sources []int, s AttentionShape) mat.Tensor {
	s.Bidirectional = true
	a := &attention{pass: p, bounds: bounds, sources: sources, s: s}
	rows, cols := dims(q)
	p.meter.cache(2*s.KVHeads*s.HeadDim, 0)
	return p.Apply(Operator{
		Operands: []mat.Tensor{q, kv}, Rows: rows, Cols: cols, Saves: true, keeps: rows * s.Heads,
		Forward: func(y tensor.Matrix) {
			defer p.Time("attention forward")()
			a.q, a.kv = Matrix(q), Matrix(kv)
			a.run(y)
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("attention backward")()
			dq, dkv := p.New(a.q.Rows, a.q.Cols), p.Zeros(a.kv.Rows, a.kv.Cols)
			a.backward(dq.m, dkv.m, gy.m)
			return []*Tensor{dq, dkv}
		},
	})
}

// CachedCrossAttention is CrossAttention to sources that NewKV has kept, without gradients: for generation.
func CachedCrossAttention(p *Pass, q mat.Tensor, bounds []int, s AttentionShape, cache []*KV) mat.Tensor {
	s.Bidirectional = true
	a := &attention{pass: p, bounds: bounds, s: s, cache: cache}
	rows, cols := dims(q)
	return p.Apply(Operator{Operands: []mat.Tensor{q}, Rows: rows, Cols: cols, Forward: func(y tensor.Matrix) {
		defer p.Time("attention forward")()
		a.q = Matrix(q)
		a.run(y)
	}})
}

// precision is that in which queries, keys and values are read. Where there may be queries that see no key, their gradients are no
// products, and those of a document with few queries are exact.
func (a *attention) precision() precision {
	exact := a.s.AttentionLengths != nil && a.s.Window > 0
	for d := range len(a.bounds) - 1 {
		exact = exact || a.queries(d) <= exactRows
	}
	if exact {
		return inFull
	}
	return inBF16
}

type attention struct {
	pass            *Pass
	q, kv           tensor.Matrix // keys begin at column col of kv, and values follow; in self-attention kv is q
	col             int
	y               tensor.Matrix
	lse             *Tensor // per query and head: log Σ exp of its scores; nil without gradients
	bounds, sources []int   // the documents' rows of q and of kv
	rope            *RoPE
	s               AttentionShape
	cache           []*KV
	spread          biases
	terms           []termGrads // of every document, in the backward pass
	turns           []ropeTable // of every row, if there are rotations; its own angles come first
	key             uint64      // of the mask of dropout
}

// run computes the result.
func (a *attention) run(y tensor.Matrix) {
	a.y, a.key, a.spread = y, a.pass.key(a.s.Name), a.s.Bias.spread(a)
	if a.pass.Grad {
		a.lse = a.pass.New(a.q.Rows, a.s.Heads)
	}
	a.heads()
}

// serialScores is the most scores for which the caller computes all heads itself: a worker would come too late.
const serialScores = 1 << 14

// heads runs the jobs of a forward pass, one for each document and head.
func (a *attention) heads() {
	jobs, scores := (len(a.bounds)-1)*a.s.Heads, 0
	for d := range len(a.bounds) - 1 {
		scores += a.queries(d) * a.keys(d) * a.s.Heads
	}
	job := func(i int) { a.forward(i/a.s.Heads, i%a.s.Heads) }
	if scores > serialScores {
		tensor.Parallel(jobs, job)
		return
	}
	for i := range jobs {
		job(i)
	}
}

// queries is the number of document d's queries, keys that of its keys, those that its cache keeps included.
func (a *attention) queries(d int) int { return a.bounds[d+1] - a.bounds[d] }

func (a *attention) keys(d int) int {
	switch {
	case a.cache != nil:
		return a.cache[d].kept()
	case a.s.AttentionLengths != nil:
		return a.s.AttentionLengths[d]
	}
	return a.sources[d+1] - a.sources[d]
}

// rotate calls turn for the pairs of every head of the queries and keys, with the angles of the row.
func (a *attention) rotate(x tensor.Matrix, turn func(x, cos, sin []float32)) {
	if len(a.turns) == 0 {
		return
	}
	half, dim := len(a.rope.InvFreq), a.s.HeadDim
	byRows(x.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			row, cos, sin := x.Row(i), a.turns[i].cos[:half], a.turns[i].sin[:half]
			for h := range a.s.Heads + a.s.KVHeads {
				turn(row[h*dim:h*dim+2*half], cos, sin)
			}
		}
	})
}

// setTurns finds the angles of every row. Those of a document depend on its own length, whatever else is in the batch.
func (a *attention) setTurns() {
	a.turns = make([]ropeTable, a.q.Rows)
	half := len(a.rope.InvFreq)
	for d := range len(a.bounds) - 1 {
		past := 0
		if a.cache != nil {
			past = a.cache[d].Len
		}
		t := a.rope.table(past, past+a.queries(d))
		for i := range a.queries(d) {
			a.turns[a.bounds[d]+i] = ropeTable{t.cos[i*half:], t.sin[i*half:]}
		}
	}
}

// store appends the new keys and values to the caches.
func (a *attention) store() {
	for d, c := range a.cache {
		c.add(a.kv.Slice(a.bounds[d], 0, a.queries(d), a.kv.Cols), a.col, a.s)
	}
}

// head returns document d's rows of the head at column h of m, which has queries' rows.
func (a *attention) head(m tensor.Matrix, d, h int) tensor.Matrix {
	return m.Slice(a.bounds[d], h*a.s.HeadDim, a.queries(d), a.s.HeadDim)
}

// keysValues are the keys and values of one head that document d's queries see.
func (a *attention) keysValues(d, kv int) (k, v tensor.Matrix) {
	if a.cache != nil {
		return a.cache[d].keys(kv, a.s.HeadDim), a.cache[d].values(kv, a.s.HeadDim)
	}
	n := a.keys(d)
	return a.whole(a.kv, d, kv).Slice(0, 0, n, a.s.HeadDim), a.whole(a.kv, d, a.s.KVHeads+kv).Slice(0, 0, n, a.s.HeadDim)
}

// tile is a run of queries [from, to) of a document, with the keys [lo, hi) that any of them sees; past is the number of keys
// before the first query's, and forgotten that of those before these.
type tile struct{ from, to, lo, hi, past, forgotten int }

// tiles calls f for tile after tile of document d.
func (a *attention) tiles(d, keys int, f func(tile)) {
	queries, forgotten := a.queries(d), 0
	if a.cache != nil {
		forgotten = a.cache[d].first
	}
	past, step := keys-queries, a.s.queryTile()
	for from, to := 0, 0; from < queries; from = to {
		if to = from + step; to+exactRows >= queries {
			to = queries
		}
		w := tile{from: from, to: to, hi: keys, past: past, forgotten: forgotten}
		switch {
		case !a.s.Bidirectional && a.s.Window > 0:
			w.lo, w.hi = max(0, past+from-a.s.Window+1), past+w.to
		case !a.s.Bidirectional:
			w.hi = past + w.to
		case a.s.Window > 0:
			w.lo, w.hi = min(keys, max(0, from-a.s.Window)), min(keys, w.to+a.s.Window)
		}
		f(w)
	}
}

// parts calls f for runs of the tile's keys, in their order; there is at least one. beta is 0 for the first, and 1 for those that add to
// what is there.
func (w tile) parts(f func(part tile, beta float32)) {
	for part, beta := w, float32(0); ; part.lo, beta = part.hi, 1 {
		part.hi = min(w.hi, part.lo+keyTile)
		f(part, beta)
		if part.hi == w.hi {
			return
		}
	}
}

// seen returns the columns of the tile's scores that query i sees: keys [max(lo, i+past−window+1), i+past], or where
// bidirectional [i−window, i+window], or all.
func (w tile) seen(i int, s AttentionShape) (from, to int) {
	n := w.hi - w.lo
	to = n
	switch {
	case s.Bidirectional && s.Window > 0:
		from, to = i-s.Window-w.lo, i+s.Window+1-w.lo
	case !s.Bidirectional && s.Window > 0:
		from, to = i+w.past-s.Window+1-w.lo, i+w.past+1-w.lo
	case !s.Bidirectional:
		to = i + w.past + 1 - w.lo
	}
	from = min(n, max(0, from))
	return from, min(n, max(from, to))
}

func (a *attention) forward(d, h int) {
	group := a.s.group()
	kv := h / group
	k, v := a.keysValues(d, kv)
	if a.queries(d) == 1 {
		if h%group == 0 {
			a.single(d, h, group, k, v)
		}
		return
	}
	buf, scores := memory.get(a.s.scores(a.queries(d), k.Rows))
	defer memory.put(buf)
	q, y := a.head(a.q, d, h), a.head(a.y, d, h)
	a.tiles(d, k.Rows, func(w tile) {
		var sums [maxQueries]softmaxSum
		for i := range sums {
			sums[i] = a.softmaxSum(h)
		}
		yw := y.Slice(w.from, 0, w.to-w.from, y.Cols)
		w.parts(func(part tile, beta float32) { a.part(part, d, h, q, k, v, yw, beta, scores, sums[:]) })
		a.eachBlind(w, func(i int) { a.average(y.Row(i), d, kv) })
	})
}

// part makes y the tile's result for its keys and, unless beta is 0, those before them, whose result y was.
func (a *attention) part(w tile, d, h int, q, k, v, y tensor.Matrix, beta float32, scores []float32, sums []softmaxSum) {
	n := w.hi - w.lo
	s := tensor.View(scores[:y.Rows*n], y.Rows, n)
	NT(a.pass, s, q.Slice(w.from, 0, s.Rows, q.Cols), k.Slice(w.lo, 0, n, k.Cols), 0)
	for i := range s.Rows {
		row := a.bounds[d] + w.from + i
		keep := a.softmax(s.Row(i), w, w.from+i, row, h, &sums[i])
		if beta != 0 {
			vec.Scale(y.Row(i), keep, y.Row(i))
		}
		a.drop(s.Row(i), w, row, h)
	}
	NN(a.pass, y, s, v.Slice(w.lo, 0, n, v.Cols), beta)
}

// single is forward for one query, a token that is being generated. The heads of the group, of which h is the first, see the
// same keys and values, so they are the rows of one product.
func (a *attention) single(d, h, group int, k, v tensor.Matrix) {
	row, dim := a.bounds[d], a.s.HeadDim
	a.tiles(d, k.Rows, func(w tile) {
		n := w.hi - w.lo
		buf, scores := memory.get(group * n)
		defer memory.put(buf)
		s := tensor.View(scores, group, n)
		NT(a.pass, s, tensor.View(a.q.Row(row)[h*dim:], group, dim), k.Slice(w.lo, 0, n, dim), 0)
		for i := range group {
			sum := a.softmaxSum(h + i)
			a.softmax(s.Row(i), w, 0, row, h+i, &sum)
			a.drop(s.Row(i), w, row, h+i)
		}
		NN(a.pass, tensor.View(a.y.Row(row)[h*dim:], group, dim), s, v.Slice(w.lo, 0, n, dim), 0)
	})
}

// softmaxSum is Σ exp(s−max) over a query's scores s so far (Milakov and Gimelshein 2018, algorithm 3).
type softmaxSum struct{ max, sum float32 }

// softmaxSum is that of a query before its first key.
func (a *attention) softmaxSum(h int) softmaxSum {
	if a.s.Sinks != nil {
		return softmaxSum{a.s.Sinks.Scores[h], 1}
	}
	return softmaxSum{max: float32(math.Inf(-1))}
}

// rescale makes max the maximum and returns by how much the sum shrinks.
func (t *softmaxSum) rescale(m float32) float32 {
	if t.sum == 0 || m == t.max {
		t.max = m
		return 1
	}
	c := float32(math.Exp(float64(t.max - m)))
	t.max, t.sum = m, t.sum*c
	return c
}

// softmax turns the scores of query i, which is that row of the batch, into probabilities among the keys so far, zero for what it
// does not see, and returns by how much those of earlier keys shrink. It keeps the log of the sum for the backward pass.
func (a *attention) softmax(s []float32, w tile, i, row, h int, t *softmaxSum) (keep float32) {
	from, to := w.seen(i, a.s)
	clear(s[:from])
	clear(s[to:])
	if s = s[from:to]; len(s) == 0 {
		return 1
	}
	a.score(s, w, i, h, from)
	t.rescale(max(t.max, vec.Max(s)))
	before := t.sum
	t.sum = vec.ExpSum(s, s, t.max) + before
	vec.Scale(s, 1/t.sum, s)
	if a.lse != nil {
		a.lse.m.Row(row)[h] = t.max + float32(math.Log(float64(t.sum)))
	}
	return before / t.sum
}

// scale is what multiplies the products of query i of the tile.
func (a *attention) scale(w tile, i int) float32 {
	if a.s.QueryScale == nil {
		return a.s.Scale
	}
	return a.s.Scale * a.s.QueryScale(w.forgotten+w.position(i))
}

// score turns the products s of query i with keys, from the tile's column from on, into scores.
func (a *attention) score(s []float32, w tile, i, h, from int) {
	if a.s.SoftCap == 0 {
		vec.Scale(s, a.scale(w, i), s)
		if a.s.Bias != nil {
			vec.Add(s, s, a.spread.at(a.spread.values, w, i, h, from, len(s)))
		}
		return
	}
	vec.Scale(s, a.scale(w, i)/a.s.SoftCap, s)
	vec.Tanh(s, s)
	vec.Scale(s, a.s.SoftCap, s)
}

// drop applies dropout to the tile's values s of a query, which is that row of the batch: probabilities, or their gradients.
func (a *attention) drop(s []float32, w tile, row, h int) {
	if a.s.Dropout > 0 && a.pass.drops() {
		mask(s, s, a.s.Dropout, a.key+mix(uint64(row)<<20|uint64(h))+uint64(w.lo))
	}
}
