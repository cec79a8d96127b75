package finetune

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// TestRandomBaseCanBeUsed opens the result of runs from random weights: the base is in the run's folder, and the score is that of the
// run's end.
func TestRandomBaseCanBeUsed(t *testing.T) {
	for _, method := range []string{"lora", "mora", "dora"} {
		dir := filepath.Join(t.TempDir(), "run")
		runs, err := ParseRecipes([]byte(`
model_config: {model_type: llama, vocab_size: 256, hidden_size: 16, intermediate_size: 24, initializer_range: 0.2,
  num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 128}
tokenizer: embedded
task: memory
task_options: {pairs: 5}
modules_to_save: [embed_tokens]
r: 2
learning_rate: 0.02
max_steps: 4
per_device_train_batch_size: 3
eval_examples: 5
method: `+method), []string{"output_dir=" + dir})
		if err != nil {
			t.Fatal(err)
		}
		result, err := Run(context.Background(), runs[0].Config, Options{Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		s, err := infer.Open(t.Context(), runs[0].Config.Base(), dir)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		defer func() { _ = s.Close() }()
		task, err := runs[0].Config.Task.New()
		if err != nil {
			t.Fatal(err)
		}
		metrics, _, err := evaluate.Score(t.Context(), s, evaluate.NamedTask{Task: task}, tasks.Eval, 5, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := *result.Evaluations[len(result.Evaluations)-1].Score; metrics[0].Value != want || want == 0 {
			t.Errorf("%s: the score was %g, and is %g when the result is opened", method, want, metrics[0].Value)
		}
		checkMoved(t, dir)
	}
}

// checkMoved checks that the base of a run from random weights is found after its folder has moved, also from a folder with
// another base, for the result and for the best weights.
func checkMoved(t *testing.T, dir string) {
	t.Helper()
	moved, other := filepath.Join(t.TempDir(), "moved"), t.TempDir()
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(other, randomBaseDir), os.DirFS(filepath.Join(moved, randomBaseDir))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(other)
	for _, adapterDir := range []string{moved, filepath.Join(moved, "best")} {
		if found, err := infer.BaseModel(adapterDir); err != nil || found != filepath.Join(moved, randomBaseDir) {
			t.Errorf("the base of %s is %s (%v)", adapterDir, found, err)
		}
	}
}
