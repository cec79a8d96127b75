package finetune

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tokenizer"
)

// TestTrainTokenizer trains a tokenizer, and a model from random weights on it.
func TestTrainTokenizer(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "text.jsonl")
	if err := os.WriteFile(data, []byte(strings.Repeat(`{"text": "the cat sat on the mat, the dog sat on the cat"}`+"\n", 40)), 0o666); err != nil {
		t.Fatal(err)
	}
	o := TokenizerOptions{Data: data, Output: filepath.Join(dir, "new", "tok"),
		TrainOptions: tokenizer.TrainOptions{VocabSize: 300, SpecialTokens: []string{"<|endoftext|>"}}}
	n, err := TrainTokenizer(context.Background(), o)
	if err != nil || n < 265 || n > 300 {
		t.Fatalf("%d tokens: %v", n, err)
	}
	c := Default()
	c.Model.Config.JSON = fmt.Appendf(nil, `{"model_type": "llama", "vocab_size": %d, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
		"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}`, n)
	c.Model.Tokenizer, c.Task.Name, c.Method.Name, c.Save.OutputDir = o.Output, "text", "full", filepath.Join(dir, "run")
	c.Task.Options = map[string]any{"data": data, "block_size": 16, "pack": true}
	c.Train.MaxSteps, c.Train.PerDeviceTrainBatchSize, c.Train.LearningRate = 30, 2, 0.01
	r, err := Run(context.Background(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if first, last := r.Evaluations[0].Loss, r.Evaluations[len(r.Evaluations)-1].Loss; last > first/2 {
		t.Errorf("the loss went from %g to %g", first, last)
	}
	if _, err := TrainTokenizer(context.Background(), o); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("into a folder with content: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o.Output = filepath.Join(dir, "cancelled")
	if _, err := TrainTokenizer(ctx, o); err == nil {
		t.Error("a cancelled training ended")
	}
	if _, err := os.Stat(o.Output); err == nil {
		t.Error("a cancelled training left a folder")
	}
}
