package op

import (
	"math"
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// DeltaShape describes a row of queries, keys and values of GatedDelta. A key head is for ValueHeads/KeyHeads value heads.
type DeltaShape struct {
	KeyHeads, ValueHeads, KeyDim, ValueDim int
	// Kernel is the number of tokens that the convolution reads, the current one included.
	Kernel int
}

// DeltaWeights are the weights of GatedDelta with their parameters, which are nil if they are frozen.
type DeltaWeights struct {
	Conv      []float32 // [channels, kernel]
	Decay     []float32 // [value heads]: the logs of the rates of decay
	TimeBias  []float32 // [value heads]
	PConv     *nn.Param
	PDecay    *nn.Param
	PTimeBias *nn.Param
}

// GatedDelta is linear attention by the gated delta rule (Yang et al. 2024, arXiv 2412.06464, Eq. 10), after a short causal
// convolution of each channel and SiLU. In each value head, with the state S [key dim, value dim], which begins as zero,
//
//	S ← α·S, then S ← S + k·(β·(v − Sᵀk))ᵀ, and the output is Sᵀq,
//
// where q and k are normalised to length 1, q is divided by √(key dim), β = sigmoid(b), α = exp(−exp(decay)·softplus(a + time
// bias)). qkv is [tokens, channels], queries before keys before values; ba is [tokens, 2·value heads], b before a. The result is
// [tokens, ValueHeads·ValueDim]. A cache, where not nil, holds the earlier tokens of each document.
func GatedDelta(p *Pass, qkv, ba mat.Tensor, bounds []int, w DeltaWeights, s DeltaShape, cache []*KV) mat.Tensor {
	g := &gatedDelta{pass: p, bounds: bounds, w: w, s: s}
	rows, cols := dims(qkv)
	_, baCols := dims(ba)
	p.meter.cache(cols+baCols, s.Kernel)
	o := Operator{Operands: []mat.Tensor{qkv, ba}, Rows: rows, Cols: s.ValueHeads * s.ValueDim}
	for _, q := range []*nn.Param{w.PConv, w.PDecay, w.PTimeBias} {
		if RequiresGrad(q) {
			o.Params = append(o.Params, q)
		}
	}
	o.Forward = func(y tensor.Matrix) {
		defer p.Time("delta forward")()
		x, b := Matrix(qkv), Matrix(ba)
		for d := range len(bounds) - 1 {
			n := bounds[d+1] - bounds[d]
			run := deltaRun{x: x.Slice(bounds[d], 0, n, x.Cols), ba: b.Slice(bounds[d], 0, n, b.Cols), y: y.Slice(bounds[d], 0, n, y.Cols)}
			if cache != nil {
				run = run.after(cache[d], s)
			}
			tensor.Parallel(s.ValueHeads, func(h int) { g.forward(run, h) })
			if cache != nil {
				cache[d].trimRows(cols+baCols, s)
			}
		}
	}
	o.Backward = func(gy *Tensor) []*Tensor {
		defer p.Time("delta backward")()
		x, b, dx, db := Matrix(qkv), Matrix(ba), p.Zeros(rows, cols), p.Zeros(rows, baCols)
		for _, q := range o.Params { // before several heads ask for them at once
			Grad(q)
		}
		tensor.Parallel(s.KeyHeads, func(k int) {
			for d := range len(bounds) - 1 {
				at, n := bounds[d], bounds[d+1]-bounds[d]
				g.backward(deltaGrad{x: x.Slice(at, 0, n, cols), ba: b.Slice(at, 0, n, baCols), gy: gy.m.Slice(at, 0, n, gy.cols),
					dx: dx.m.Slice(at, 0, n, cols), dba: db.m.Slice(at, 0, n, baCols)}, k)
			}
		})
		return []*Tensor{dx, db}
	}
	return p.Apply(o)
}

type gatedDelta struct {
	pass   *Pass
	bounds []int
	w      DeltaWeights
	s      DeltaShape
}

// deltaRun is a document: x and ba have its tokens, those in the cache too; y is for the last of them. The first tokens are
// already in the state, [value heads, key dim, value dim].
type deltaRun struct {
	x, ba, y tensor.Matrix
	first    int
	state    []float32
}

// after appends the run's tokens to a cache, and returns the run from the state of the cache on.
func (r deltaRun) after(c *KV, s DeltaShape) deltaRun {
	width := r.x.Cols + r.ba.Cols
	if c.state == nil {
		c.state = make([]float32, s.ValueHeads*s.KeyDim*s.ValueDim)
	}
	c.first = min(c.first, c.Len)
	if c.stateLen != c.Len { // tokens were taken out again
		clear(c.state)
		c.stateLen = 0
	}
	c.rows = c.rows[:c.kept()*width]
	for i := range r.x.Rows {
		c.rows = append(append(c.rows, r.x.Row(i)...), r.ba.Row(i)...)
	}
	c.Len += r.x.Rows
	all := tensor.View(c.rows, c.kept(), width)
	out := deltaRun{x: all.Slice(0, 0, c.kept(), r.x.Cols), ba: all.Slice(0, r.x.Cols, c.kept(), r.ba.Cols), y: r.y, first: c.stateLen - c.first, state: c.state}
	c.stateLen = c.Len
	return out
}

// trimRows forgets the rows that no later convolution reads, where those are more than a chunk.
func (c *KV) trimRows(width int, s DeltaShape) {
	if n := c.kept() - s.Kernel + 1; c.Bounded && n > WindowChunk {
		c.rows, c.first = slices.Clone(c.rows[n*width:]), c.first+n
	}
}

// convolve writes the sums of the convolution, and SiLU of them, for n channels from column c on and token t.
func (g *gatedDelta) convolve(sum, y []float32, x tensor.Matrix, t, c int) {
	k := g.s.Kernel
	for i := range y {
		v, w := float32(0), g.w.Conv[(c+i)*k:(c+i+1)*k]
		for j := max(0, k-1-t); j < k; j++ {
			v += w[j] * x.Row(t - k + 1 + j)[c+i]
		}
		if sum != nil {
			sum[i] = v
		}
		y[i] = v * logistic(v)
	}
}

func logistic(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

// unit normalises x to length 1 and returns what it was multiplied by.
func unit(x []float32) float32 {
	inv := float32(1 / math.Sqrt(vec.SumSquares(x)+1e-6))
	vec.Scale(x, inv, x)
	return inv
}

// gates are β and α of a token in value head h, and the softplus's argument.
func (g *gatedDelta) gates(ba []float32, h int) (beta, alpha, arg float32) {
	arg = ba[g.s.ValueHeads+h] + g.w.TimeBias[h]
	soft := math.Log1p(math.Exp(-math.Abs(float64(arg)))) + math.Max(float64(arg), 0)
	return logistic(ba[h]), float32(math.Exp(-math.Exp(float64(g.w.Decay[h])) * soft)), arg
}

// columns are those of the query, key and value of value head h.
func (s DeltaShape) columns(h int) (q, k, v int) {
	key := h / (s.ValueHeads / s.KeyHeads)
	return key * s.KeyDim, (s.KeyHeads + key) * s.KeyDim, 2*s.KeyHeads*s.KeyDim + h*s.ValueDim
}

func (g *gatedDelta) forward(r deltaRun, h int) {
	s := g.s
	qc, kc, vc := s.columns(h)
	q, k, v := make([]float32, s.KeyDim), make([]float32, s.KeyDim), make([]float32, s.ValueDim)
	delta := make([]float32, s.ValueDim)
	state := make([]float32, s.KeyDim*s.ValueDim)
	if r.state != nil {
		state = r.state[h*len(state) : (h+1)*len(state)]
	}
	m := tensor.View(state, s.KeyDim, s.ValueDim)
	scale := float32(1 / math.Sqrt(float64(s.KeyDim)))
	for t := r.first; t < r.x.Rows; t++ {
		g.convolve(nil, q, r.x, t, qc)
		g.convolve(nil, k, r.x, t, kc)
		g.convolve(nil, v, r.x, t, vc)
		unit(q)
		unit(k)
		beta, alpha, _ := g.gates(r.ba.Row(t), h)
		advance(m, k, v, delta, beta, alpha)
		if i := t - (r.x.Rows - r.y.Rows); i >= 0 {
			out := r.y.Row(i)[h*s.ValueDim : (h+1)*s.ValueDim]
			clear(out)
			for j, x := range q {
				vec.Axpy(out, x*scale, m.Row(j))
			}
		}
	}
}

// advance turns the state after a token into that after the next one; delta becomes β·(v − Sᵀk).
func advance(m tensor.Matrix, k, v, delta []float32, beta, alpha float32) {
	vec.Scale(m.Data, alpha, m.Data)
	copy(delta, v)
	for j, x := range k {
		vec.Axpy(delta, -x, m.Row(j))
	}
	vec.Scale(delta, beta, delta)
	for j, x := range k {
		vec.Axpy(m.Row(j), x, delta)
	}
}
