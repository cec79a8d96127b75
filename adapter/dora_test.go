package adapter

import (
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// TestMagnitudes: DoRA's magnitudes get their gradient at 0 and near 0 too, where the output says nothing about them.
func TestMagnitudes(t *testing.T) {
	eachSize(t, func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		d, ok := a.(*dora)
		if !ok {
			t.Skip("is not DoRA")
		}
		stir(rng, a)
		m := op.Data(d.m).Data
		for i := range m {
			switch i % 3 {
			case 0:
				m[i] = 0
			case 1:
				m[i] = 1e-6
			}
		}
		x, gy := random(rng, 9, w.Cols), random(rng, 9, w.Rows)
		a.Grad(x, gy)
		checkDirections(t, "Grad", rng, a, lossOf(w, a, x, gy))
	})
}

// TestTransformOutput: x·W'ᵀ made from x·Wᵀ is the product with the folded weight.
func TestTransformOutput(t *testing.T) {
	eachSize(t, func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		d, ok := a.(*dora)
		if !ok {
			t.Skip("is not DoRA")
		}
		stir(rng, a)
		x := random(rng, 3, w.Cols)
		y, want := tensor.New(3, w.Rows), tensor.New(3, w.Rows)
		tensor.NT(y, x, w, 0)
		d.TransformOutput(y, x)
		tensor.NT(want, x, folded(w, a), 0)
		golden.Close(t, "x·W'ᵀ", y.Data, want.Data, 1e-5, true)
	})
}
