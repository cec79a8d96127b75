package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// naive is self-attention in float64, straight from its definition, over one document.
func naive(x tensor.Matrix, r *RoPE, s AttentionShape) []float64 {
	dim := s.HeadDim
	at := func(i, h int) []float64 {
		v := floats(x.Row(i)[h*dim : (h+1)*dim])
		if r == nil || h >= s.Heads+s.KVHeads {
			return v
		}
		freq, scale, w := r.InvFreq, float64(max(r.Scale, 1)), slices.Clone(v)
		if r.Long != nil && x.Rows > r.Original {
			freq = r.Long(x.Rows)
		}
		for j, half := 0, len(freq); j < half; j++ {
			sin, cos := math.Sincos(float64(float32(i) * freq[j]))
			w[j], w[j+half] = scale*(v[j]*cos-v[j+half]*sin), scale*(v[j+half]*cos+v[j]*sin)
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

// longRoPE rotates all but two values of each head, scales them, and has other frequencies for documents of more than 64
// tokens, which depend on their lengths.
func longRoPE(dim int) *RoPE {
	r := testRoPE(dim - 2)
	r.Scale, r.Original = 1.2, 64
	r.Long = func(n int) []float32 {
		freq := slices.Clone(r.InvFreq)
		for i := range freq {
			freq[i] *= 64 / float32(n)
		}
		return freq
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
			for name, rope := range map[string]*RoPE{"rotated": testRoPE(s.HeadDim), "long": longRoPE(s.HeadDim), "as they are": nil} {
				t.Run(fmt.Sprintf("%+v %v %s", s, lengths, name), func(t *testing.T) {
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

// TestLongDocumentsInACache: the frequencies follow the length that a document has when a token is added; earlier keys stay.
func TestLongDocumentsInACache(t *testing.T) {
	s := AttentionShape{Heads: 2, KVHeads: 1, HeadDim: 6, Scale: 0.4}
	rope := longRoPE(s.HeadDim)
	r := rand.New(rand.NewPCG(10, 11))
	x := random(r, 67, (s.Heads+2*s.KVHeads)*s.HeadDim)
	cache := []*KV{{}}
	attend(x.Slice(0, 0, 64, x.Cols), []int{64}, rope, s, cache)
	for n := 65; n <= 67; n++ {
		one := tensor.New(1, x.Cols)
		copy(one.Data, x.Row(n-1))
		attend(one, []int{1}, rope, s, cache)
		want := tensor.New(1, x.Cols)
		copy(want.Data, x.Row(n-1))
		key := want.Data[s.Heads*s.HeadDim:][:s.HeadDim]
		freq := rope.Long(n)
		for j, f := range freq {
			sin, cos := math.Sincos(float64(float32(n-1) * f))
			lo, hi := float64(key[j]), float64(key[j+len(freq)])
			key[j], key[j+len(freq)] = float32(1.2*(lo*cos-hi*sin)), float32(1.2*(hi*cos+lo*sin))
		}
		if got := cache[0].keys(0, s.HeadDim).Row(n - 1); worst(got, floats(key)) > 1e-6 {
			t.Errorf("key %d is %v, want %v", n, got, key)
		}
	}
}

// TestAttentionGivesItsInputBack: after the backward pass, queries and keys are as they were before they were rotated.
// TestAttentionByKeyTiles runs tests with so few keys at a time that their documents take several tiles.
func TestAttentionByKeyTiles(t *testing.T) {
	defer func(n int) { keyTile = n }(keyTile)
	keyTile = 3
	for name, f := range map[string]func(t *testing.T){
		"definition": TestAttentionIsItsDefinitionInEachDocument,
		"cross":      TestCrossAttentionIsItsDefinitionInEachDocument,
		"cache":      TestAttentionCacheContinuesDocuments,
		"lengths":    TestAttentionLengths,
		"gradients":  TestAttentionGradients,
		"sources":    TestCrossAttentionGradients,
		"dropout":    TestAttentionDropout,
		"families":   TestGradientsOfFamilies,
		"packed":     TestPackedValues,
	} {
		t.Run(name, f)
	}
}

func TestAttentionGivesItsInputBack(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 13))
	s := AttentionShape{Heads: 2, KVHeads: 1, HeadDim: 8, Scale: 0.35}
	for name, rope := range map[string]*RoPE{"rotated": testRoPE(s.HeadDim), "long": longRoPE(s.HeadDim)} {
		x := param(r, 80, (s.Heads+2*s.KVHeads)*s.HeadDim)
		seen := false
		p := &Pass{Grad: true}
		var in mat.Tensor
		in = p.Apply(Operator{
			Params: []*nn.Param{x}, Rows: 80, Cols: Data(x).Cols,
			Forward: func(y tensor.Matrix) { copy(y.Data, Data(x).Data) },
			Backward: func(*Tensor) []*Tensor {
				seen = true
				if w := worst(Matrix(in).Data, floats(Data(x).Data)); w > 1e-6 {
					t.Errorf("%s: differs by %.2g", name, w)
				}
				return nil
			},
		})
		y := Attention(p, in, []int{0, 75, 80}, rope, s, nil)
		Matrix(y)
		if err := p.Backward(y, 1); err != nil || !seen {
			t.Errorf("%s: %v, seen %t", name, err, seen)
		}
		p.Release()
	}
}
