package spagotune_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/inspect"
	"github.com/spagotune/spagotune/recipes"
)

// earlier makes a copy of testdata/compat, what an earlier version wrote, the working folder.
func earlier(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "compat"))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

// TestEarlierAdapters opens adapters and models of an earlier version, and runs them.
func TestEarlierAdapters(t *testing.T) {
	earlier(t)
	for _, tt := range []struct{ model, adapter string }{{"embedded", "adapter"}, {"full", ""}, {"relora", ""}, {"bert", "classify"}} {
		s, err := infer.Open(t.Context(), tt.model, tt.adapter)
		if err != nil {
			t.Fatal(err)
		}
		probes, err := s.Probes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := infer.Logits(t.Context(), s.Model, s.Adapter, probes); err != nil {
			t.Errorf("%s %s: %v", tt.model, tt.adapter, err)
		}
		if tt.adapter == "classify" {
			p, err := evaluate.Predict(t.Context(), s, "", nil, []evaluate.Input{{Text: "good"}})
			if err != nil || len(p[0].Probabilities) != 2 || p[0].Probabilities["pos"] == 0 {
				t.Errorf("predicted %+v, %v", p, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	i, err := inspect.Folder(t.Context(), "adapter", "")
	if err != nil || i.Adapter.BaseModel != "embedded" || i.Adapter.Layers[0].RHat == 0 {
		t.Errorf("inspected %+v, %v", i, err)
	}
	if r, err := convert.Convert(t.Context(), convert.Options{Model: "cybertron", Output: "back", To: convert.ToHuggingFace}); err != nil || r.Parameters == 0 {
		t.Errorf("converted %+v, %v", r, err)
	}
}

// TestEarlierRunsResume goes on with checkpoints of an earlier version, to the weights that it came to.
func TestEarlierRunsResume(t *testing.T) {
	earlier(t)
	for _, tt := range []struct{ recipe, cut, whole, weights string }{
		{"recipe.yaml", "resume", "adapter", "adapter_model.safetensors"},
		{"relora.yaml", "relora-resume", "relora", "model.safetensors"},
	} {
		raw, err := os.ReadFile(tt.recipe)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := finetune.ParseRecipes(raw, []string{"output_dir=" + tt.cut})
		if err != nil {
			t.Fatal(err)
		}
		var logs bytes.Buffer
		r, err := finetune.Run(t.Context(), runs[0].Config, finetune.Options{Resume: true, Log: zerolog.New(&logs)})
		if err != nil {
			t.Fatal(err)
		}
		if r.Steps != 4 || !strings.Contains(logs.String(), "resum") {
			t.Errorf("%s: %d steps; the log is\n%s", tt.recipe, r.Steps, &logs)
		}
		sameWeights(t, filepath.Join(tt.cut, tt.weights), filepath.Join(tt.whole, tt.weights))
	}
}

// sameWeights says whether two files have the same tensors, but for what one kernel rounds in another way than the next.
func sameWeights(t *testing.T, got, want string) {
	t.Helper()
	a, err := checkpoint.Open(got)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	b, err := checkpoint.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for _, name := range b.Names() {
		x, _ := a.Get(name)
		y, _ := b.Get(name)
		xs, err := x.Float32s()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ys, err := y.Float32s()
		if err != nil || len(xs) != len(ys) {
			t.Fatalf("%s: %d values, want %d (%v)", name, len(xs), len(ys), err)
		}
		for i := range ys {
			if d := math.Abs(float64(xs[i] - ys[i])); !(d <= 1e-4) {
				t.Fatalf("%s: %s is off by %g", got, name, d)
			}
		}
	}
}

// TestEarlierAnswersAndTables goes on with a file of answers. An earlier table's runs are run again, since they scored dashes
// and drew the same pairs for every seed; the earlier records are kept.
func TestEarlierAnswersAndTables(t *testing.T) {
	earlier(t)
	all, err := evaluate.Tasks([]string{"memory"}, nil, []string{"pairs=6"})
	if err != nil {
		t.Fatal(err)
	}
	log, err := evaluate.OpenPredictionLog("answers.jsonl", evaluate.Run{Model: "full", Tasks: all, Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	earlierRecord := filepath.Join("table", "rows", "mora-8.seed-1.json")
	before, err := os.ReadFile(earlierRecord)
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	o := experiments.Options{Recipes: recipes.Files, Preset: "tiny", Output: "table", Seeds: 1, Only: []string{"mora-8"}, Log: zerolog.Nop(),
		Settings: []string{"max_steps=2", "task_options.pairs=4", "per_device_train_batch_size=2", "learning_rate=0.003", "search={learning_rate: [0.003]}", "warmup_steps=1",
			"eval_steps=2", "eval_examples=2", "save_steps=0", "r=2", "target_modules=[q_proj]", "lr_scheduler_type=constant"},
		Progress: func(finetune.Progress) { steps++ }}
	if err := experiments.Run(t.Context(), "memory", o); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(earlierRecord)
	if err != nil || !bytes.Equal(before, after) || steps != 2 {
		t.Errorf("%d steps ran, want 2; the earlier record is now\n%s\nwant\n%s(%v)", steps, after, before, err)
	}
}
