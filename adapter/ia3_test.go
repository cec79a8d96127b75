package adapter

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestIA3Places: IA³ scales inputs where feedforward_modules says so, and outputs elsewhere.
func TestIA3Places(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "ia3", nil))
	for _, p := range a.Params() {
		want := []int{6, 1}
		if strings.Contains(p.Name, "down_proj") {
			want = []int{1, 37}
		}
		if !slices.Equal(p.Shape(), want) {
			t.Errorf("%s is %v, want %v", p.Name, p.Shape(), want)
		}
	}
	if len(a.Params()) != 9 {
		t.Errorf("%d vectors, want those of k, v and down in 3 layers", len(a.Params()))
	}
	if _, err := New("ia3", map[string]any{"layers_to_transform": []int{1}}); err == nil || !strings.Contains(err.Error(), "layers_to_transform is no setting of ia3") {
		t.Errorf("got %v", err)
	}
	if _, err := Attach(t.Context(), m, "b", &IA3{Common: Common{TargetModules: Suffixes("k_proj"), LayersToTransform: intList{1}}}, 1); err == nil || !strings.Contains(err.Error(), "layers_to_transform is set") {
		t.Errorf("got %v", err)
	}
}

// TestIA3Bias: a bias is scaled with the outputs when the layer is run, trained, merged and saved.
func TestIA3Bias(t *testing.T) {
	m, err := model.New([]byte(`{"model_type": "llama", "vocab_size": 31, "hidden_size": 20, "intermediate_size": 37, "attention_bias": true,
		"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.3, "max_position_embeddings": 64}`), model.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(8, 8))
	m.Linears(func(l *model.Linear) {
		if l.Bias != nil {
			l.Bias.Replace(random(rng, 1, l.Bias.Size()))
		}
	})
	folder := filepath.Join(t.TempDir(), "base")
	if err := m.Save(t.Context(), folder, "", ""); err != nil {
		t.Fatal(err)
	}
	m = loadModel(t, folder)
	a := mustAttach(t, m, "a", mustNew(t, "ia3", map[string]any{"target_modules": []string{"q_proj", "k_proj", "v_proj", "o_proj"}}))
	base := run(t, m, "")
	golden.Close(t, "untrained", run(t, m, "a"), base, 0, false)
	stirAll(a, 2)
	checkLoss(t, m, a)
	want := run(t, m, "a")
	dir := filepath.Join(t.TempDir(), "saved")
	if err := m.Save(t.Context(), dir, "a", ""); err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "saved", run(t, loadModel(t, dir), ""), want, 1e-5, false)
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "merged", run(t, m, ""), want, 1e-5, false)
	a.Unmerge()
	golden.Close(t, "unmerged", run(t, m, ""), base, 0, false)
}

// checkLoss compares, for each parameter and a random direction, the gradient of a model's loss with a difference.
func checkLoss(t *testing.T, m *model.Model, a *Adapter) {
	t.Helper()
	b := &model.Batch{}
	for i := range 40 {
		b.IDs, b.Labels = append(b.IDs, int32(i*7%31)), append(b.Labels, int32(i*7%31))
	}
	loss := func(backward bool) float64 {
		tape := &op.Pass{Grad: backward}
		defer tape.Release()
		tape.Adapter, tape.Train = a.Name, backward
		l, err := m.Loss(tape, b)
		if err == nil && backward {
			err = tape.Backward(l, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range op.Matrix(l).Data {
			sum += float64(v)
		}
		return sum
	}
	loss(true)
	rng := rand.New(rand.NewPCG(1, 9))
	for _, p := range a.Params() {
		w, g := op.Data(p.Param).Data, op.Grad(p.Param).Data
		start, d := slices.Clone(w), random(rng, 1, len(w)).Data
		at := func(step float32) float64 {
			for i := range w {
				w[i] = start[i] + step*d[i]
			}
			return loss(false)
		}
		numeric, analytic := (at(5e-3)-at(-5e-3))/1e-2, 0.0
		copy(w, start)
		for i := range d {
			analytic += float64(d[i]) * float64(g[i])
		}
		if math.Abs(numeric-analytic) > 1e-2*math.Max(math.Abs(analytic), 1) {
			t.Errorf("%s: the loss moves by %g, its gradient says %g", p.Name, numeric, analytic)
		}
	}
}
