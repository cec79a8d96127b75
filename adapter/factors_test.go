package adapter

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// relative is ‖got − want‖/‖want‖ by the Frobenius norm.
func relative(got, want *mat.Dense) float64 {
	var d mat.Dense
	d.Sub(got, want)
	return mat.Norm(&d, 2) / mat.Norm(want, 2)
}

// TestLowRankFactors: the product of the factors is ΔW.
func TestLowRankFactors(t *testing.T) {
	check := func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		f, ok := a.(LowRankFactorer)
		if !ok {
			t.Skip("has no factors")
		}
		stir(rng, a)
		b, c := f.LowRankFactors(w.Rows, w.Cols)
		if b.Rows != w.Rows || c.Cols != w.Cols || b.Cols != c.Rows {
			t.Fatalf("factors %d×%d and %d×%d of a layer %d×%d", b.Rows, b.Cols, c.Rows, c.Cols, w.Rows, w.Cols)
		}
		if off := relative(product(b, c), spectrum.Float64(folded(tensor.New(w.Rows, w.Cols), a))); !(off < 1e-6) {
			t.Errorf("the product is off by %g", off)
		}
	}
	eachSize(t, check)
	for kind := range moraNames {
		for _, s := range sizes {
			a, err := (&MoRA{Common: Common{TargetModules: AllLinear}, R: 2, Type: kind}).Adapt(bareLinear(s[0], s[1], 1), rand.New(rand.NewPCG(1, 2)))
			if err == nil {
				t.Run(kind.String(), func(t *testing.T) { check(t, rand.New(rand.NewPCG(3, 4)), tensor.New(s[0], s[1]), a) })
			}
		}
	}
}

// stirred attaches a method to the tiny model and gives it random values.
func stirred(t *testing.T, name string, settings map[string]any) *Adapter {
	t.Helper()
	method, err := New(name, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Attach(t.Context(), tinyModel(t, false), "x", method, 1)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for _, p := range a.Params() {
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] += float32(rng.NormFloat64()) * 0.1
		}
	}
	a.ParamsChanged()
	return a
}

// TestLowRank holds the rank and the error of every layer to the options, with the error measured again on the whole ΔW.
func TestLowRank(t *testing.T) {
	for _, tt := range []struct {
		method   string
		settings map[string]any
		options  LowRankOptions
		exact    bool
		most     float64
	}{
		{"lora", map[string]any{"r": 4}, LowRankOptions{}, true, 1e-6},
		{"rslora", map[string]any{"r": 4}, LowRankOptions{Rank: 8}, true, 1e-6},
		{"lora", map[string]any{"r": 4}, LowRankOptions{Rank: 2}, false, 1},
		{"lora", map[string]any{"r": 4}, LowRankOptions{Error: 0.3}, false, 0.3},
		{"mora", map[string]any{"r": 2, "mora_type": 1}, LowRankOptions{}, true, 1e-6},
		{"mora", map[string]any{"r": 2, "mora_type": 6}, LowRankOptions{}, true, 1e-6},
		{"mora", map[string]any{"r": 2, "mora_type": 6}, LowRankOptions{Error: 0.05}, false, 0.05},
		{"dora", map[string]any{"r": 4}, LowRankOptions{}, false, 1},
		{"dora", map[string]any{"r": 4}, LowRankOptions{Error: 1e-3}, false, 1e-3},
		{"ia3", nil, LowRankOptions{Error: 0.1}, false, 0.1},
	} {
		t.Run(tt.method, func(t *testing.T) {
			a := stirred(t, tt.method, tt.settings)
			layers, err := a.LowRank(t.Context(), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range layers {
				want := difference(a.layers[i].Weight.Source(""), a.layers[i].Source("x"))
				off := relative(product(f.B, f.A), want)
				if f.Exact != tt.exact || off > tt.most || math.Abs(off-f.Error) > 2e-3 {
					t.Errorf("%s: exact %t, error %g, said to be %g; want %t, at most %g", f.Path, f.Exact, off, f.Error, tt.exact, tt.most)
				}
				if r := f.A.Rows; tt.options.Rank > 0 && r > tt.options.Rank || r > f.Bound {
					t.Errorf("%s: rank %d of at most %d and %d", f.Path, r, tt.options.Rank, f.Bound)
				}
			}
		})
	}
}

func TestLowRankRefusals(t *testing.T) {
	a := stirred(t, "lora", map[string]any{"r": 2})
	for _, o := range []LowRankOptions{{Rank: -1}, {Error: -0.1}, {Error: 1}, {Error: math.NaN()}} {
		if _, err := a.LowRank(t.Context(), o); err == nil {
			t.Errorf("%+v is no error", o)
		}
	}
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.LowRank(t.Context(), LowRankOptions{}); !errors.Is(err, ErrMerged) {
		t.Errorf("merged: %v", err)
	}
	whole := stirred(t, "lora", map[string]any{"r": 2, "modules_to_save": []string{"lm_head"}})
	if _, err := whole.LowRank(t.Context(), LowRankOptions{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("modules_to_save: %v", err)
	}
}
