package finetune

import (
	"strings"
	"testing"
)

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
		"lerning_rate: 1":                                `unknown key "lerning_rate"; did you mean learning_rate?`,
		"target_module: [q]":                             "did you mean target_modules?",
		"max_steps: many":                                "max_steps: many",
		"max_steps: 1.5":                                 "whole number",
		"a: [":                                           "[1:",
		"compare: [{method: lora}]":                      "needs a name",
		"compare: [{name: a, lern: 1}]":                  "unknown key",
		"compare: [{name: a}, {name: a}]":                "name of its own",
		"compare: [{name: ../a, seed: 1}]":               "name of its own",
		"benchmarks: [{name: a, tsak: math}]":            `benchmarks, entry 1: unknown key "tsak"; did you mean task?`,
		"benchmarks: [{name: a}, {task: math, data: x}]": `benchmarks, entry 2: unknown key "data"; it is an option of the task: write options: {data: …}`,
		"benchmarks: [{limit: many}]":                    "benchmarks, entry 1: limit: many has the wrong type; want a whole number",
		"benchmarks: {name: a}":                          "want a list of groups of keys",
		"benchmarks: [math]":                             "benchmarks, entry 1: math has the wrong type; want a group of keys",
	} {
		_, err := ParseRecipes([]byte(text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", text, err, want)
		}
	}
	for _, s := range []string{"learning_rate", "=1", "model.a=1", "a=[", "nokey=1"} {
		if _, err := one([]byte("model: m"), []string{s}); err == nil {
			t.Errorf("--set %s was accepted", s)
		}
	}
}

// TestBenchmarks reads the tasks to evaluate, and finds them again in the recipe's keys.
func TestBenchmarks(t *testing.T) {
	runs, err := ParseRecipes([]byte("benchmarks: [{name: gsm8k, task: math, options: {data: x, shots: 2}, limit: 5, metric: score}, {name: b}]"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b := runs[0].EvalTasks
		if len(b) != 2 || b[0].Name != "gsm8k" || b[0].Task != "math" || b[0].Options["data"] != "x" || b[0].Limit != 5 || b[0].Metric != "score" || b[1].Name != "b" {
			t.Fatalf("read as %+v", b)
		}
		if runs[0], err = runs[0].With(nil); err != nil {
			t.Fatal(err)
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
