package adapter

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestExpertAdapters: adapters on experts are saved as PEFT names them, are read to the same outputs, and compute the same
// merged.
func TestExpertAdapters(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		m, err := model.Load(t.Context(), c.Dir, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		experts := 0
		m.Experts(func(*model.Linear) { experts++ })
		if experts == 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			parameters := stringList{"experts.gate_up_proj", "experts.down_proj"}
			a, err := Attach(t.Context(), m, "e", &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, TargetParameters: parameters}, 3)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for _, p := range a.Params() {
				for i := range op.Data(p.Param).Data {
					op.Data(p.Param).Data[i] = float32(rng.NormFloat64()) / 10
				}
			}
			want, base := expertOutputs(t, m, "e"), expertOutputs(t, m, "")
			if golden.MaxAbs(want, base) < 1e-3 {
				t.Error("the adapter changes nothing")
			}
			dir := filepath.Join(t.TempDir(), "a")
			if err := a.Save(dir); err != nil {
				t.Fatal(err)
			}
			checkExpertFile(t, dir)
			if _, err := Load(t.Context(), m, dir, "again"); err != nil {
				t.Fatal(err)
			}
			if got := expertOutputs(t, m, "again"); !slices.Equal(got, want) {
				t.Error("the saved adapter has other outputs")
			}
			if _, err := a.LowRank(t.Context(), LowRankOptions{}); err == nil || !strings.Contains(err.Error(), "it changes experts (target_parameters)") {
				t.Errorf("as a plain LoRA: %v", err)
			}
			if _, err := Combine(t.Context(), m, "sum", []Weighted{{a, 1}, {a, 1}}, CombineOptions{How: "linear"}); err == nil || !strings.Contains(err.Error(), "it changes experts (target_parameters)") {
				t.Errorf("combined: %v", err)
			}
			wrong := &LoRA{Common: Common{TargetModules: Suffixes("q_proj", "gate_up_proj")}, R: 2}
			if _, err := Attach(t.Context(), m, "wrong", wrong, 3); err == nil || !strings.Contains(err.Error(), `"gate_up_proj" is a parameter of experts and no layer; LoRA's target_parameters chooses such`) {
				t.Errorf("experts as modules: %v", err)
			}
			patterns := Pattern[int]{{"experts.down_proj", 3}}
			of, err := Attach(t.Context(), m, "patterns", &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, TargetParameters: parameters, RankPattern: patterns}, 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range of.Layers() {
				parameter, _, _ := l.Weight.Entry()
				if want := map[bool]int{false: 2, true: 3}[strings.HasSuffix(parameter, ".down_proj")]; op.Data(l.Adapter.(*lora).a).Rows != want {
					t.Errorf("%s has r %d, want %d", l.Path(), op.Data(l.Adapter.(*lora).a).Rows, want)
				}
			}
			if err := of.Save(filepath.Join(t.TempDir(), "patterns")); err != nil {
				t.Error(err)
			}
			one := &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, TargetParameters: parameters, RankPattern: Pattern[int]{{"experts.1.down_proj", 3}}}
			if _, err := Attach(t.Context(), m, "wrong", one, 3); err == nil || !strings.Contains(err.Error(), `rank_pattern: no adapted layer matches "experts.1.down_proj"; did you mean`) {
				t.Errorf("a pattern for one expert: %v", err)
			}
			m.Tables(func(w *model.Weight) {
				if !strings.Contains(w.Name, "embed") {
					t.Errorf("%s is taken for a table", w.Name)
				}
			})
			if err := a.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "merged", expertOutputs(t, m, ""), want, 1e-4, false)
			a.Unmerge()
			if !slices.Equal(expertOutputs(t, m, ""), base) {
				t.Error("merging leaves a trace")
			}
		})
	}
}

// checkExpertFile says which of PEFT's names a file lacks.
func checkExpertFile(t *testing.T, dir string) {
	t.Helper()
	f, err := checkpoint.Open(filepath.Join(dir, tensorFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, suffix := range []string{"experts.lora_A.weight", "experts.lora_B.weight", "experts.base_layer.lora_A.weight", "experts.base_layer.lora_B.weight"} {
		if !slices.ContainsFunc(f.Names(), func(name string) bool { return endsIn(name, suffix) }) {
			t.Errorf("the file has no …%s, only %v", suffix, f.Names())
		}
	}
}

// expertOutputs are the logits of a text.
func expertOutputs(t *testing.T, m *model.Model, name string) []float32 {
	t.Helper()
	var out []float32
	if err := op.Inference(name, func(p *op.Pass) error {
		y, err := m.Logits(p, &model.Batch{IDs: []int32{5, 6, 7, 8, 9, 10}}, nil, nil)
		out = slices.Clone(y.Data)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}
