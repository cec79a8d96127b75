package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/finetune"
)

// TestDoctor checks the verb's exit code and what it prints, as a table and as JSON, for one run and for several.
func TestDoctor(t *testing.T) {
	run := []string{"doctor", "--model", "embedded", "--task", "memory", "--set", "task_options.pairs=16", "--set", "max_steps=4", "--output", filepath.Join(t.TempDir(), "run")}
	if table := ok(t, run...); !strings.HasPrefix(table, "CHECK") || !strings.Contains(table, "trainable parameters") {
		t.Errorf("got %s", table)
	}
	wrong := append(slices.Clone(run), "--memory", "1MiB", "--set", "target_modules=[qproj]")
	code, stdout, stderr := finetuneCmd(t, append(wrong, "--json")...)
	if code != 1 || !strings.Contains(stderr, "train would refuse the run") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	failed := ""
	for line := range strings.Lines(stdout) {
		var f finetune.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		if f.Status == finetune.StatusError {
			failed += f.Check + ": " + f.Advice
		}
	}
	if failed != "adapter: did you mean q_proj?" {
		t.Errorf("failed: %q in %s", failed, stdout)
	}
	if code, _, stderr := finetuneCmd(t, append(run, "--set", "lerning_rate=1")...); code != 1 || !strings.Contains(stderr, "did you mean learning_rate") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	for _, text := range []string{"lerning_rate: 1\n", "model: [\n"} {
		if err := os.WriteFile(recipe, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if code, stdout, _ := finetuneCmd(t, "doctor", recipe); code != 1 || !strings.HasPrefix(stdout, "CHECK") || !strings.Contains(stdout, "recipe  error") {
			t.Errorf("exit code %d: %s", code, stdout)
		}
	}
	if table := ok(t, "doctor", "--output", filepath.Join(t.TempDir(), "quick")); strings.Count(table, "CHECK") != 2 || !strings.Contains(table, "== lora: lora") {
		t.Errorf("the quickstart: %s", table)
	}
}
