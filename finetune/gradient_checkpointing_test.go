package finetune

import (
	"slices"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// qwen3Config is a model that normalizes queries and keys.
const qwen3Config = `{"model_type": "qwen3", "vocab_size": 256, "hidden_size": 16, "intermediate_size": 24, "initializer_range": 0.2, "head_dim": 8,
 "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128}`

// rowsOf returns rows of the given lengths. All tokens are scored.
func rowsOf(lengths ...int) []tasks.Features {
	var rows []tasks.Features
	for i, n := range lengths {
		ids := make([]int32, n)
		for j := range ids {
			ids[j] = int32((7*j + 31*i) % 256)
		}
		rows = append(rows, tasks.Features{IDs: ids, Labels: ids})
	}
	return rows
}

// trainerOf returns a trainer of a model with random weights.
func trainerOf(t *testing.T, config, method string, settings map[string]any) *Trainer {
	t.Helper()
	return trainerWith(t, config, method, settings, TrainerOptions{MaxTokensPerMicroBatch: 64, Seed: 3})
}

// trainerWith is trainerOf with options.
func trainerWith(t *testing.T, config, method string, settings map[string]any, o TrainerOptions) *Trainer {
	t.Helper()
	m, err := model.New([]byte(config), model.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if method == "full" {
		return NewTrainer(m, nil, o)
	}
	made, err := adapter.New(method, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := adapter.Attach(t.Context(), m, infer.AdapterName, made, 5)
	if err != nil {
		t.Fatal(err)
	}
	return NewTrainer(m, a, o)
}

func TestCheckpointingIsExact(t *testing.T) {
	random := map[string]any{"r": 2, "init_lora_weights": false}
	dropout := map[string]any{"r": 2, "init_lora_weights": false, "lora_dropout": 0.3}
	for name, tt := range map[string]struct {
		method   string
		settings map[string]any
	}{
		"lora": {"lora", random}, "lora with dropout": {"lora", dropout}, "mora": {"mora", random}, "dora": {"dora", random},
		"dora with dropout": {"dora", dropout}, "one layer": {"lora", map[string]any{"r": 2, "layers_to_transform": []int{1}}}, "full": {"full", nil},
	} {
		for _, config := range []string{smallConfig, qwen3Config} {
			t.Run(name, func(t *testing.T) {
				var want [][]float32
				var loss float64
				for _, checkpointing := range []bool{false, true} {
					tr := trainerOf(t, config, tt.method, tt.settings)
					tr.Options.Checkpointing = checkpointing
					s, _, err := tr.gradients(t.Context(), rowsOf(30, 20, 9, 60), 0)
					if err != nil {
						t.Fatal(err)
					}
					if !checkpointing {
						loss = s.Loss
					}
					if s.Loss != loss {
						t.Errorf("the loss is %v, without checkpointing %v", s.Loss, loss)
					}
					for i, p := range tr.Params {
						g := op.Grad(p.Param).Data
						if !checkpointing {
							want = append(want, slices.Clone(g))
						} else if !slices.Equal(g, want[i]) {
							t.Errorf("the gradient of %s differs from that without checkpointing", p.Name)
						}
					}
				}
			})
		}
	}
}
