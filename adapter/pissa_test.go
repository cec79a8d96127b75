package adapter

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
)

// TestStarts: PiSSA's product is the best approximation of its rank, by gonum's decomposition of the whole matrix; OLoRA's
// A is the first rows of R = Qᵀ·W.
func TestStarts(t *testing.T) {
	for _, s := range [][2]int{{37, 20}, {20, 37}, {140, 150}} {
		w := dense(bareLinear(s[0], s[1], 3).Weight.Source(""))
		f, err := spectrum.Exact(w)
		if err != nil {
			t.Fatal(err)
		}
		tail := 0.0
		for _, v := range f.Values[4:] {
			tail += v * v
		}
		rest := func(m Method) float64 {
			d, err := m.Adapt(bareLinear(s[0], s[1], 3), rand.New(rand.NewPCG(7, 8)))
			if err != nil {
				t.Fatal(err)
			}
			left := spectrum.Float64(w)
			var part mat.Dense
			part.Mul(spectrum.Float64(d.(*residual).b0), spectrum.Float64(d.(*residual).a0))
			part.Scale(float64(d.(*residual).scale), &part)
			left.Sub(left, &part)
			return math.Pow(mat.Norm(left, 2), 2)
		}
		if got := rest(mustNew(t, "pissa", map[string]any{"r": 4, "lora_alpha": 6})); math.Abs(got/tail-1) > 1e-3 {
			t.Errorf("%v: PiSSA leaves %g, want %g", s, got, tail)
		}
		// OLoRA with scale 1 leaves the part of the other columns that is orthogonal to the first four.
		got := rest(mustNew(t, "olora", map[string]any{"r": 4, "lora_alpha": 4}))
		q, _ := spectrum.ThinQR(mat.DenseCopyOf(spectrum.Float64(w).Slice(0, s[0], 0, 4)))
		var in mat.Dense
		in.Mul(q.T(), spectrum.Float64(w))
		if want := math.Pow(mat.Norm(spectrum.Float64(w), 2), 2) - math.Pow(mat.Norm(&in, 2), 2); math.Abs(got/want-1) > 1e-5 {
			t.Errorf("%v: OLoRA leaves %g, want %g", s, got, want)
		}
	}
}

// TestConverted: a PiSSA that is saved and loaded has the same start and the same settings.
func TestConverted(t *testing.T) {
	for _, rs := range []bool{false, true} {
		m := tinyModel(t, true)
		set := map[string]any{"r": 2, "lora_alpha": 7, "use_rslora": rs, "rank_pattern": map[string]int{"q_proj": 3}, "alpha_pattern": map[string]float64{"q_proj": 5}}
		a := mustAttach(t, m, "a", mustNew(t, "pissa", set))
		stirAll(a, 3)
		dir := t.TempDir()
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		b, err := Load(t.Context(), m, dir, "b")
		if err != nil {
			t.Fatal(err)
		}
		c, d := a.Method.(*LoRA), b.Method.(*LoRA)
		if c.R != d.R || c.Alpha != d.Alpha || d.Init != InitPiSSA || at(d.RankPattern, "q_proj") != 3 || at(d.AlphaPattern, "q_proj") != 5 {
			t.Errorf("settings %+v came back as %+v", c, d)
		}
		for i, l := range a.layers {
			one, two := l.Adapter.(*residual), b.layers[i].Adapter.(*residual)
			if !slices.Equal(one.a0.Data, two.a0.Data) || !slices.Equal(one.b0.Data, two.b0.Data) || one.scale != two.scale {
				t.Errorf("%s has another start", l.Path())
			}
		}
	}
	for change, want := range map[string]string{
		`{"r": 3, "converted_from": "pissa"}`:                                "want an even rank",
		`{"r": 4, "converted_from": "pissa", "rank_pattern": {"v_proj": 1}}`: "rank_pattern: v_proj is 1",
	} {
		if _, err := Parse(peftConfig(t, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", change, err, want)
		}
	}
}
