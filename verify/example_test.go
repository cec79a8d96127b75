package verify_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/verify"
)

// Against compares a model with a file of another program. Here this program writes the file itself, with an error of
// 0.1 in one of the logits.
func ExampleAgainst() {
	m, err := model.New([]byte(`{"model_type": "llama", "vocab_size": 16, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
		"num_attention_heads": 2}`), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	ids := []int64{3, 1, 4, 1, 5, 9}
	var logits []float32
	if err := op.Inference("", func(p *op.Pass) error {
		y, err := m.Logits(p, &model.Batch{IDs: []int32{3, 1, 4, 1, 5, 9}}, nil, nil)
		if err == nil {
			logits = append(logits, y.Data...)
		}
		return err
	}); err != nil {
		log.Fatal(err)
	}
	logits[40] += 0.1
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "reference.safetensors")
	if err := checkpoint.Write(path, []checkpoint.Tensor{checkpoint.I64("input_ids", ids, 1, 6), checkpoint.F32("logits", logits, 1, 6, 16)}, nil); err != nil {
		log.Fatal(err)
	}

	report, err := verify.Against(context.Background(), m, "", path)
	if err != nil {
		log.Fatal(err)
	}
	worst, n := report.Beyond(1e-3)
	fmt.Printf("%d of %d: %s, %d values, off by %.2f\n", n, len(report), worst.Name, worst.Values, float64(worst.Difference))
	// Output: 1 of 1: logits, 96 values, off by 0.10
}
