package optim

import (
	"math"
	"testing"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestLRScale uses a constant gradient, under which AdamW changes a weight by the learning rate at every step,
// w ← w·(1 − lr·λ) − lr. After n steps the weight is (w₀ + 1/λ)·(1 − lr·λ)ⁿ − 1/λ, with lr scaled by LRScale.
func TestLRScale(t *testing.T) {
	const lr, decay, steps, start = 0.01, 0.1, 20, 3.0
	scales := []float64{0, 1, 4, 0.5}
	var params []model.Param
	for _, s := range scales {
		params = append(params, model.Param{Param: op.NewParam([]float32{start}, 1, 1), LRScale: s})
	}
	o := New(AdamW{Beta1: 0.9, Beta2: 0.999}, params, Options{WeightDecay: decay})
	for range steps {
		for _, p := range params {
			op.Grad(p.Param).Data[0] = 2.5
		}
		o.Step(lr)
		o.ZeroGrad()
	}
	for i, s := range scales {
		if s == 0 {
			s = 1
		}
		want := (start+1/decay)*math.Pow(1-s*lr*decay, steps) - 1/decay
		if got := float64(op.Data(params[i].Param).Data[0]); math.Abs(got-want) > 1e-5 {
			t.Errorf("scale %g: the weight is %g, want %g", scales[i], got, want)
		}
	}
}
