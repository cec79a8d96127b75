package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/gemm"
)

func TestLayerNormIsItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(30, 31))
	for _, c := range []struct {
		rows, cols int
		eps        float32
	}{{1, 2, 1e-5}, {3, 7, 1e-12}, {100, 384, 1e-12}, {33, 5, 0.1}} {
		tape := NewTape(false)
		x, w, b := tape.New(c.rows, c.cols), uniform(r, c.cols), uniform(r, c.cols)
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
		if d := worst(Mat(LayerNorm(tape, x, w, b, nil, nil, c.eps)).Data, want); d > 2e-6 {
			t.Errorf("%d×%d, eps %g: differs by %.2g", c.rows, c.cols, c.eps, d)
		}
		tape.Release()
	}
}

// encoder is a step through the operators of a post-norm layer, with values dropped where they can be.
func encoder(t *testing.T) (y, grad []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(32, 33))
	x, up, down := param(r, 200, 48), weight{param(r, 300, 48)}, weight{param(r, 48, 300)}
	w, b := param(r, 1, 48), param(r, 1, 48)
	tape := NewTape(true)
	defer tape.Release()
	norm := func(x mat.Tensor) mat.Tensor { return LayerNorm(tape, x, Data(w).Data, Data(b).Data, w, b, 1e-12) }
	h := norm(identity(tape, x))
	u := Activate(tape, Linear(tape, h, nil, up), GELU)
	z := Linear(tape, u, nil, down)
	tape.Drop(h)
	tape.Drop(u)
	o := norm(z)
	y = slices.Clone(Mat(o).Data)
	if err := tape.Backward(o, 0.5); err != nil {
		t.Fatal(err)
	}
	for _, p := range []interface{ Grad() mat.Tensor }{x, up.p, down.p, w, b} {
		grad = append(grad, Mat(p.Grad()).Data...)
	}
	return y, grad
}

func TestEncoderOperatorsSameBitsForAnyNumberOfThreads(t *testing.T) {
	defer gemm.SetThreads(gemm.Threads())
	gemm.SetThreads(1)
	y, grad := encoder(t)
	for _, n := range []int{2, 3} {
		gemm.SetThreads(n)
		y2, grad2 := encoder(t)
		if !slices.Equal(y, y2) || !slices.Equal(grad, grad2) {
			t.Errorf("%d threads give other bits than one", n)
		}
	}
}
