package finetune

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks/data"
)

// TestContinueAdapter: a run goes on from an adapter, its head included, with other steps and another rate.
func TestContinueAdapter(t *testing.T) {
	base := tiny.Encoder(t)
	h := headCases["classify"]
	first := h.config(t, base, 12)
	one, err := Run(t.Context(), first, quiet())
	if err != nil {
		t.Fatal(err)
	}
	second := h.config(t, base, 6)
	second.Method = MethodSpec{Adapter: first.Save.OutputDir}
	second.Train.LearningRate, second.Train.Seed = 1e-3, 5
	two, err := Run(t.Context(), second, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if was, is := one.Evaluations[len(one.Evaluations)-1].Loss, two.Evaluations[0].Loss; math.Abs(was-is) > 1e-6 {
		t.Errorf("the second run begins at a loss of %g, the first ended at %g", is, was)
	}
	w1, _ := content(t, first)
	w2, _ := content(t, second)
	if bytes.Equal(w1, w2) {
		t.Error("the second run changed nothing")
	}
	predictOne(t, base, second.Save.OutputDir, h)
	if m, err := adapter.ReadConfig(second.Save.OutputDir); err != nil || m.Settings().BaseModel != filepath.Base(base) {
		t.Errorf("the second run's adapter names its base %q (%v), want the folder's last name", m.Settings().BaseModel, err)
	}

	for want, change := range map[string]func(c *Config){
		"r: the settings come with adapter":          func(c *Config) { c.Method.Settings = map[string]any{"r": 4} },
		"of method lora, which the run goes on with": func(c *Config) { c.Method.Name = "mora" },
		"method is full":                             func(c *Config) { c.Method.Name = "full" },
		"cannot go on from adapter":                  func(c *Config) { c.Train.ReLoRASteps = 2 },
		"no such folder":                             func(c *Config) { c.Method.Adapter += "x" },
		"the run would replace the adapter":          func(c *Config) { c.Save.OutputDir = c.Method.Adapter + "/" },
		"with the labels neg, pos; the task wants": func(c *Config) {
			c.Task.Data = data.Files(tiny.Write(t, filepath.Join(t.TempDir(), "d.csv"), "text,label\n"+strings.Repeat("good,up\nbad,down\n", 12)))
		},
	} {
		c := second
		c.Save.OutputDir = filepath.Join(t.TempDir(), "run")
		change(&c)
		if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestTrainerKeys reads keys as Trainer's users write them.
func TestTrainerKeys(t *testing.T) {
	for text, check := range map[string]func(c Config) bool{
		"max_steps: -1\nnum_train_epochs: 2":                             func(c Config) bool { _, total, _ := c.Train.plan(8); return total == 2 },
		"gradient_checkpointing: true":                                   func(c Config) bool { return c.Memory.GradientCheckpointing == "block" },
		"gradient_checkpointing: false":                                  func(c Config) bool { return c.Memory.GradientCheckpointing == "none" },
		"warmup_steps: 0\nmax_steps: 100":                                func(c Config) bool { _, _, w := c.Train.plan(8); return w == 0 },
		"warmup_steps: 0.1\nmax_steps: 100":                              func(c Config) bool { _, _, w := c.Train.plan(8); return w == 10 },
		"warmup_steps: 7\nwarmup_ratio: 0.5\nmax_steps: 100":             func(c Config) bool { _, _, w := c.Train.plan(8); return w == 7 },
		"warmup_ratio: 0.5\nmax_steps: 100":                              func(c Config) bool { _, _, w := c.Train.plan(8); return w == 50 },
		"lr_scheduler_type: polynomial\nlr_scheduler_kwargs: {power: 2}": func(c Config) bool { return c.Train.LRSchedulerKwargs["power"] == uint64(2) },
		"model_dropout: false\nlabel_smoothing_factor: 0.1\nneftune_noise_alpha: 5": func(c Config) bool {
			return c.Train.regularization() == op.Regularization{LabelSmoothing: 0.1, EmbeddingNoise: 5}
		},
		"max_steps: 1": func(c Config) bool { return c.Train.regularization() == op.Regularization{ModelDropout: true} },
		"lr_scheduler_type: constant\nmax_steps: 9\nweight_decay_all: true": func(c Config) bool { return c.Train.WeightDecayAll },
	} {
		r, err := ParseRecipes([]byte(text), nil)
		if err == nil {
			err = r[0].Config.Check()
		}
		if err != nil || !check(r[0].Config) {
			t.Errorf("%q: %v, %+v", text, err, r)
		}
		again, err := r[0].With()
		if err != nil || !check(again.Config) {
			t.Errorf("%q, read again from its keys: %v, %+v", text, err, again)
		}
	}
}

// TestContinueResized: a run goes on from an adapter with more tokens than its base, also after an interruption.
func TestContinueResized(t *testing.T) {
	base, err := infer.ModelDir(infer.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	vocab := tiny.Load(t, base).Config().VocabSize
	m, err := model.Load(t.Context(), base, model.Options{VocabSize: vocab + 3})
	if err != nil {
		t.Fatal(err)
	}
	a, err := adapter.Attach(t.Context(), m, "a", &adapter.LoRA{Common: adapter.Common{ModulesToSave: []string{"embed_tokens", "lm_head"}}, R: 2}, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := errors.Join(a.Save(dir), m.Close()); err != nil {
		t.Fatal(err)
	}
	c := smallRun(t, "")
	c.Model, c.Method = ModelSpec{Path: infer.Embedded}, MethodSpec{Adapter: dir}
	c.Task = TaskSpec{Name: "memory", Options: map[string]any{"pairs": 4}}
	c.Train.MaxSteps, c.Save.Steps = 2, 1
	for _, resume := range []bool{false, true} {
		if resume {
			if err := os.Remove(filepath.Join(c.Save.OutputDir, "adapter_model.safetensors")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Run(t.Context(), c, Options{Resume: resume}); err != nil {
			t.Fatal(err)
		}
		s, err := infer.Open(t.Context(), infer.Embedded, c.Save.OutputDir)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Model.Config().VocabSize; n != vocab+3 {
			t.Errorf("%d tokens, want %d", n, vocab+3)
		}
		_ = s.Close()
	}
}

// TestNamesOfRuns: an entry of compare has a folder of its own in output_dir.
func TestNamesOfRuns(t *testing.T) {
	for name, good := range map[string]bool{"a": true, "..a": true, "..": false, ".": false, "": false, "a/b": false, `a\\b`: false, "twice": false} {
		_, err := ParseRecipes([]byte(`compare: [{name: twice, method: lora}, {name: "`+name+`", method: lora}]`), nil)
		if (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestLengthKeys: what would train nothing, or never reach the rate, is refused.
func TestLengthKeys(t *testing.T) {
	for text, want := range map[string]string{
		"max_steps: -1\nnum_train_epochs: 0": "num_train_epochs is 0 and max_steps is not set",
		"num_train_epochs: 0\nmax_steps: 3":  "",
		"warmup_steps: 1.5":                  "warmup_steps is 1.5; want a whole number of steps, or below 1 a share",
		"warmup_steps: 11\nmax_steps: 10":    "warmup_steps is 11, but the run has 10 steps",
		"warmup_steps: 10\nmax_steps: 10":    "warmup_steps is 10, but the run has 10 steps",
		"warmup_steps: 9\nmax_steps: 10":     "",
		"gradient_checkpointing: \"yes\"":    "want true (block), false (none), none, block, auto",
		"adapter: dir\nmethod: full":         "method is full",
		"warm_up: 3":                         "write warmup_steps or warmup_ratio",
	} {
		runs, err := ParseRecipes([]byte(text), nil)
		if err == nil {
			err = runs[0].Config.Check()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestUnusedSettings: what a user sets and the run does not use is said.
func TestUnusedSettings(t *testing.T) {
	c := smallRun(t, "mora")
	c.Method.Settings = map[string]any{"r": 2, "lora_alpha": 0}
	w := 2.0
	c.Train.MaxSteps, c.Train.WarmupSteps, c.Train.WarmupRatio = 3, &w, 0.5
	var log bytes.Buffer
	if _, err := Run(t.Context(), c, Options{Log: zerolog.New(&log)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lora_alpha has no effect: mora does not use it", "warmup_ratio is not used: warmup_steps is set", "evaluating the model before its first step"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, &log)
		}
	}
	c.Save.OutputDir = filepath.Join(t.TempDir(), "run")
	c.Train.MaxSteps, w = -1, 1000
	if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), "warmup_steps is 1000, but the run has") {
		t.Errorf("got %v", err)
	}
}
