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
		args := []string{"train", filepath.Join("..", "..", "recipes", f), "--dry-run"}
		if f == "tiny/pretraining.yaml" { // less to read than its 5 MB for each of five rows
			args = append(args, "--set", "data=embedded:gutenberg/pg11.txt", "--set", "warmup_steps=7")
		}
		out := ok(t, args...)
		for _, want := range []string{"trainable parameters: ", "steps: ", "memory: about ", "time: "} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing in\n%s", f, want, out)
			}
		}
	}
}

// ownRecipe is a recipe of one's own with a search.
const ownRecipe = `
model: embedded
task: memory
task_options: {pairs: 2}
target_modules: [q_proj]
r: 2
max_steps: 2
per_device_train_batch_size: 2
warmup_ratio: 0
seed: 1
search: {learning_rate: [1.0e-3, 1.0e-2], widen: 0}
compare:
  - {name: lora, method: lora}
  - {name: mora, method: mora}
`

// TestOwnTable plans a recipe's table, makes it, searches it, and trains the recipe that the search writes; train alone says
// what to use for a recipe with a search.
func TestOwnTable(t *testing.T) {
	dir := t.TempDir()
	recipe := filepath.Join(dir, "mine.yaml")
	if err := os.WriteFile(recipe, []byte(ownRecipe), 0o666); err != nil {
		t.Fatal(err)
	}
	table, search := filepath.Join(dir, "table"), filepath.Join(dir, "search")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"table", recipe, "--dry-run", "--output", table}, []string{"| lora | 2 | 1 | 0 | 2 | ", "In all about "}},
		{[]string{"table", recipe, "--output", table}, []string{"| lora | 1 | ", "| mora | 1 | ", "| chosen"}},
		{[]string{"table", recipe, "--dry-run", "--output", table}, []string{"| lora | 2 | 1 | 3 | – | – | 0 s |"}},
		{[]string{"search", recipe, "--row", "mora", "--output", search}, []string{"| chosen", "finetune train " + filepath.Join(search, "mora.yaml")}},
		{[]string{"train", filepath.Join(search, "mora.yaml"), "--output", filepath.Join(dir, "run")}, []string{"saved in "}},
	} {
		out := ok(t, tt.args...)
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is missing in\n%s", tt.args, want, out)
			}
		}
	}
	code, _, stderr := finetuneCmd(t, "train", recipe, "--output", filepath.Join(dir, "none"))
	if code != 1 || !strings.Contains(stderr, "finetune search "+recipe) {
		t.Errorf("train with a search: exit %d, %q", code, stderr)
	}
	if out := ok(t, "train", recipe, "--set", "search={}", "--output", filepath.Join(dir, "first")); !strings.Contains(out, "== lora") {
		t.Errorf("train without the search prints\n%s", out)
	}
}
