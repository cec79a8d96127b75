package finetune

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		name          string
		warmup, total int
		want          []float64
	}{
		{"constant", 0, 4, []float64{1, 1, 1, 1}},
		{"constant", 2, 4, []float64{0, 0.5, 1, 1}},
		{"constant_with_warmup", 2, 4, []float64{0, 0.5, 1, 1}},
		{"linear", 0, 4, []float64{1, 0.75, 0.5, 0.25, 0, 0}},
		{"linear", 2, 4, []float64{0, 0.5, 1, 0.5, 0}},
		{"cosine", 0, 4, []float64{1, 0.5 * (1 + math.Sqrt2/2), 0.5, 0.5 * (1 - math.Sqrt2/2), 0}},
		{"cosine", 4, 4, []float64{0, 0.25, 0.5, 0.75}},
	} {
		f, err := Schedule(tt.name, tt.warmup, tt.total, 0)
		if err != nil {
			t.Fatal(err)
		}
		for step, want := range tt.want {
			if got := f(step); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s, warm-up %d of %d: factor %g at step %d, want %g", tt.name, tt.warmup, tt.total, got, step, want)
			}
		}
	}
	if _, err := Schedule("cosin", 0, 1, 0); err == nil || !strings.Contains(err.Error(), "cosine") {
		t.Errorf("got %v, want an error that lists the schedules", err)
	}
}

func TestWindowsAreEpochs(t *testing.T) {
	const rows, size = 10, 4
	c := Default()
	c.Train.PerDeviceTrainBatchSize, c.Train.GradientAccumulationSteps, c.Train.NumTrainEpochs = 2, 2, 2.5
	perEpoch, total, warmup := c.Train.plan(rows)
	if perEpoch != 3 || total != 8 || warmup != 1 {
		t.Errorf("plan gives %d steps an epoch, %d in all, %d of warm-up; want 3, 8, 1", perEpoch, total, warmup)
	}
	var first, second []int
	for step := range 3 {
		first = append(first, batchIndices(1, rows, size, perEpoch, step)...)
		second = append(second, batchIndices(1, rows, size, perEpoch, step+3)...)
	}
	if slices.Equal(first, second) {
		t.Error("two epochs have the same order")
	}
	for _, epoch := range [][]int{first, second} {
		slices.Sort(epoch)
		for i, v := range epoch {
			if v != i || len(epoch) != rows {
				t.Fatalf("an epoch has rows %v, want each once", epoch)
			}
		}
	}
}

func TestRecipe(t *testing.T) {
	one := func(raw []byte, set []string) (Config, error) {
		r, err := ParseRecipes(raw, set)
		if err != nil {
			return Config{}, err
		}
		return r[0].Config, nil
	}
	c, err := one([]byte("model: m\nr: 4\nlearning_rate: 1e-4\ntask_options: {pairs: 3}\n"),
		[]string{"learning_rate=0.5", "task_options.pairs=7", "target_modules=[q_proj]", "max_steps=9"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Model.Path != "m" || c.Train.LearningRate != 0.5 || c.Train.MaxSteps != 9 || c.Method.Settings["r"] != uint64(4) || c.Task.Options["pairs"] != uint64(7) {
		t.Errorf("read as %+v", c)
	}
	if c, err := one(nil, []string{"model=m"}); err != nil || c.Model.Path != "m" {
		t.Errorf("flags alone gave %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"lerning_rate: 1":                  `unknown key "lerning_rate"; did you mean learning_rate?`,
		"target_module: [q]":               "did you mean target_modules?",
		"max_steps: many":                  "max_steps: many",
		"max_steps: 1.5":                   "whole number",
		"a: [":                             "[1:",
		"compare: [{method: lora}]":        "needs a name",
		"compare: [{name: a, lern: 1}]":    "unknown key",
		"compare: [{name: a}, {name: a}]":  "name of its own",
		"compare: [{name: ../a, seed: 1}]": "name of its own",
	} {
		_, err := ParseRecipes([]byte(text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", text, err, want)
		}
	}
	for _, s := range []string{"learning_rate", "=1", "model.a=1", "a=[", "nokey=1"} {
		if _, err := one([]byte("model: m"), []string{s}); err == nil {
			t.Errorf("--set %s was taken", s)
		}
	}
}

func TestCompareExpands(t *testing.T) {
	runs, err := ParseRecipes([]byte("seed: 3\nr: 8\ncompare:\n- {name: a, method: mora, mora_type: 1}\n- {name: b, method: lora, r: 4}\n"), []string{"seed=5"})
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || runs[0].Name != "a" || runs[1].Name != "b" || runs[0].Config.Method.Name != "mora" || runs[1].Config.Method.Name != "lora" ||
		runs[0].Config.Train.Seed != 5 || runs[1].Config.Method.Settings["r"] != uint64(4) || runs[0].Config.Method.Settings["r"] != uint64(8) {
		t.Errorf("expanded to %+v", runs)
	}
}

func TestCheckNamesTheKey(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"per_device_train_batch_size": func(c *Config) { c.Train.PerDeviceTrainBatchSize = 0 },
		"learning_rate":               func(c *Config) { c.Train.LearningRate = math.NaN() },
		"lr_scheduler_type":           func(c *Config) { c.Train.LRSchedulerType = "x" },
		"metric_for_best_model":       func(c *Config) { c.Train.MetricForBestModel = "x" },
		"eval_examples":               func(c *Config) { c.Train.MetricForBestModel = "score" },
		"adam_beta1":                  func(c *Config) { c.Train.AdamBeta1 = 1 },
	} {
		c := Default()
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got error %v, want one about %s", err, key)
		}
	}
	if c := Default(); c.Check() != nil {
		t.Errorf("the defaults are refused: %v", c.Check())
	}
}
