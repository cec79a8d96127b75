package adapter

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestOrthogonality compares the gradient of the regulariser with differences of the regulariser.
func TestOrthogonality(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "adalora", map[string]any{"init_r": 4, "target_r": 2, "orth_reg_weight": 0.7, "target_modules": []string{"q_proj", "up_proj"}}))
	stirAll(a, 1)
	a.OnPreOptimizerStep()
	penalty := func() float64 {
		sum, n := 0.0, 0
		for _, p := range a.Params() {
			w := spectrum.Float64(op.Data(p.Param))
			var c mat.Dense
			switch {
			case strings.HasSuffix(p.Name, "lora_A"):
				c.Mul(w, w.T())
			case strings.HasSuffix(p.Name, "lora_B"):
				c.Mul(w.T(), w)
			default:
				continue
			}
			for i := range 4 {
				c.Set(i, i, c.At(i, i)-1)
			}
			sum += mat.Norm(&c, 2)
			n++
		}
		return 0.7 * sum / float64(n)
	}
	rng := rand.New(rand.NewPCG(4, 4))
	for _, p := range a.Params() {
		if strings.HasSuffix(p.Name, "lora_E") {
			continue
		}
		w, g := op.Data(p.Param).Data, op.Grad(p.Param).Data
		start, d := slices.Clone(w), random(rng, 1, len(w)).Data
		at := func(step float32) float64 {
			for i := range w {
				w[i] = start[i] + step*d[i]
			}
			return penalty()
		}
		numeric, analytic := (at(1e-3)-at(-1e-3))/2e-3, 0.0
		copy(w, start)
		for i := range d {
			analytic += float64(d[i]) * float64(g[i])
		}
		if math.Abs(numeric-analytic) > 2e-3*math.Max(math.Abs(analytic), 0.05) {
			t.Errorf("%s: the penalty moves by %g, its gradient says %g", p.Name, numeric, analytic)
		}
	}
}

// TestBudget walks through a schedule: all triplets up to tinit, then a cubic fall to the target.
func TestBudget(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "adalora", map[string]any{"init_r": 4, "target_r": 1, "tinit": 2, "tfinal": 3, "deltaT": 2, "target_modules": []string{"q_proj"}}))
	if err := a.OnTrainBegin(5); err == nil || !strings.Contains(err.Error(), "leave no step of 5") {
		t.Errorf("got %v", err)
	}
	if err := a.OnTrainBegin(12); err != nil {
		t.Fatal(err)
	}
	// 12 triplets, 3 in the end, over 7 steps: 9·(1 − k/7)³ + 3 at even steps, then from step 9 on the target.
	want := []int{12, 12, 12, int(9*math.Pow(5./7, 3) + 3), 0, int(9*math.Pow(3./7, 3) + 3), 0, int(9*math.Pow(1./7, 3) + 3), 3, 3, 3, 3}
	rng := rand.New(rand.NewPCG(6, 6))
	for step := 1; step <= 12; step++ {
		for _, p := range a.Params() {
			copy(op.Data(p.Param).Data, random(rng, 1, p.Size()).Data)
			copy(op.Grad(p.Param).Data, random(rng, 1, p.Size()).Data)
		}
		a.OnStepEnd(step)
		left := 0
		for _, p := range a.Params() {
			if strings.HasSuffix(p.Name, "lora_E") {
				for _, v := range op.Data(p.Param).Data {
					if v != 0 {
						left++
					}
				}
			}
		}
		if w := want[step-1]; w != 0 && left != w || w == 0 && left != 12 {
			t.Errorf("step %d: %d triplets left, want %d", step, left, w)
		}
		reloadState(t, m, a)
	}
}

// reloadState saves an adapter with its state, and compares both with what is read back.
func reloadState(t *testing.T, m *model.Model, a *Adapter) {
	t.Helper()
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := a.SaveState(dir); err != nil {
		t.Fatal(err)
	}
	b, err := Load(t.Context(), m, dir, "again")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Detach()
	if err := b.LoadState(dir); err != nil {
		t.Fatal(err)
	}
	one, two := a.hooks.State(), b.hooks.State()
	for i := range one {
		if one[i].Name != two[i].Name || !slices.Equal(*one[i].Values, *two[i].Values) {
			t.Errorf("%s came back with other values", one[i].Name)
		}
	}
	if a.Method.(*AdaLoRA).TotalStep != b.Method.(*AdaLoRA).TotalStep {
		t.Error("total_step is lost")
	}
	if err := b.LoadState(t.TempDir()); err == nil {
		t.Error("loaded a state that is not there")
	}
}
