package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/tensor"
)

// naive is self-attention in float64, straight from its definition, over one document.
func naive(x tensor.Matrix, r *RoPE, s AttentionShape) []float64 {
	dim, half := s.HeadDim, s.HeadDim/2
	at := func(i, h int) []float64 {
		v := floats(x.Row(i)[h*dim : (h+1)*dim])
		if r == nil || h >= s.Heads+s.KVHeads {
			return v
		}
		w := make([]float64, dim)
		for j := range half {
			sin, cos := math.Sincos(float64(float32(i) * r.InvFreq[j]))
			w[j], w[j+half] = v[j]*cos-v[j+half]*sin, v[j+half]*cos+v[j]*sin
		}
		return w
	}
	return naiveHeads(x.Rows, x.Rows, s, at,
		func(i, h int) []float64 { return at(i, s.Heads+h) },
		func(i, h int) []float64 { return at(i, s.Heads+s.KVHeads+h) })
}

// naiveCross is cross-attention in float64 over one document.
func naiveCross(q, kv tensor.Matrix, s AttentionShape) []float64 {
	s.Bidirectional = true
	at := func(m tensor.Matrix, i, h int) []float64 { return floats(m.Row(i)[h*s.HeadDim : (h+1)*s.HeadDim]) }
	return naiveHeads(q.Rows, kv.Rows, s,
		func(i, h int) []float64 { return at(q, i, h) },
		func(i, h int) []float64 { return at(kv, i, h) },
		func(i, h int) []float64 { return at(kv, i, s.KVHeads+h) })
}

// naiveHeads is attention of queries to keys and values; the functions return them by row and head.
func naiveHeads(queries, keys int, s AttentionShape, query, key, value func(i, h int) []float64) []float64 {
	out := make([]float64, 0, queries*s.Heads*s.HeadDim)
	for i := range queries {
		for h := range s.Heads {
			kv := h / (s.Heads / s.KVHeads)
			q, sum, y := query(i, h), 0.0, make([]float64, s.HeadDim)
			for j := range keys {
				if !s.Bidirectional && (j > i || s.Window > 0 && i-j >= s.Window) {
					continue
				}
				k, v, dot := key(j, kv), value(j, kv), 0.0
				for d := range q {
					dot += q[d] * k[d]
				}
				p := math.Exp(dot * float64(s.Scale))
				sum += p
				for d := range y {
					y[d] += p * v[d]
				}
			}
			for d := range y {
				out = append(out, y[d]/sum)
			}
		}
	}
	return out
}

func floats(x []float32) []float64 {
	v := make([]float64, len(x))
	for i := range x {
		v[i] = float64(x[i])
	}
	return v
}

var attentionShapes = []AttentionShape{
	{Heads: 2, KVHeads: 2, HeadDim: 8, Scale: 0.35},
	{Heads: 6, KVHeads: 2, HeadDim: 4, Scale: 0.5},
	{Heads: 3, KVHeads: 1, HeadDim: 6, Scale: 0.4, Window: 5},
	{Heads: 2, KVHeads: 1, HeadDim: 4, Scale: 0.5, Window: 70},
	{Heads: 3, KVHeads: 3, HeadDim: 32, Scale: 0.18, Bidirectional: true},
	{Heads: 4, KVHeads: 2, HeadDim: 6, Scale: 0.4, Bidirectional: true},
}

// boundsOf lays documents of those lengths end to end.
func boundsOf(lengths []int) []int {
	bounds := []int{0}
	for _, n := range lengths {
		bounds = append(bounds, bounds[len(bounds)-1]+n)
	}
	return bounds
}

func testRoPE(dim int) *RoPE {
	r := &RoPE{}
	for i := range dim / 2 {
		r.InvFreq = append(r.InvFreq, float32(math.Pow(100, -float64(2*i)/float64(dim))))
	}
	return r
}

func random(r *rand.Rand, rows, cols int) tensor.Matrix {
	return tensor.View(uniform(r, rows*cols), rows, cols)
}

func worst(got []float32, want []float64) float64 {
	w := 0.0
	for i := range want {
		w = max(w, math.Abs(float64(got[i])-want[i]))
	}
	return w
}

func copied(p *Pass, x tensor.Matrix) *Tensor {
	in := p.New(x.Rows, x.Cols)
	copy(in.m.Data, x.Data)
	return in
}

// attend runs Attention over documents of those lengths.
func attend(x tensor.Matrix, lengths []int, r *RoPE, s AttentionShape, cache []*KV) []float32 {
	p := &Pass{}
	defer p.Release()
	return slices.Clone(Matrix(Attention(p, copied(p, x), boundsOf(lengths), r, s, cache)).Data)
}

func TestAttentionIsItsDefinitionInEachDocument(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range attentionShapes {
		for _, lengths := range [][]int{{1}, {2, 1, 5}, {63, 64, 65}, {150, 3}, {300}} {
			for _, rope := range []*RoPE{testRoPE(s.HeadDim), nil} {
				t.Run(fmt.Sprintf("%+v %v positions %t", s, lengths, rope != nil), func(t *testing.T) {
					bounds := boundsOf(lengths)
					x := random(r, bounds[len(lengths)], (s.Heads+2*s.KVHeads)*s.HeadDim)
					var want []float64
					for d, n := range lengths {
						want = append(want, naive(x.Slice(bounds[d], 0, n, x.Cols), rope, s)...)
					}
					if w := worst(attend(x, lengths, rope, s, nil), want); w > 2e-6 {
						t.Errorf("differs by %.2g", w)
					}
				})
			}
		}
	}
}

func TestCrossAttentionIsItsDefinitionInEachDocument(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, s := range []AttentionShape{{Heads: 3, KVHeads: 3, HeadDim: 8, Scale: 0.35}, {Heads: 4, KVHeads: 2, HeadDim: 5, Scale: 0.4}} {
		for _, c := range []struct{ targets, sources []int }{
			{[]int{1}, []int{1}}, {[]int{1, 3, 1}, []int{7, 1, 70}}, {[]int{65, 2}, []int{3, 150}}, {[]int{300}, []int{90}},
		} {
			t.Run(fmt.Sprintf("%+v %v", s, c), func(t *testing.T) {
				p := &Pass{}
				defer p.Release()
				bounds, sources := boundsOf(c.targets), boundsOf(c.sources)
				q := copied(p, random(r, bounds[len(c.targets)], s.Heads*s.HeadDim))
				kv := copied(p, random(r, sources[len(c.sources)], 2*s.KVHeads*s.HeadDim))
				var want []float64
				for d := range c.targets {
					want = append(want, naiveCross(q.m.Slice(bounds[d], 0, c.targets[d], q.m.Cols),
						kv.m.Slice(sources[d], 0, c.sources[d], kv.m.Cols), s)...)
				}
				if w := worst(Matrix(CrossAttention(p, q, kv, bounds, sources, s)).Data, want); w > 2e-6 {
					t.Errorf("differs by %.2g", w)
				}
				kept := NewKV(kv, sources, s)
				for range 2 { // the cache does not change
					if w := worst(Matrix(CachedCrossAttention(p, q, bounds, s, kept)).Data, want); w > 2e-6 {
						t.Errorf("from a cache, differs by %.2g", w)
					}
				}
			})
		}
	}
}

func TestAttentionCacheContinuesDocuments(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for i, s := range attentionShapes {
		if s.Bidirectional {
			continue
		}
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			rope := testRoPE(s.HeadDim)
			if i%2 == 1 {
				rope = nil
			}
			cols, width := (s.Heads+2*s.KVHeads)*s.HeadDim, s.Heads*s.HeadDim
			a, b := random(r, 150, cols), random(r, 90, cols)
			cache := []*KV{{}, {}}
			var got [2][]float32
			at := [2]int{}
			for _, n := range [][2]int{{70, 3}, {1, 1}, {1, 60}, {1, 1}, {77, 25}} {
				x := tensor.New(n[0]+n[1], cols)
				copy(x.Data, a.Data[at[0]*cols:(at[0]+n[0])*cols])
				copy(x.Data[n[0]*cols:], b.Data[at[1]*cols:(at[1]+n[1])*cols])
				y := attend(x, n[:], rope, s, cache)
				got[0], got[1] = append(got[0], y[:n[0]*width]...), append(got[1], y[n[0]*width:]...)
				at[0], at[1] = at[0]+n[0], at[1]+n[1]
			}
			if w := worst(got[0], naive(a, rope, s)); w > 2e-6 {
				t.Errorf("first document differs by %.2g", w)
			}
			if w := worst(got[1], naive(b, rope, s)); w > 2e-6 {
				t.Errorf("second document differs by %.2g", w)
			}
		})
	}
}
