package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/internal/gemm"
)

// naive is attention in float64, straight from its definition, over one document.
func naive(x gemm.Mat, r *RoPE, s AttentionShape) []float64 {
	dim, half := s.HeadDim, s.HeadDim/2
	at := func(i, h int) []float64 {
		v := make([]float64, dim)
		for j := range v {
			v[j] = float64(x.Row(i)[h*dim+j])
		}
		if h >= s.Heads+s.KVHeads {
			return v
		}
		w := make([]float64, dim)
		for j := range half {
			sin, cos := math.Sincos(float64(float32(i) * r.InvFreq[j]))
			w[j], w[j+half] = v[j]*cos-v[j+half]*sin, v[j+half]*cos+v[j]*sin
		}
		return w
	}
	out := make([]float64, 0, x.Rows*s.Heads*dim)
	for i := range x.Rows {
		for h := range s.Heads {
			kv := h / (s.Heads / s.KVHeads)
			q, sum, y := at(i, h), 0.0, make([]float64, dim)
			for j := 0; j <= i; j++ {
				if s.Window > 0 && i-j >= s.Window {
					continue
				}
				k, v, dot := at(j, s.Heads+kv), at(j, s.Heads+s.KVHeads+kv), 0.0
				for d := range dim {
					dot += q[d] * k[d]
				}
				p := math.Exp(dot * float64(s.Scale))
				sum += p
				for d := range dim {
					y[d] += p * v[d]
				}
			}
			for d := range dim {
				out = append(out, y[d]/sum)
			}
		}
	}
	return out
}

var attentionShapes = []AttentionShape{
	{Heads: 2, KVHeads: 2, HeadDim: 8, Scale: 0.35},
	{Heads: 6, KVHeads: 2, HeadDim: 4, Scale: 0.5},
	{Heads: 3, KVHeads: 1, HeadDim: 6, Scale: 0.4, Window: 5},
	{Heads: 2, KVHeads: 1, HeadDim: 4, Scale: 0.5, Window: 70},
}

func testRoPE(dim int) *RoPE {
	r := &RoPE{}
	for i := range dim / 2 {
		r.InvFreq = append(r.InvFreq, float32(math.Pow(100, -float64(2*i)/float64(dim))))
	}
	return r
}

func random(r *rand.Rand, rows, cols int) gemm.Mat { return gemm.Of(uniform(r, rows*cols), rows, cols) }

func worst(got []float32, want []float64) float64 {
	w := 0.0
	for i := range want {
		w = max(w, math.Abs(float64(got[i])-want[i]))
	}
	return w
}

// attend runs Attention over documents of those lengths.
func attend(x gemm.Mat, lengths []int, r *RoPE, s AttentionShape, cache []*KV) []float32 {
	t := NewTape(false)
	defer t.Release()
	in := t.New(x.Rows, x.Cols)
	copy(in.m.Data, x.Data)
	bounds := []int{0}
	for _, n := range lengths {
		bounds = append(bounds, bounds[len(bounds)-1]+n)
	}
	return append([]float32(nil), Mat(Attention(t, in, bounds, r, s, cache)).Data...)
}

func TestAttentionIsItsDefinitionInEachDocument(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range attentionShapes {
		for _, lengths := range [][]int{{1}, {2, 1, 5}, {63, 64, 65}, {150, 3}} {
			t.Run(fmt.Sprintf("%+v %v", s, lengths), func(t *testing.T) {
				rope, total := testRoPE(s.HeadDim), 0
				for _, n := range lengths {
					total += n
				}
				x := random(r, total, (s.Heads+2*s.KVHeads)*s.HeadDim)
				var want []float64
				at := 0
				for _, n := range lengths {
					want = append(want, naive(x.Slice(at, 0, n, x.Cols), rope, s)...)
					at += n
				}
				if w := worst(attend(x, lengths, rope, s, nil), want); w > 2e-6 {
					t.Errorf("differs by %.2g", w)
				}
			})
		}
	}
}

func TestAttentionCacheContinuesDocuments(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for _, s := range attentionShapes {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			rope := testRoPE(s.HeadDim)
			cols, width := (s.Heads+2*s.KVHeads)*s.HeadDim, s.Heads*s.HeadDim
			a, b := random(r, 150, cols), random(r, 90, cols)
			cache := []*KV{{}, {}}
			var got [2][]float32
			at := [2]int{}
			for _, n := range [][2]int{{70, 3}, {1, 1}, {1, 60}, {1, 1}, {77, 25}} {
				x := gemm.New(n[0]+n[1], cols)
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
