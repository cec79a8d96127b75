package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTableOfThePaper checks that the published rows and the missing inputs are printed without LLaMA-2 and the data.
func TestTableOfThePaper(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "main")
	out := ok(t, "table", "main", "--preset", "paper", "--output", dir)
	for _, want := range []string{"| mora-high | 0 | MoRA r=256 | 49.9 | 51.4 | 67.9 | 19.2 | 55.4 | 68.7 |", "| FFT | 74.1 | 41.2 | 47.5 | 62.7 | 56.4 |",
		"mathematics lora-8", "model: llama-2-7b does not exist; data: data/metamath/MetaMathQA-395K.json does not exist"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	md, err := os.ReadFile(filepath.Join(dir, "main.md"))
	if err != nil || string(md) != out {
		t.Errorf("main.md is not what was printed (%v)", err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"memry"}, "did you mean memory?"}, {[]string{"memory", "--preset", "smolm2"}, "did you mean smollm2?"},
		{[]string{"rank", "--output", dir}, "holds the table main, preset paper"},
	} {
		code, _, stderr := finetuneCmd(t, append([]string{"table"}, tt.args...)...)
		if code != 1 || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("table %v: exit %d, %q, want 1 and one line with %q", tt.args, code, stderr, tt.want)
		}
	}
}

// TestDryRun plans recipes of models that are there, and of models whose shape is known.
func TestDryRun(t *testing.T) {
	files := []string{"quickstart.yaml", "paper/memory.yaml", "tiny/pretraining.yaml", "smollm2/memory.yaml"}
	if testing.Short() {
		files = files[:1]
	}
	for _, f := range files {
		out := ok(t, "train", filepath.Join("..", "..", "recipes", f), "--dry-run")
		for _, want := range []string{"trainable parameters: ", "steps: ", "memory: about ", "time: "} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing in\n%s", f, want, out)
			}
		}
	}
}
