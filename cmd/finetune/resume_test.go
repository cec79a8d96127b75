package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/finetune"
)

// TestResumeFromTheFolder goes on with what a run's folder keeps: as it is, with more steps, and with keys that may not change.
func TestResumeFromTheFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	ok(t, "train", "--model", "embedded", "--task", "memory", "--set", "task_options.pairs=8", "--method", "lora", "--set", "max_steps=2",
		"--set", "learning_rate=1e-3", "--output", "run")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"the folder alone", nil, 0, "all 2 steps done"},
		{"more steps", []string{"--set", "max_steps=3"}, 0, "all 3 steps done"},
		{"the new length is kept", nil, 0, "all 3 steps done"},
		{"a flag that says the same", []string{"--model", "embedded", "--task", "memory", "--method", "lora"}, 0, "all 3 steps done"},
		{"a key that must stay", []string{"--set", "learning_rate=2e-3"}, 1, "learning_rate: the run has 0.001, the recipe 0.002"},
		{"another method", []string{"--method", "vera"}, 1, `method: the run has "lora", the recipe "vera"`},
		{"only the plan", []string{"--dry-run"}, 0, "steps"},
	} {
		code, stdout, stderr := finetuneCmd(t, append([]string{"train", "--resume", "--output", "run"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s%s", tt.name, code, tt.code, tt.want, stdout, stderr)
		}
	}
	for _, folder := range []string{"rnu", "run/best"} {
		if code, _, stderr := finetuneCmd(t, "train", "--resume", "--output", folder); code != 1 || !strings.Contains(stderr, "has no recipe.yaml") {
			t.Errorf("%s: exit code %d: %s", folder, code, stderr)
		}
	}
}

// TestResumeSeveralRuns: the folder of compare keeps the recipe of all runs.
func TestResumeSeveralRuns(t *testing.T) {
	t.Chdir(t.TempDir())
	recipe := "model: embedded\ntask: memory\ntask_options: {pairs: 8}\nmax_steps: 2\ncompare:\n- {name: b, method: mora}\n- {name: a, method: lora, r: 2}\n"
	if err := os.WriteFile("both.yaml", []byte(recipe), 0o666); err != nil {
		t.Fatal(err)
	}
	ok(t, "train", "both.yaml", "--output", "both")
	if err := os.RemoveAll(filepath.Join("both", "a")); err != nil { // as if it had been stopped after the first
		t.Fatal(err)
	}
	out := ok(t, "train", "--resume", "--output", "both")
	if !strings.Contains(out, "== b: mora") || !strings.Contains(out, "== a: lora") || strings.Index(out, "== b") > strings.Index(out, "== a") {
		t.Errorf("the runs are\n%s", out)
	}
	for _, name := range []string{"", "a", "b"} {
		if _, err := os.Stat(filepath.Join("both", name, finetune.RecipeFile)); err != nil {
			t.Error(err)
		}
	}
}

// TestRefusedRunsKeepTheRecipe: runs that are refused, since their folders are there, leave the recipe of those.
func TestRefusedRunsKeepTheRecipe(t *testing.T) {
	output := filepath.Join(t.TempDir(), "both")
	args := func(steps string) []string {
		return []string{"train", "--model", byteModel(t), "--task", "memory", "--output", output, "--set", "task_options.pairs=4", "--set", "max_steps=" + steps,
			"--set", "compare=[{name: a, method: lora}, {name: b, method: mora}]"}
	}
	ok(t, args("1")...)
	before, err := os.ReadFile(filepath.Join(output, finetune.RecipeFile))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := finetuneCmd(t, args("2")...); code != 1 || !strings.Contains(stderr, "is not empty") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if after, err := os.ReadFile(filepath.Join(output, finetune.RecipeFile)); err != nil || string(after) != string(before) {
		t.Errorf("the recipe has changed: %v\n%s", err, after)
	}
}
