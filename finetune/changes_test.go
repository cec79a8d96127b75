package finetune

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks/data"
)

// resumeRun resumes a run and returns its log.
func resumeRun(t *testing.T, c Config) (*Result, string, error) {
	t.Helper()
	var logs bytes.Buffer
	r, err := Run(t.Context(), c, Options{Resume: true, Log: zerolog.New(&logs)})
	return r, logs.String(), err
}

// TestResumeWithChanges: what changes the training is refused by name, with both values; the rest is accepted and named.
func TestResumeWithChanges(t *testing.T) {
	begun := smallRun(t, "lora")
	begun.Train.MaxSteps = 4
	if _, err := Run(t.Context(), begun, quiet()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		err    []string // parts of the error; nil for none
		log    string
	}{
		{"nothing", func(*Config) {}, nil, ""},
		{"learning_rate", func(c *Config) { c.Train.LearningRate = 1e-3 }, []string{"learning_rate: the run has 0.0003, the recipe 0.001"}, ""},
		{"several", func(c *Config) { c.Train.Seed, c.Train.WeightDecay = 7, 0.1 }, []string{"seed: the run has 42, the recipe 7", "weight_decay: the run has 0, the recipe 0.1"}, ""},
		{"warmup_steps", func(c *Config) { w := 2.0; c.Train.WarmupSteps = &w }, []string{"warmup_steps: the run has no value, the recipe 2"}, ""},
		{"r", func(c *Config) { c.Method.Settings = map[string]any{"r": 4} }, []string{"r: the run has 2, the recipe 4"}, ""},
		{"r left out", func(c *Config) { c.Method.Settings = nil }, []string{"r: the run has 2, the recipe 8"}, ""},
		{"target_modules", func(c *Config) { c.Method.Settings = map[string]any{"r": 2, "target_modules": []string{"q_proj"}} },
			[]string{`target_modules: the run has "all-linear", the recipe ["q_proj"]`}, ""},
		{"method", func(c *Config) { c.Method = MethodSpec{Name: "mora", Settings: map[string]any{"mora_type": 6}} }, []string{`method: the run has "lora", the recipe "mora"`}, ""},
		{"task", func(c *Config) { c.Task = TaskSpec{Name: "text", Data: data.Files("x.txt")} }, []string{`task: the run has "memory", the recipe "text"`}, ""},
		{"task option", func(c *Config) { c.Task.Options = map[string]any{"pairs": 8} }, []string{"task_options.pairs: the run has 7, the recipe 8"}, ""},
		{"tokenizer", func(c *Config) { c.Model.Tokenizer = "embedded" }, []string{"tokenizer: the run has ", `the recipe "embedded"`}, ""},
		{"fewer steps than done", func(c *Config) { c.Train.MaxSteps = 3 }, []string{"asks for 3 steps", "has done 4"}, ""},
		{"a default that is set", func(c *Config) { c.Method.Settings = map[string]any{"r": 2, "lora_alpha": 8} }, nil, ""},
		{"logging_steps", func(c *Config) { c.Save.LoggingSteps = 3 }, nil, "logging_steps: the run has 1, the recipe 3"},
		{"eval_examples", func(c *Config) { c.Eval.Examples = 2 }, nil, "eval_examples: the run has 0, the recipe 2"},
		{"patience", func(c *Config) { c.Train.EarlyStoppingPatience = 3 }, nil, "early_stopping_patience: the run has 0, the recipe 3"},
		{"memory", func(c *Config) { c.Memory.Limit = "2GiB" }, nil, "memory: the run has no value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := begun
			c.Save.OutputDir = filepath.Join(t.TempDir(), "run")
			if err := os.CopyFS(c.Save.OutputDir, os.DirFS(begun.Save.OutputDir)); err != nil {
				t.Fatal(err)
			}
			tt.change(&c)
			_, log, err := resumeRun(t, c)
			if tt.err == nil && err != nil || tt.err != nil && err == nil {
				t.Fatalf("got error %v, want %q", err, tt.err)
			}
			for _, want := range tt.err {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %q", err, want)
				}
			}
			if !strings.Contains(log, tt.log) || tt.log == "" && err == nil && strings.Contains(log, "has changed") {
				t.Errorf("the log is\n%s\nwant %q", log, tt.log)
			}
		})
	}
}

// TestResumeWithMoreSteps: a run that is made longer follows the longer schedule from where it is, and says so.
func TestResumeWithMoreSteps(t *testing.T) {
	for _, method := range []string{"lora", "adalora"} {
		c := smallRun(t, method)
		c.Train.WarmupRatio = 0
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		c.Train.MaxSteps = 20
		r, log, err := resumeRun(t, c)
		if err != nil {
			t.Fatal(err)
		}
		// Half of a cosine of 20 steps is done: half of the rate. That of 10 steps is at its end.
		for _, want := range []string{`"steps_then":10`, `"steps_now":20`, `"learning_rate_then":0,`, `"learning_rate_now":0.00015`, "max_steps: the run has 10, the recipe 20"} {
			if !strings.Contains(log, want) {
				t.Errorf("%s: the log is\n%s\nwant %s", method, log, want)
			}
		}
		_, metrics := content(t, c)
		if !slices.ContainsFunc(metrics, func(l string) bool {
			return strings.Contains(l, `"step":11,`) || strings.Contains(l, `"step":11}`) && strings.Contains(l, `"learning_rate":0.00015`)
		}) || r.Steps != 20 {
			t.Errorf("%s: %d steps, the metrics are\n%s", method, r.Steps, strings.Join(metrics, "\n"))
		}
		if _, log, err = resumeRun(t, c); err != nil || strings.Contains(log, "steps_then") {
			t.Errorf("%s: resumed once more: %v\n%s", method, err, log)
		}
	}
}

// TestResumeWithOtherEvaluationData: it is said and marked, and the best starts again; the training goes on as it would have.
func TestResumeWithOtherEvaluationData(t *testing.T) {
	dir := t.TempDir()
	train := tiny.Write(t, filepath.Join(dir, "train.txt"), strings.Repeat("one two three four. ", 40))
	held := tiny.Write(t, filepath.Join(dir, "held.txt"), strings.Repeat("five six. ", 20))
	c := smallRun(t, "lora")
	c.Task = TaskSpec{Name: "text", Data: data.Files(train), EvalData: data.Files(held), Options: map[string]any{"block_size": 16}}
	cut := c
	cut.Save.OutputDir = filepath.Join(dir, "cut")
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := quiet()
	o.Progress = func(p Progress) {
		if p.Step == 5 {
			cancel()
		}
	}
	if _, err := Run(ctx, cut, o); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	// The file has other content, under the same name.
	tiny.Write(t, held, strings.Repeat("seven eight nine ten. ", 20))
	for range 2 { // the second time the run is done, and changes nothing
		_, log, err := resumeRun(t, cut)
		if err != nil {
			t.Fatal(err)
		}
		weights, _ := content(t, c)
		same, metrics := content(t, cut)
		if !bytes.Equal(weights, same) {
			t.Error("other evaluation data changed what is trained")
		}
		var evaluations, marked []string
		for _, l := range metrics {
			if strings.Contains(l, "eval_loss") {
				evaluations = append(evaluations, l)
			}
			if strings.Contains(l, "eval_data_changed") {
				marked = append(marked, l)
			}
		}
		if len(evaluations) != 5 || len(marked) != 1 || !strings.Contains(marked[0], `"step":5`) {
			t.Errorf("want evaluations at 0, 4, 5 (marked), 8 and 10, got\n%s", strings.Join(metrics, "\n"))
		}
		if strings.Contains(log, `"resumed"`) && strings.Contains(log, "checkpoint-5") && !strings.Contains(log, "the best score starts again") {
			t.Errorf("the log is\n%s", log)
		}
	}
	curve, err := ReadCurve("", cut.Save.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	WriteTable(&table, []Curve{curve})
	svg := filepath.Join(dir, "curves.svg")
	if err := WriteSVG(svg, "text", []Curve{curve}); err != nil {
		t.Fatal(err)
	}
	if plot, err := os.ReadFile(svg); err != nil || !strings.Contains(string(plot), "other data from step 5 on") || !strings.Contains(table.String(), "from step 5 on: other evaluation data") {
		t.Errorf("the curve is not marked (%v):\n%s", err, &table)
	}
	s, err := readState(checkpointDir(cut.Save.OutputDir, 10))
	if err != nil || s.BestStep < 5 {
		t.Errorf("the best is of step %d (%v); it should have started again at 5", s.BestStep, err)
	}
	tiny.Write(t, train, strings.Repeat("one two three. ", 40))
	if _, _, err := resumeRun(t, cut); err == nil || !strings.Contains(err.Error(), "the data to train on have changed") {
		t.Errorf("other training data: %v", err)
	}
}

// TestResumeAfterEarlyStop: a run that stopped early stays so, unless it gets more patience.
func TestResumeAfterEarlyStop(t *testing.T) {
	c := smallRun(t, "lora")
	c.Train.EarlyStoppingPatience, c.Train.LearningRate, c.Train.LRSchedulerType = 1, 30, "constant"
	c.Eval.Steps = 1
	first, err := Run(t.Context(), c, quiet())
	if err != nil || !strings.Contains(first.Reason, "stopped early") {
		t.Fatalf("%v, %v", first, err)
	}
	weights, metrics := content(t, c)
	again, _, err := resumeRun(t, c)
	if err != nil || again.Steps != first.Steps || again.Reason != first.Reason {
		t.Errorf("resumed, it ends after %d steps: %s (%v); want %d: %s", again.Steps, again.Reason, err, first.Steps, first.Reason)
	}
	if w, m := content(t, c); !bytes.Equal(w, weights) || !slices.Equal(m, metrics) {
		t.Errorf("resumed, the run has other weights or metrics:\n%s", strings.Join(m, "\n"))
	}
	c.Train.EarlyStoppingPatience = 50
	if more, _, err := resumeRun(t, c); err != nil || more.Steps != 10 {
		t.Errorf("with more patience: %d steps, %v", more.Steps, err)
	}
}

// TestResumeBeforeTheFirstCheckpoint starts a run again that was killed before it had one.
func TestResumeBeforeTheFirstCheckpoint(t *testing.T) {
	c := smallRun(t, "lora")
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	weights, metrics := content(t, c)
	for _, step := range []int{8, 10} {
		if err := os.RemoveAll(checkpointDir(c.Save.OutputDir, step)); err != nil {
			t.Fatal(err)
		}
	}
	_, log, err := resumeRun(t, c)
	if err != nil || !strings.Contains(log, "no checkpoint yet") {
		t.Fatalf("%v\n%s", err, log)
	}
	if w, m := content(t, c); !bytes.Equal(w, weights) || !slices.Equal(m, metrics) {
		t.Errorf("the metrics are\n%s\nwant\n%s", strings.Join(m, "\n"), strings.Join(metrics, "\n"))
	}
}

// TestResumeOfAContinuedAdapter: the method that the adapter brings is that of the recipe.
func TestResumeOfAContinuedAdapter(t *testing.T) {
	first := smallRun(t, "lora")
	first.Train.MaxSteps = 2
	if _, err := Run(t.Context(), first, quiet()); err != nil {
		t.Fatal(err)
	}
	c := smallRun(t, "lora")
	c.Model, c.Train.MaxSteps, c.Method = first.Model, 2, MethodSpec{Adapter: first.Save.OutputDir}
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(c.Save.OutputDir, RecipeFile))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := ParseRecipes(raw, []string{"output_dir=" + c.Save.OutputDir})
	if err != nil || kept[0].Config.Method.Name != "lora" || kept[0].Config.Method.Adapter != first.Save.OutputDir {
		t.Fatalf("%v:\n%s", err, raw)
	}
	for _, c := range []Config{c, kept[0].Config} {
		if _, log, err := resumeRun(t, c); err != nil || strings.Contains(log, "has changed") {
			t.Errorf("%v\n%s", err, log)
		}
	}
}
