package adapter

import (
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// bareLinear is a layer with normal weights and no model.
func bareLinear(out, in int, seed uint64) *model.Linear {
	l := model.NewLinear(out, in, false)
	l.Weight.Replace(random(rand.New(rand.NewPCG(seed, 1)), out, in))
	return l
}

// bare makes an adapter of a bare layer.
func bare(t testing.TB, m Method, out, in int) model.Adapter {
	t.Helper()
	a, err := m.Adapt(bareLinear(out, in, 1), rand.New(rand.NewPCG(7, 8)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// random is a matrix of normal numbers.
func random(rng *rand.Rand, rows, cols int) tensor.Matrix {
	m := tensor.New(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(rng.NormFloat64())
	}
	return m
}

// stir sets an adapter's parameters to normal numbers.
func stir(rng *rand.Rand, a model.Adapter) {
	for _, p := range a.Params() {
		m := op.Data(p.Param)
		copy(m.Data, random(rng, m.Rows, m.Cols).Data)
	}
	if r, ok := a.(model.ParamsObserver); ok {
		r.ParamsChanged()
	}
}
