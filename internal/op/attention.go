package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/internal/vec"
)

// AttentionShape says how a row of queries, keys and values is laid out and who sees whom.
type AttentionShape struct {
	Heads, KVHeads, HeadDim int
	// Window is how many positions back a token sees, itself included; 0 is all.
	Window int
	// Scale multiplies the scores, usually 1/√HeadDim.
	Scale float32
}

// KV is the key-value cache of one document in one layer: rotated keys and values, [kv head][position][head dim].
type KV struct {
	Len, cap int
	k, v     []float32
}

// grow makes room for n positions.
func (c *KV) grow(n int, s AttentionShape) {
	if n <= c.cap {
		return
	}
	room := max(n, min(2*c.cap, c.cap+1024), 64)
	move := func(old []float32) []float32 {
		b := make([]float32, s.KVHeads*room*s.HeadDim)
		for h := range s.KVHeads {
			copy(b[h*room*s.HeadDim:], old[h*c.cap*s.HeadDim:h*c.cap*s.HeadDim+c.Len*s.HeadDim])
		}
		return b
	}
	c.k, c.v, c.cap = move(c.k), move(c.v), room
}

func (c *KV) keys(h, dim int) gemm.Mat {
	return gemm.Of(c.k[h*c.cap*dim:][:c.Len*dim], c.Len, dim)
}

func (c *KV) values(h, dim int) gemm.Mat {
	return gemm.Of(c.v[h*c.cap*dim:][:c.Len*dim], c.Len, dim)
}

// queryTile is how many queries are scored at once.
const queryTile = 64

// Attention is causal softmax attention with rotary positions and grouped heads (Vaswani et al. 2017, Eq. 1; Su et al.
// 2021; Ainslie et al. 2023) over documents that never see each other.
//
// qkv is [tokens, (Heads+2·KVHeads)·HeadDim], queries before keys before values; the queries and keys are rotated in
// place, and back in the backward pass, so nothing else may read qkv between. Document d is rows bounds[d] to bounds[d+1]; its positions start at 0, or behind
// cache[d] where cache is not nil (generation, without gradients). The result is [tokens, Heads·HeadDim].
func Attention(t *Tape, qkv mat.Tensor, bounds []int, r *RoPE, s AttentionShape, cache []*KV) mat.Tensor {
	defer t.Time("attention forward")()
	a := &attention{t: t, x: Mat(qkv), bounds: bounds, rope: r, s: s, cache: cache}
	a.rotate(a.x, false, s.Heads+s.KVHeads)
	a.store()
	y := t.New(a.x.Rows, s.Heads*s.HeadDim)
	a.y = y.m
	a.lse = t.New(a.x.Rows, s.Heads)
	a.heads((len(bounds) - 1) * s.KVHeads)
	return t.run(y, []mat.Tensor{qkv}, nil, a.backward)
}

// serialScores is up to how many scores the caller computes all heads itself: a worker would come too late.
const serialScores = 1 << 14

// heads does the jobs of a forward pass, one for each document and key-value head.
func (a *attention) heads(jobs int) {
	scores := 0
	for d := range len(a.bounds) - 1 {
		n := a.bounds[d+1] - a.bounds[d]
		keys := n
		if a.cache != nil {
			keys = a.cache[d].Len
		}
		scores += n * keys * a.s.Heads
	}
	job := func(i int) { a.forward(i/a.s.KVHeads, i%a.s.KVHeads) }
	if scores > serialScores {
		gemm.Parallel(jobs, job)
		return
	}
	for i := range jobs {
		job(i)
	}
}

type attention struct {
	t         *Tape
	x, y      gemm.Mat
	lse       *Tensor // per token and head: log Σ exp of its scores
	bounds    []int
	rope      *RoPE
	s         AttentionShape
	cache     []*KV
	positions int
}

// past is how many positions of document d lie in its cache.
func (a *attention) past(d int) int {
	if a.cache == nil {
		return 0
	}
	return a.cache[d].Len
}

// rotate turns the first heads of every row by its position, or back.
func (a *attention) rotate(x gemm.Mat, back bool, heads int) {
	if a.rope == nil {
		return
	}
	for d := range len(a.bounds) - 1 {
		a.positions = max(a.positions, a.past(d)+a.bounds[d+1]-a.bounds[d])
	}
	cos, sin := a.rope.table(a.positions)
	half, dim := a.s.HeadDim/2, a.s.HeadDim
	for d := range len(a.bounds) - 1 {
		from, past := a.bounds[d], a.past(d)
		byRows(a.bounds[d+1]-from, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				row, p := x.Row(from+i), (past+i)*half
				for h := range heads {
					if back {
						vec.Unrotate(row[h*dim:(h+1)*dim], cos[p:p+half], sin[p:p+half])
					} else {
						vec.Rotate(row[h*dim:(h+1)*dim], cos[p:p+half], sin[p:p+half])
					}
				}
			}
		})
	}
}

// store appends the new keys and values to the caches.
func (a *attention) store() {
	dim := a.s.HeadDim
	for d, c := range a.cache {
		n := a.bounds[d+1] - a.bounds[d]
		c.grow(c.Len+n, a.s)
		for i := range n {
			row := a.x.Row(a.bounds[d] + i)
			for h := range a.s.KVHeads {
				at := (h*c.cap + c.Len + i) * dim
				copy(c.k[at:at+dim], row[(a.s.Heads+h)*dim:])
				copy(c.v[at:at+dim], row[(a.s.Heads+a.s.KVHeads+h)*dim:])
			}
		}
		c.Len += n
	}
}

// head returns document d's rows of the head at column h of m.
func (a *attention) head(m gemm.Mat, d, h int) gemm.Mat {
	return m.Slice(a.bounds[d], h*a.s.HeadDim, a.bounds[d+1]-a.bounds[d], a.s.HeadDim)
}

// keysValues are what document d's queries look at, for one key-value head.
func (a *attention) keysValues(d, kv int) (k, v gemm.Mat) {
	if a.cache != nil {
		return a.cache[d].keys(kv, a.s.HeadDim), a.cache[d].values(kv, a.s.HeadDim)
	}
	return a.head(a.x, d, a.s.Heads+kv), a.head(a.x, d, a.s.Heads+a.s.KVHeads+kv)
}

// tile is a run of queries [from, to) of a document and the keys [lo, hi) that any of them sees; query i sees keys
// [max(lo, i+past−window+1), i+past].
type tile struct{ from, to, lo, hi, past int }

func (a *attention) tiles(queries, past int, f func(tile)) {
	for from := 0; from < queries; from += queryTile {
		w := tile{from: from, to: min(queries, from+queryTile), past: past}
		w.hi = past + w.to
		if a.s.Window > 0 {
			w.lo = max(0, past+from-a.s.Window+1)
		}
		f(w)
	}
}

// seen returns the columns of the tile's scores that query i sees.
func (w tile) seen(i, window int) (from, to int) {
	if window > 0 {
		from = max(0, i+w.past-window+1-w.lo)
	}
	return from, i + w.past + 1 - w.lo
}

func (a *attention) forward(d, kv int) {
	k, v := a.keysValues(d, kv)
	queries := a.bounds[d+1] - a.bounds[d]
	group := a.s.Heads / a.s.KVHeads
	if queries == 1 {
		a.single(d, kv*group, group, k, v)
		return
	}
	buf, scores := memory.get(queryTile * k.Rows)
	defer memory.put(buf)
	for h := kv * group; h < (kv+1)*group; h++ {
		q, y := a.head(a.x, d, h), a.head(a.y, d, h)
		a.tiles(queries, k.Rows-queries, func(w tile) {
			n := w.hi - w.lo
			s := gemm.Of(scores[:(w.to-w.from)*n], w.to-w.from, n)
			gemm.NT(s, q.Slice(w.from, 0, s.Rows, q.Cols), k.Slice(w.lo, 0, n, k.Cols), 0)
			for i := range s.Rows {
				a.lse.m.Row(a.bounds[d] + w.from + i)[h] = a.softmax(s.Row(i), w, w.from+i)
			}
			gemm.NN(y.Slice(w.from, 0, s.Rows, y.Cols), s, v.Slice(w.lo, 0, n, v.Cols), 0)
		})
	}
}

// single is forward for one query, a token that is being generated: the heads of the group, from h on, which look at the
// same keys and values, are the rows of one product.
func (a *attention) single(d, h, group int, k, v gemm.Mat) {
	row, dim := a.bounds[d], a.s.HeadDim
	a.tiles(1, k.Rows-1, func(w tile) {
		n := w.hi - w.lo
		buf, scores := memory.get(group * n)
		defer memory.put(buf)
		s := gemm.Of(scores, group, n)
		gemm.NT(s, gemm.Of(a.x.Row(row)[h*dim:], group, dim), k.Slice(w.lo, 0, n, dim), 0)
		for i := range group {
			a.lse.m.Row(row)[h+i] = a.softmax(s.Row(i), w, 0)
		}
		gemm.NN(gemm.Of(a.y.Row(row)[h*dim:], group, dim), s, v.Slice(w.lo, 0, n, dim), 0)
	})
}

// softmax turns the scores of query i into probabilities, zero where it does not look, and returns the log of their sum.
func (a *attention) softmax(s []float32, w tile, i int) float32 {
	from, to := w.seen(i, a.s.Window)
	clear(s[:from])
	clear(s[to:])
	s = s[from:to]
	vec.Scale(s, a.s.Scale, s)
	m := vec.Max(s)
	sum := vec.ExpSum(s, s, m)
	vec.Scale(s, 1/sum, s)
	return m + float32(math.Log(float64(sum)))
}

// backward computes the gradient of qkv; one job has all queries of a key-value head, so sums are in a fixed order.
func (a *attention) backward(gy *Tensor) []*Tensor {
	defer a.t.Time("attention backward")()
	dx := a.t.Zeros(a.x.Rows, a.x.Cols)
	gemm.Parallel((len(a.bounds)-1)*a.s.KVHeads, func(i int) {
		a.gradients(dx.m, gy.m, i/a.s.KVHeads, i%a.s.KVHeads)
	})
	a.rotate(dx.m, true, a.s.Heads+a.s.KVHeads)
	a.rotate(a.x, true, a.s.Heads+a.s.KVHeads)
	a.t.Free(a.lse)
	return []*Tensor{dx}
}

// gradients follows Dao et al. 2022 (appendix B.2): the probabilities P are made again from the scores and their
// log-sum; dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P∘(dP − rowsum(dO∘O)), dQ = dS·K, dK = dSᵀ·Q.
func (a *attention) gradients(dx, gy gemm.Mat, d, kv int) {
	k, v := a.keysValues(d, kv)
	dk, dv := a.head(dx, d, a.s.Heads+kv), a.head(dx, d, a.s.Heads+a.s.KVHeads+kv)
	group := a.s.Heads / a.s.KVHeads
	buf, scores := memory.get(2 * queryTile * k.Rows)
	defer memory.put(buf)
	for h := kv * group; h < (kv+1)*group; h++ {
		q, y := a.head(a.x, d, h), a.head(a.y, d, h)
		dq, dy := a.head(dx, d, h), a.head(gy, d, h)
		a.tiles(k.Rows, 0, func(w tile) {
			rows, n := w.to-w.from, w.hi-w.lo
			p, ds := gemm.Of(scores[:rows*n], rows, n), gemm.Of(scores[queryTile*k.Rows:][:rows*n], rows, n)
			qt, yt, dyt := q.Slice(w.from, 0, rows, q.Cols), y.Slice(w.from, 0, rows, q.Cols), dy.Slice(w.from, 0, rows, q.Cols)
			kt, vt := k.Slice(w.lo, 0, n, k.Cols), v.Slice(w.lo, 0, n, k.Cols)
			gemm.NT(p, qt, kt, 0)
			gemm.NT(ds, dyt, vt, 0)
			for i := range rows {
				lse := a.lse.m.Row(a.bounds[d] + w.from + i)[h]
				a.scoreGrad(p.Row(i), ds.Row(i), w, w.from+i, lse, vec.Dot(dyt.Row(i), yt.Row(i)))
			}
			gemm.TN(dv.Slice(w.lo, 0, n, k.Cols), p, dyt, 1)
			gemm.NN(dq.Slice(w.from, 0, rows, q.Cols), ds, kt, 0)
			gemm.TN(dk.Slice(w.lo, 0, n, k.Cols), ds, qt, 1)
		})
	}
}

// scoreGrad turns raw scores into probabilities p, and dP in ds into the gradient of the raw scores.
func (a *attention) scoreGrad(p, ds []float32, w tile, i int, lse, delta float32) {
	from, to := w.seen(i, a.s.Window)
	clear(p[:from])
	clear(p[to:])
	clear(ds[:from])
	clear(ds[to:])
	p, ds = p[from:to], ds[from:to]
	vec.Scale(p, a.s.Scale, p)
	vec.ExpSum(p, p, lse)
	for j := range ds {
		ds[j] -= delta
	}
	vec.Mul(ds, ds, p)
	vec.Scale(ds, a.s.Scale, ds)
}
