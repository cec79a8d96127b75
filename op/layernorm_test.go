package op

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLayerNormIsItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(30, 31))
	for _, c := range []struct {
		rows, cols int
		eps        float32
	}{{1, 2, 1e-5}, {3, 7, 1e-12}, {100, 384, 1e-12}, {33, 5, 0.1}} {
		p := &Pass{}
		x, w, b := p.New(c.rows, c.cols), uniform(r, c.cols), uniform(r, c.cols)
		copy(x.m.Data, uniform(r, c.rows*c.cols))
		want := make([]float64, 0, c.rows*c.cols)
		for i := range c.rows {
			mean, variance, n := 0.0, 0.0, float64(c.cols)
			for _, v := range x.m.Row(i) {
				mean += float64(v) / n
			}
			for _, v := range x.m.Row(i) {
				variance += (float64(v) - mean) * (float64(v) - mean) / n
			}
			for j, v := range x.m.Row(i) {
				want = append(want, float64(w[j])*(float64(v)-mean)/math.Sqrt(variance+float64(c.eps))+float64(b[j]))
			}
		}
		if d := worst(Matrix(LayerNorm(p, x, w, b, nil, nil, c.eps)).Data, want); d > 2e-6 {
			t.Errorf("%d×%d, eps %g: differs by %.2g", c.rows, c.cols, c.eps, d)
		}
		p.Release()
	}
}
