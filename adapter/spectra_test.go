package adapter

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// TestSpectrumFactors: the factors of ΔW have its singular values, as gonum finds them in the whole matrix.
func TestSpectrumFactors(t *testing.T) {
	check := func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		s, ok := a.(SpectrumFactorer)
		if !ok {
			t.Skip("has no smaller form")
		}
		if got := all(t, s.SpectrumFactors(w.Rows, w.Cols)); len(got) > 0 && got[0] != 0 {
			t.Errorf("untrained: %v", got)
		}
		stir(rng, a)
		delta := mat.Matrix(spectrum.Float64(folded(tensor.New(w.Rows, w.Cols), a)))
		if w.Rows < w.Cols {
			delta = delta.T() // see spectrum.SingularValues
		}
		var svd mat.SVD
		if !svd.Factorize(delta, mat.SVDNone) {
			t.Fatal("SVD does not converge")
		}
		got := all(t, s.SpectrumFactors(w.Rows, w.Cols))
		for i, want := range svd.Values(nil) {
			v := 0.0
			if i < len(got) {
				v = got[i]
			}
			if diff := math.Abs(v - want); diff > 1e-5*svd.Values(nil)[0] {
				t.Errorf("singular value %d is %g, want %g", i, v, want)
			}
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

// all lists the singular values of the matrices, the largest first.
func all(t *testing.T, cores []*mat.Dense) []float64 {
	t.Helper()
	var values []float64
	for _, c := range cores {
		v, err := spectrum.SingularValues(c)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v...)
	}
	slices.Sort(values)
	slices.Reverse(values)
	return values
}

// TestDifference: a merged model differs from its base by as many singular values above the bound as the adapter has.
func TestDifference(t *testing.T) {
	for _, name := range []string{"lora", "mora", "dora"} {
		method, err := New(name, map[string]any{"r": 2})
		if err != nil {
			t.Fatal(err)
		}
		before, after := tinyModel(t, false), tinyModel(t, false)
		a := mustAttach(t, after, "a", method)
		stirAll(a, 3)
		const bound = 0.05
		want, err := a.Spectra(t.Context(), bound)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := DiffSpectra(t.Context(), before, after, bound)
		if err != nil {
			t.Fatal(err)
		}
		some := 0
		for i, w := range want {
			some += w.Rank
			if g := got[i]; g.Path != w.Path || g.Rank != w.Rank || math.Abs(g.Largest-w.Largest) > 1e-4*w.Largest {
				t.Errorf("%s: got %+v, want %+v", name, g, w)
			}
		}
		if some == 0 || len(got) != len(want) {
			t.Errorf("%s: %d layers, %d singular values", name, len(got), some)
		}
	}
}
